# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""MultiProcessCollector and mark_process_dead over the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Optional

from prometheus_client.metrics_core import Metric

from .. import registry as native
from .._prometheus import multiprocess as store_multiprocess
from .._prometheus.families import sum_first
from .._prometheus.totals import wanted_process_metrics
from ..store import Path
from . import registry as registries
from ._part import Part, StoreCollector, collected
from ._twin import fallback, real

if TYPE_CHECKING:
    import prometheus_client.multiprocess as _real
else:
    _real = real(__name__)

__all__ = ["MultiProcessCollector", "mark_process_dead"]

__getattr__ = fallback(__name__, _real)

mark_process_dead = store_multiprocess.mark_process_dead


class MultiProcessCollector(StoreCollector, _real.MultiProcessCollector):
    """All families of the store, and process_*.

    Nothing needs it here, because each registry shows totals; it is for code that has it. Without a path it is of the
    service's store, and needs no directory. merge() reads files of prometheus_client's own, which nobody writes here.
    """

    def __init__(self, registry: Optional[Any], path: Optional[Path] = None) -> None:
        """registry: where it is registered; None: nowhere. path: the directory of another store.

        Errors: ValueError, where the path, or PROMETHEUS_MULTIPROC_DIR, is no directory.
        """
        self._store = registries.store_of(registry)
        store_multiprocess.initialise(self, registry, path)

    def _part(self) -> Optional[Part]:
        return self._whole() if type(self).collect is MultiProcessCollector.collect else None

    def _whole(self) -> Optional[Part]:
        if self._store is native.REGISTRY and not store_multiprocess.is_of_this_process(self):
            return None
        return Part(self._store, None, process_metrics=wanted_process_metrics())

    def collect(self) -> Iterable[Metric]:
        """The families. Errors: those of fdmetrics.Registry.render."""
        part = self._whole()
        return store_multiprocess.collect(self) if part is None else sum_first(collected(part))
