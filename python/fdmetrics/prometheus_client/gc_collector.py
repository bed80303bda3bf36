# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python_gc_* of all processes."""

from __future__ import annotations

from typing import Iterable, Optional

import prometheus_client.gc_collector as _real
from prometheus_client.metrics_core import CounterMetricFamily, Metric

from .. import python_metrics
from . import registry as registries
from ._part import Part, StoreCollector, collected
from ._twin import fallback
from .registry import REGISTRY, CollectorRegistry

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
        return Part(self._store, frozenset(f"{name}_total" for name in python_metrics.COLLECTOR_FAMILIES))

    def describe(self) -> Iterable[Metric]:
        """The families without samples."""
        return [CounterMetricFamily(name, "") for name in python_metrics.COLLECTOR_FAMILIES]

    def collect(self) -> Iterable[Metric]:
        """The families."""
        part = self._part()
        assert part is not None
        return collected(part)


GC_COLLECTOR = GCCollector()
"""The one that is registered with REGISTRY."""
