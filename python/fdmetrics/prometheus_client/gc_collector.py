# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python_gc_* of all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Optional

from prometheus_client.metrics_core import CounterMetricFamily, Metric

from .. import python_metrics
from . import registry as registries
from ._part import Part, StoreCollector, collected
from ._twin import fallback, real
from .registry import REGISTRY, CollectorRegistry

if TYPE_CHECKING:
    import prometheus_client.gc_collector as _real
else:
    _real = real(__name__)

__all__ = ["GC_COLLECTOR", "GCCollector"]

__getattr__ = fallback(__name__, _real)


class GCCollector(StoreCollector, _real.GCCollector):
    """What the garbage collectors of all processes have done, added up; see fdmetrics.python_metrics."""

    def __init__(self, registry: Optional[CollectorRegistry] = REGISTRY) -> None:
        """registry: where it is registered; None: nowhere."""
        self._store = registries.store_of(registry)
        python_metrics.install(self._store)
        if registry:
            registry.register(self)

    def _part(self) -> Optional[Part]:
        return self._whole() if type(self).collect is GCCollector.collect else None

    def _whole(self) -> Part:
        return Part(self._store, frozenset(f"{name}_total" for name in python_metrics.COLLECTOR_FAMILIES))

    def describe(self) -> Iterable[Metric]:
        """The families without samples."""
        return [CounterMetricFamily(name, "") for name in python_metrics.COLLECTOR_FAMILIES]

    def collect(self) -> Iterable[Metric]:
        """The families."""
        return collected(self._whole())


GC_COLLECTOR = GCCollector()
"""The one that is registered with REGISTRY."""
