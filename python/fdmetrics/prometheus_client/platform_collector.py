# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python_info of all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Optional

from prometheus_client.metrics_core import Metric

from .. import python_metrics
from . import registry as registries
from ._part import Part, StoreCollector, collected
from ._twin import fallback, real
from .registry import REGISTRY, CollectorRegistry

if TYPE_CHECKING:
    import prometheus_client.platform_collector as _real
else:
    _real = real(__name__)

__all__ = ["PLATFORM_COLLECTOR", "PlatformCollector"]

__getattr__ = fallback(__name__, _real)


class PlatformCollector(StoreCollector, _real.PlatformCollector):
    """1 for each version and implementation of Python that a live process of the service runs.

    With a platform of the caller's it is prometheus_client's PlatformCollector, of this process.
    """

    def __init__(self, registry: Optional[CollectorRegistry] = REGISTRY, platform: Optional[Any] = None) -> None:
        """registry: where it is registered; None: nowhere."""
        self._of_service = platform is None
        self._store = registries.store_of(registry)
        super().__init__(registry=None, platform=platform)
        if self._of_service:
            python_metrics.install(self._store)
        if registry:
            registry.register(self)

    def _part(self) -> Optional[Part]:
        is_own = type(self).collect is PlatformCollector.collect
        return self._whole() if self._of_service and is_own else None

    def _whole(self) -> Part:
        return Part(self._store, frozenset([python_metrics.INFO_FAMILY]))

    def describe(self) -> Iterable[Metric]:
        """The family without samples."""
        return [Metric(metric.name, metric.documentation, metric.type) for metric in self._metrics]

    def collect(self) -> Iterable[Metric]:
        """The family."""
        return collected(self._whole()) if self._of_service else super().collect()


PLATFORM_COLLECTOR = PlatformCollector()
"""The one that is registered with REGISTRY."""
