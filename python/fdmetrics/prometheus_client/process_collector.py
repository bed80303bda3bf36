# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""process_* of all processes that hold the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable, Optional, Union

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from .._prometheus.totals import wanted_process_metrics
from . import registry as registries
from ._part import Part, StoreCollector, collected
from ._twin import fallback, real
from .registry import REGISTRY, CollectorRegistry

if TYPE_CHECKING:
    import prometheus_client.process_collector as _real
else:
    _real = real(__name__)

__all__ = ["PROCESS_COLLECTOR", "ProcessCollector"]

__getattr__ = fallback(__name__, _real)

_NAMES = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
)


class ProcessCollector(StoreCollector, _real.ProcessCollector):
    """Processor time, memory and open files of all live processes of the service, added up.

    Processor time includes that of processes that have ended. With a pid or a proc of the caller's it is
    prometheus_client's ProcessCollector, of that one process.
    """

    def __init__(
        self,
        namespace: str = "",
        pid: Optional[Callable[[], Union[int, str]]] = None,
        proc: str = "/proc",
        registry: Optional[CollectorRegistry] = REGISTRY,
    ) -> None:
        """namespace: put before the names. registry: where it is registered; None: nowhere."""
        self._of_service = pid is None and proc == "/proc"
        self._store = registries.store_of(registry)
        of_process = {} if pid is None else {"pid": pid}
        super().__init__(namespace=namespace, proc=proc, registry=None, **of_process)
        if registry:
            registry.register(self)

    def _part(self) -> Optional[Part]:
        is_own = type(self).collect is ProcessCollector.collect
        return self._whole() if self._of_service and is_own and not self._namespace else None

    def _whole(self) -> Part:
        return Part(self._store, frozenset(_NAMES), process_metrics=wanted_process_metrics())

    def describe(self) -> Iterable[Metric]:
        """The families without samples."""
        for name in _NAMES:
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(self._named(name), "")

    def collect(self) -> Iterable[Metric]:
        """The families."""
        if not self._of_service:
            yield from super().collect()
            return
        for metric in collected(self._whole()):
            made = Metric(self._named(metric.name), metric.documentation, metric.type)
            for sample in metric.samples:
                made.add_sample(self._named(sample.name), sample.labels, sample.value)
            yield made

    def _named(self, name: str) -> str:
        return f"{self._namespace}_{name}" if self._namespace else name


PROCESS_COLLECTOR = ProcessCollector()
"""The one that is registered with REGISTRY."""
