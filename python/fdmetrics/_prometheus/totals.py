# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a CollectorRegistry shows once its metrics are in the store: totals over all processes, and each family once.

A registry's collectors are of four kinds:
  - metrics whose series are in the store: their family's total stands for them;
  - the store's own collector (MultiProcessCollector): all families of the store, and those of the processes;
  - the collectors of this process (ProcessCollector, GCCollector): what they say, of all processes;
  - all others: asked as ever.
The default registry also shows the families that other processes, or fdmetrics' own instruments, have declared; not
those that this process has declared through prometheus_client and not registered with it.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Set

import prometheus_client
from prometheus_client import metrics
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import CollectorRegistry

from .. import _gauge_functions, _variables
from ..python_metrics import COLLECTOR_FAMILIES, INFO_FAMILY
from ..registry import REGISTRY
from . import created
from .declaration import declared_names, family_of_metric
from .families import (
    AS_THEY_ARE,
    Block,
    ProcessMetrics,
    created_blocks,
    exposed_name,
    family,
    named_blocks,
    rendered,
    rendered_openmetrics,
    restricted,
    suffixed,
    with_created,
)

#: Gauges of the modes all and liveall carry pid="<process id>" where this variable is 1.
PID_LABEL = "FDMETRICS_PID_LABEL"

#: The families of the processes, as the library renders them.
PROCESS_NAMES = frozenset(
    "process_" + name
    for name in (
        "cpu_seconds_total",
        "max_fds",
        "open_fds",
        "resident_memory_bytes",
        "start_time_seconds",
        "threads",
        "virtual_memory_bytes",
    )
)
# The methods by which a metric says what it shows.
_TELLING = tuple(
    name
    for name in ("collect", "_samples", "_multi_samples", "_child_samples")
    if hasattr(metrics.MetricWrapperBase, name)
)
# Those of prometheus_client's own classes by their ids, also of classes that a reload of their module has left behind.
_own_methods: Dict[int, Any] = {}
_COLLECTOR_NAMES = frozenset(f"{name}_total" for name in COLLECTOR_FAMILIES)


def know_methods() -> None:
    """Takes note of the classes of prometheus_client.metrics, as they are now."""
    kinds = (metrics.MetricWrapperBase, metrics.Counter, metrics.Gauge, metrics.Summary, metrics.Histogram)
    for kind in (*kinds, metrics.Info, metrics.Enum):
        for name in _TELLING:
            method = getattr(kind, name)
            _own_methods[id(method)] = method


know_methods()

_OURS = __name__.partition(".")[0] + "."

_has_logical_ids = False


def note_logical_ids() -> None:
    """The program has told what its processes are: MultiProcessValue(process_identifier=...)."""
    global _has_logical_ids
    _has_logical_ids = True


def wants_pid_label() -> bool:
    """Whether gauges have the label pid: where the environment asks for it, or says nothing and ids are logical ones.

    Those are few, as worker is, and prometheus_client calls them so.
    """
    chosen = _variables.chosen(PID_LABEL, _variables.SWITCH, "gauges have the label that they have without it")
    return chosen == "1" if chosen else _has_logical_ids


def wanted_process_metrics() -> ProcessMetrics:
    """What the environment says of process_* families: True where it says nothing.

    "worker": those of each worker; 0: none.
    """
    chosen = _variables.process_metrics()
    return "worker" if chosen == "worker" else chosen != "0"


