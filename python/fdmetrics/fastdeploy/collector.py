# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The catalogue in a registry of prometheus_client. That is needed only by who passes such a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Collection, List, Protocol

from ..metric import Metric
from ..registry import Registry

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family


class CollectorRegistry(Protocol):
    """What prometheus_client's registries have."""

    def register(self, collector: FamilyCollector) -> None:
        """Takes up a collector."""


class FamilyCollector:
    """The totals over all processes of some metrics, as a collector of prometheus_client. May be used in any thread."""

    def __init__(self, registry: Registry, metrics: Collection[Metric], prepare: Callable[[], None]) -> None:
        """prepare is called before each collection."""
        self._registry = registry
        self._prepare = prepare
        self._names = {metric.name for metric in metrics}

    def collect(self) -> List[Family]:
        """The families, by one rendering of the store. Errors: those of Registry.render."""
        from .._prometheus.families import collect_families

        self._prepare()
        return [family for family in collect_families(self._registry) if family.name in self._names]
