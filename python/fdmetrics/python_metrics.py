# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The Python interpreters of a service as metrics of its store: python_gc_* added up, and python_info.

    from fdmetrics import python_metrics

    python_metrics.install()

  python_gc_objects_collected_total      by generation: objects that the garbage collectors of all processes have freed
  python_gc_objects_uncollectable_total  by generation: objects that they found and could not free
  python_gc_collections_total            by generation: how often they ran
  python_info                            1 for each version and implementation that a live process runs

With FDMETRICS_PROCESS_METRICS=worker in the environment of all processes they are told apart by the label worker, the
small number that a process has and a later one takes over when it has ended.

They are ordinary series: what a process that has ended collected stays in the totals, and a fork child counts what it
collects itself. A process counts from its start on as soon as it attaches the store, which is at its first update, and
not because of install(). Fork children go on by themselves; a process that is started otherwise calls install() too.

fdmetrics.install() and fdmetrics.prometheus_client call it. Needs nothing but fdmetrics.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from . import _variables
from .errors import REFUSALS
from .instruments import Counter, Gauge
from .registry import REGISTRY, Registry

if TYPE_CHECKING:
    from ._bindings import Increment

#: The garbage collectors' families.
COLLECTOR_FAMILIES = ("python_gc_objects_collected", "python_gc_objects_uncollectable", "python_gc_collections")
#: The interpreters' family.
INFO_FAMILY = "python_info"

_INFO_LABELS = ("implementation", "major", "minor", "patchlevel", "version")


class PythonMetrics:
    """What this process records of its interpreter into one registry's store."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._by_worker = _variables.process_metrics() == "worker"
        generation = ["generation", "worker"] if self._by_worker else ["generation"]
        self._collected = Counter(COLLECTOR_FAMILIES[0], "Objects collected during gc", generation, registry=registry)
        self._uncollectable = Counter(
            COLLECTOR_FAMILIES[1], "Uncollectable objects found during GC", generation, registry=registry
        )
        self._collections = Counter(
            COLLECTOR_FAMILIES[2], "Number of times this generation was collected", generation, registry=registry
        )
        self._info = Gauge(
            INFO_FAMILY,
            "Python platform information",
            _INFO_LABELS,
            registry=registry,
            multiprocess_mode="liveall" if self._by_worker else "livemax",
        )
        # What an ancestor collected before it forked is the ancestor's.
        self._of_ancestors = [dict.fromkeys(stats, 0) for stats in gc.get_stats()]
        self._generations: List[Tuple[Increment, Increment, Increment]] = []
        self._alive: List[Gauge] = []
        self._attached = False
        registry._holds(self)
        # The registry calls register() or _register_quietly() when it attaches the store, now if it has.
        registry._declare(self, self._info._family)

    def register(self) -> None:
        """Registers the families and starts to record. Errors: as fdmetrics.Metric.register."""
        for metric in (self._collected, self._uncollectable, self._collections, self._info):
            metric.register()
        self._start()

    def _register_quietly(self) -> bool:
        try:
            self._start()
            return True
        except REFUSALS as error:
            # What attaches the store or renders tries again.
            self._registry._pending[self] = None
            self._registry._refuse(error, "the metrics of the Python interpreter")
            return False

    def _start(self) -> None:
        self._registry._registered(self)
        if self._attached:
            return
        self._attached = True
        try:
            generations = self._increments()
        except REFUSALS:
            self._attached = False
            raise
        self._alive = [self._info.labels(**_platform())]
        self._alive[0].set(1)
        # No collection may come between what is read here and the first that is counted by itself.
        enabled = gc.isenabled()
        gc.disable()
        try:
            for increments, now, before in zip(generations, gc.get_stats(), self._of_ancestors):
                for inc, key in zip(increments, ("collections", "collected", "uncollectable")):
                    inc(now[key] - before.get(key, 0))
            self._generations = generations
            gc.callbacks.append(self._collection)
        finally:
            if enabled:
                gc.enable()

    def _increments(self) -> List[Tuple[Increment, Increment, Increment]]:
        """What adds to the series of each generation."""
        worker = (self._registry._attach().join(),) if self._by_worker else ()
        return [
            (
                self._collections.labels(generation, *worker).inc,
                self._collected.labels(generation, *worker).inc,
                self._uncollectable.labels(generation, *worker).inc,
            )
            for generation in range(len(gc.get_stats()))
        ]

    def _collection(self, phase: str, info: Dict[str, int]) -> None:
        # Called amid any allocation of any thread: nothing here allocates much, takes a lock or attaches anything.
        if phase == "stop":
            collections, collected, uncollectable = self._generations[info["generation"]]
            collections()
            if info["collected"]:
                collected(info["collected"])
            if info["uncollectable"]:
                uncollectable(info["uncollectable"])

    def _in_child(self) -> None:
        if self._attached:
            if self._by_worker:
                with contextlib.suppress(*REFUSALS):
                    self._generations = self._increments()
            # Who is alive is known by process: the parent's 1 leaves with the parent.
            for gauge in self._alive:
                gauge.set(1)
        else:
            self._of_ancestors = gc.get_stats()

    def _detach(self) -> None:
        if self._collection in gc.callbacks:
            gc.callbacks.remove(self._collection)
        self._alive = []
        _installed.pop(self._registry, None)


_installed: Dict[Registry, PythonMetrics] = {}


def install(registry: Registry = REGISTRY) -> PythonMetrics:
    """Has this process, and its fork children, record these metrics into a registry's store. Again: does nothing.

    Attaches nothing: see this module. May be called from any thread. Errors: ConflictError, where this process has
    declared one of the names otherwise.
    """
    installed = _installed.get(registry)
    return installed if installed is not None else _installed.setdefault(registry, PythonMetrics(registry))


def _in_children() -> None:
    for installed in list(_installed.values()):
        installed._in_child()


os.register_at_fork(after_in_child=_in_children)


# The names that module platform has for them. It is not asked itself: the store may be attached by an update, which
# imports nothing.
_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy"}


def _platform() -> Dict[str, Any]:
    version = sys.version.split(maxsplit=1)[0]
    # A version without a third number has a zero there.
    major, minor, patchlevel = (*version.split(".", 2), "0")[:3]
    implementation = _IMPLEMENTATIONS.get(sys.implementation.name, sys.implementation.name)
    return dict(zip(_INFO_LABELS, (implementation, major, minor, patchlevel, version)))