class _Asked:
    """Something that prometheus_client's exposition takes for a registry: metrics that were asked for already."""

    def __init__(self, metrics: List[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> List[Metric]:
        return self._metrics


class View:
    """What a registry shows, of the store and otherwise, at one moment."""

    def __init__(self, registry: CollectorRegistry, names: Optional[Set[str]] = None) -> None:
        """names: only collectors that have samples of these names are asked."""
        self._asked: List[Any] = []
        # The registry's metrics, by their families' exposed names.
        self._shared: Dict[str, Any] = {}
        self._others = registry is prometheus_client.REGISTRY
        self._hidden: Set[str] = self._hidden_now()
        self._process_metrics: ProcessMetrics = False
        self._declared = REGISTRY._declared
        self._target: Optional[Metric] = None
        wanted = wanted_process_metrics()
        # Of few kinds there are many metrics.
        shared: Dict[type, bool] = {}
        for collector in self._collectors(registry, names):
            kind = type(collector)
            is_shared = shared.get(kind)
            if is_shared is None:
                is_shared = shared[kind] = _shows_series(kind)
            family = family_of_metric(collector) if is_shared else None
            if family is not None and family.registry is REGISTRY:
                self._shared[exposed_name(family.descriptor)] = collector
            elif _shows_store(collector) and collector.is_of_this_process():
                self._others = True
                self._hidden = set()
                self._process_metrics = self._process_metrics or wanted
            elif wanted and _tells_of_this_process(collector):
                self._process_metrics = wanted
            elif _is_plain(collector, prometheus_client.GCCollector):
                self._shared.update((name, collector) for name in _COLLECTOR_NAMES)
            else:
                self._asked.append(collector)

    @staticmethod
    def _hidden_now() -> Set[str]:
        return {INFO_FAMILY, *_COLLECTOR_NAMES, *declared_names(REGISTRY)}

    def _collectors(self, registry: Any, names: Optional[Set[str]]) -> List[Any]:
        with registry._lock:
            if registry._target_info and (names is None or "target_info" in names):
                self._target = registry._target_info_metric()
            everything = list(registry._collector_to_names)
            if names is None:
                return everything
            by_name = registry._names_to_collectors
            # A collector that says no names may have any, as the one of the store.
            nameless = getattr(registry, "_collectors_without_names", [])
            chosen = {id(by_name[name]) for name in names if name in by_name}
            chosen.update(map(id, nameless))
        return [one for one in everything if id(one) in chosen or stands_for_store(one)]

    def totals(self, render: Callable[..., bytes] = rendered, escaping: str = AS_THEY_ARE) -> Dict[str, Block]:
        """The families of the store that are shown, by their exposed names, by one rendering.

        Errors: those of fdmetrics.Registry.render.
        """
        if not self._shared and not self._others and not self._process_metrics:
            return {}
        for metric in self._shared.values():
            _call_functions(metric)
        _gauge_functions.evaluate(REGISTRY, lambda name: name in self._shared or self._shows(name))
        text = render(REGISTRY, wants_pid_label(), self._process_metrics, escaping)
        # What one that was refused would expose is, in the store, another family's.
        own = {name for name, collector in self._shared.items() if not _is_refused(collector)}
        known = {*self._shared, *self._hidden}
        self._hidden &= self._hidden_now()
        return {name: block for name, block in named_blocks(text, known, escaping) if name in own or self._shows(name)}

    def _shows(self, name: str) -> bool:
        if name in PROCESS_NAMES and self._process_metrics:
            return True
        return self._others and name not in self._hidden

    def asked(self, totals: Dict[str, Block]) -> Iterator[Metric]:
        """What is not in the store; takes what a collector of this process says otherwise out of the totals."""
        if self._target is not None:
            yield self._target
        for collector in self._asked:
            for metric in collector.collect():
                totals.pop(suffixed(metric.name, metric.type), None)
                yield metric

    def metrics(self, names: Iterable[str] = (), own_first: bool = False) -> Iterator[Metric]:
        """All that is shown, each family once. names: of samples that are looked for.

        own_first: of the registry's own metrics before any other collector is asked, and then perhaps once more.
        """
        totals = self.totals()
        made = created_blocks(REGISTRY, AS_THEY_ARE) if totals and created.wanted(names) else {}
        if own_first:
            for name, block in totals.items():
                if name in self._shared:
                    yield family(block, self._declared, made)
        yield from self.asked(totals)
        for block in totals.values():
            yield family(block, self._declared, made)

    def text(self, generate: Callable[..., bytes], escaping: str) -> bytes:
        """The same in the text format, as the library has rendered it where it did."""
        totals = self.totals(rendered, escaping)
        asked = list(self.asked(totals))
        own = generate(_Asked(asked)) if asked else b""
        made = created_blocks(REGISTRY, escaping) if totals and created.wanted() else {}
        return own + "".join([with_created(block, made) for block in totals.values()]).encode()

    def openmetrics(self, generate: Callable[..., bytes], escaping: str) -> bytes:
        """The same in OpenMetrics."""
        totals = self.totals(rendered_openmetrics, escaping)
        # With nothing to show it gives the line that ends all.
        own = generate(_Asked(list(self.asked(totals))))
        return "".join([block.text for block in totals.values()]).encode() + own


class RestrictedTotals:
    """What CollectorRegistry.restricted_registry gives."""

    def __init__(self, names: Iterable[str], registry: CollectorRegistry) -> None:
        self._names = set(names)
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Samples of the names alone."""
        for metric in View(self._registry, self._names).metrics(self._names):
            kept = restricted(metric, self._names)
            if kept is not None:
                yield kept


def _shows_series(kind: type) -> bool:
    """Whether collectors of a class are metrics that show nothing but their series, as the store has them."""
    return all(id(getattr(kind, name, None)) in _own_methods for name in _TELLING)


def _is_refused(collector: Any) -> bool:
    family = family_of_metric(collector)
    return family is not None and family.is_refused


def stands_for_store(collector: Any) -> bool:
    """Whether a collector is one of a store, perhaps of that of this process."""
    # Of the class, because a mock has every attribute.
    return hasattr(type(collector), "is_of_this_process")


def _shows_store(collector: Any) -> bool:
    """Whether a collector of a store shows what is in there and nothing else."""
    return stands_for_store(collector) and type(collector).collect.__module__.startswith(_OURS)


def _is_plain(collector: Any, kind: Any) -> bool:
    """Whether a collector is of a class of prometheus_client's, and collects as that does."""
    return isinstance(collector, kind) and type(collector).collect is kind.collect


def _tells_of_this_process(collector: Any) -> bool:
    return (
        _is_plain(collector, prometheus_client.ProcessCollector)
        and not collector._namespace
        and collector._proc == "/proc"
        and str(collector._pid()).strip() in ("self", str(os.getpid()))
    )


def _call_functions(metric: Any) -> None:
    """Sets the gauges that have a function to what it says, so that they are in this process's part of the total."""
    if getattr(metric, "_type", "") != "gauge" or _is_refused(metric):
        return
    with contextlib.ExitStack() as stack:
        if hasattr(metric, "_lock"):
            stack.enter_context(metric._lock)
        children = [metric, *getattr(metric, "_metrics", {}).values()]
    for child in children:
        samples = vars(child).get("_child_samples")
        if samples is not None and vars(child).get("_fdmetrics_function_of", os.getpid()) != os.getpid():
            # What it sees here is a copy from the time of the fork, and the parent speaks for itself.
            vars(child).pop("_child_samples", None)
        elif samples is not None:
            for sample in samples():
                child._value.set(sample[2])


def sample_of_this_process(registry: Any, name: str, labels: Dict[str, str]) -> Optional[float]:
    """The value of one of this process's gauges of which each process has a sample, without the label that tells it."""
    with registry._lock:
        collectors = list(registry._collector_to_names)
    for collector in collectors:
        if getattr(collector, "_multiprocess_mode", None) in ("all", "liveall") and collector._name == name:
            for metric in collector.collect():
                for sample in metric.samples:
                    if sample.name == name and sample.labels == labels:
                        value: float = sample.value
                        return value
    return None
