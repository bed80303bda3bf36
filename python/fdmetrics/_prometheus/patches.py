# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What install() puts into the installed prometheus_client, and takes out again.

Classes keep their identity: methods are replaced, so that what has imported a class before is served too. Functions are
replaced in every module of prometheus_client that has their name.
"""

from __future__ import annotations

import functools
import inspect
import os
from bisect import bisect_left
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import prometheus_client
from prometheus_client import exposition, metrics, multiprocess, values
from prometheus_client import registry as registries
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import CollectorRegistry

from .. import _constants as c
from .. import python_metrics
from .._family import Family
from ..registry import REGISTRY
from . import created, removal, totals
from . import multiprocess as store_multiprocess
from .declaration import (
    Labelled,
    announce_collected,
    constructing,
    family_of,
    family_of_metric,
    give_up,
    hold,
    kept_bounds,
    store_name,
)
from .text_value import InfoSeries, StateSeries
from .totals import RestrictedTotals, View, sample_of_this_process, stands_for_store
from .value import ObservedSum
from .value_class import MultiProcessValue, StoreValueClass, get_value_class, values_of

#: The prometheus_client that is patched here.
PACKAGE = prometheus_client

_ABSENT = object()
# What was there before: owner, name, former value, and what has taken its place.
_replaced: List[Tuple[Any, str, Any, Any]] = []

# The schemes of escaping that leave classic names as they are, as the library does.
_PLAIN_ESCAPING = ("underscores", "allow-utf-8", "values")


def apply() -> None:
    """Makes prometheus_client record into the store."""
    _replace_values()
    _replace_metrics()
    _replace_registry()
    _replace_exposition()
    _replace_multiprocess()
    python_metrics.install()


def apply_again(module: ModuleType) -> None:
    """Makes a module of prometheus_client record into the store that was reloaded, and has new classes and functions.

    What was made of the former classes goes on as it is.
    """
    if module is values:
        _replace_values()
    elif module is metrics:
        _replace_metrics()
    elif module is registries:
        _replace_registry()
    elif module in (exposition, openmetrics):
        _replace_exposition()
    elif module is multiprocess:
        _replace_multiprocess()


def take_back() -> None:
    """Puts back what was there before apply(). Metrics that were made meanwhile go on recording into the store."""
    while _replaced:
        owner, name, former, _ = _replaced.pop()
        if former is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, former)


def _put(owner: Any, name: str, value: Any) -> None:
    former = vars(owner).get(name, _ABSENT)
    for known in list(_replaced):
        if known[0] is owner and known[1] == name:
            if known[3] is former:
                return
            # A reload has put its own there.
            _replaced.remove(known)
    _replaced.append((owner, name, former, value))
    setattr(owner, name, value)


def _replace_values() -> None:
    _put(values, "MultiProcessValue", MultiProcessValue)
    _put(values, "get_value_class", get_value_class)
    _put(values, "ValueClass", StoreValueClass)


def _replace_multiprocess() -> None:
    _put(multiprocess.MultiProcessCollector, "__init__", store_multiprocess.initialise)
    _put(multiprocess.MultiProcessCollector, "collect", store_multiprocess.collect)
    _put(multiprocess.MultiProcessCollector, "is_of_this_process", store_multiprocess.is_of_this_process)
    _put(multiprocess, "mark_process_dead", store_multiprocess.mark_process_dead)


# Metrics --------------------------------------------------------------------------------------------------------------


def _replace_metrics() -> None:
    _put(metrics.MetricWrapperBase, "__init__", _declaring(metrics.MetricWrapperBase.__init__))
    for kind in (metrics.Counter, metrics.Gauge, metrics.Summary, metrics.Histogram):
        _put(kind, "_metric_init", _with_context(kind._metric_init))
    _put(metrics.Histogram, "observe", _observe(metrics.Histogram.observe))
    _put(metrics.Gauge, "set_function", _set_function(metrics.Gauge.set_function))
    text_kinds: List[Tuple[Any, str]] = [(metrics.Info, "info"), (metrics.Enum, "state")]
    for text_kind, name in text_kinds:
        _put(text_kind, "__init__", _with_series(text_kind.__init__))
        _put(text_kind, name, _shared(vars(text_kind)[name]))
    _put(metrics.MetricWrapperBase, "remove", removal.remove)
    for name, method in (("remove_by_labels", removal.remove_by_labels), ("clear", removal.clear)):
        if hasattr(metrics.MetricWrapperBase, name):
            _put(metrics.MetricWrapperBase, name, method)
    _replace_created()
    totals.know_methods()


def _declaring(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def initialise(self: Any, *arguments: Any, **named: Any) -> None:
        if _is(self, "Histogram") and not named.get("_labelvalues"):
            # Or it is registered, and then cannot be declared.
            kept_bounds(named.get("name") or arguments[0], self._upper_bounds)
        if named.get("_labelvalues"):
            original(self, *arguments, **named)  # A child, which no registry takes.
        else:
            with constructing():
                original(self, *arguments, **named)
        note_messages(self)
        declare_family(self)

    return initialise


def _is(metric: Any, kind: str) -> bool:
    """Whether a metric is of one of prometheus_client's classes, or of what that was before its module was reloaded."""
    return any(base.__name__ == kind and base.__module__ == metrics.__name__ for base in type(metric).__mro__)


def note_messages(metric: Any) -> None:
    """Lets fdmetrics.zmq know of a family of ZeroMQ messages when it is declared, before the first of them is sent."""
    if ":zmq:" in metric._name:
        REGISTRY._records_itself(metric._name)


def declare_family(metric: Any) -> None:
    """Notes a metric's family, and declares it, if the metric only has label names; nothing for a child."""
    if metric._labelvalues or family_of_metric(metric) is not None:
        return
    if _is(metric, "Info") or _is(metric, "Enum"):
        name, states = store_name(metric._type, metric._name), tuple(map(str, getattr(metric, "_states", ())))
        kind = c.FDM_STATE_SET if states else c.FDM_INFO
        family: Optional[Family] = family_of(
            REGISTRY, kind, name, metric._documentation, metric._labelnames, states=states
        )
    else:
        value_class = values.ValueClass
        # Another one that the program has put there keeps its metrics in this process.
        family = value_class.family_of(metric) if hasattr(type(value_class), "family_of") else None
    if family is not None:
        metric._fdmetrics_family = family
        if metric._labelnames:
            Labelled(family)


def _with_context(original: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(original)
    def metric_init(self: Any) -> None:
        with values_of(self._unit, self._documentation):
            original(self)

    return metric_init


def _observe(original: Callable[..., None]) -> Callable[..., None]:
    # The original looks through the bounds one after the other, which costs more than everything else.
    @functools.wraps(original)
    def observe(self: Any, amount: float, *exemplar: Any, **named_exemplar: Any) -> None:
        total = getattr(self, "_sum", None)
        if exemplar or named_exemplar or total.__class__ is not ObservedSum:
            original(self, amount, *exemplar, **named_exemplar)
            return
        total.inc(amount)
        bounds = self._upper_bounds
        at = bisect_left(bounds, amount)
        if amount <= bounds[at]:  # Not where it is no number.
            self._buckets[at].inc(1)

    return observe


def _set_function(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def set_function(self: Any, f: Callable[[], float]) -> None:
        original(self, f)
        self._fdmetrics_function_of = os.getpid()

    return set_function


def text_series(metric: Any) -> Optional[Any]:
    """The series behind an Info or an Enum, made where it was missing; None for one that only has label names."""
    if metric._labelnames and not metric._labelvalues:
        return None
    known = vars(metric).get("_fdmetrics_series")
    if known is None:
        names, label_values = metric._labelnames, metric._labelvalues
        if _is(metric, "Info"):
            known = InfoSeries(REGISTRY, metric._name, metric._documentation, names, label_values)
        else:
            states = metric._states
            known = StateSeries(REGISTRY, metric._name, metric._documentation, names, label_values, states)
        metric._fdmetrics_series = known
    return known


def _with_series(original: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def initialise(self: Any, *arguments: Any, **named: Any) -> None:
        if _is(self, "Enum"):
            # Known before it is registered, with which it is declared.
            self._states = (
                named.get("states") or signature.bind(self, *arguments, **named).arguments.get("states") or ()
            )
        original(self, *arguments, **named)
        text_series(self)

    return initialise


def _shared(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def show(self: Any, *shown: Any, **named: Any) -> None:
        original(self, *shown, **named)
        series = text_series(self)
        if series is not None:
            # The one argument, which has a name of its own in each class.
            series.show(*shown, *named.values())

    return show


# Registries and exposition --------------------------------------------------------------------------------------------


def _replace_registry() -> None:
    kind: Any = registries.CollectorRegistry
    _put(kind, "collect", _collect)
    _put(kind, "restricted_registry", _restricted_registry)
    _put(kind, "_get_names", _names(kind._get_names))
    _put(kind, "get_sample_value", _sample_value(kind.get_sample_value))
    _put(kind, "register", _register(kind.register))
    _put(kind, "unregister", _unregister(kind.unregister))


def _collect(self: CollectorRegistry) -> Iterator[Metric]:
    """Yields the totals over all processes, and what other collectors say; see totals. Errors: Registry.render's."""
    return View(self).metrics()


def _collects_totals(registry: Any) -> bool:
    """Whether a registry collects as they all do, and not in a way of a subclass."""
    return getattr(type(registry), "collect", None) is _collect and "collect" not in vars(registry)


def _names(original: Callable[..., List[str]]) -> Callable[..., List[str]]:
    @functools.wraps(original)
    def get_names(self: CollectorRegistry, collector: Any) -> List[str]:
        # A registry that describes by itself would find every metric of this process twice.
        return [] if stands_for_store(collector) else original(self, collector)

    return get_names


def _register(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def register(self: CollectorRegistry, collector: Any) -> None:
        original(self, collector)
        announce_collected()
        if _is(collector, "MetricWrapperBase"):
            declare_family(collector)
        note_held(self, collector)

    return register


def note_held(registry: CollectorRegistry, collector: Any) -> None:
    """Takes note that a registry has a metric, of which the name so is not free."""
    family = family_of_metric(collector)
    if family is not None:
        hold(collector, family, registry)


def _unregister(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def unregister(self: CollectorRegistry, collector: Any) -> None:
        original(self, collector)
        family = family_of_metric(collector)
        if family is not None:
            give_up(family, self)

    return unregister


def _restricted_registry(self: CollectorRegistry, names: Any) -> RestrictedTotals:
    """An object whose collect() gives samples of these names only."""
    return RestrictedTotals(names, self)


class _Ordered:
    """A registry that is asked for its own metrics first."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        return View(self._registry).metrics(own_first=True)


def _sample_value(original: Callable[..., Optional[float]]) -> Callable[..., Optional[float]]:
    @functools.wraps(original)
    def get_sample_value(
        self: CollectorRegistry, name: str, labels: Optional[Dict[str, str]] = None
    ) -> Optional[float]:
        # prometheus_client stops at the sample, and asks no collector that comes later, which may raise.
        asked = _Ordered(self) if _collects_totals(self) else self
        value = original(asked, name, labels)
        if value is None and name.endswith(created.SUFFIX):
            # Only who asks for it by name sees it.
            value = original(self.restricted_registry([name]), name, labels)
        # Gauges of all processes have a label more than the caller may know of.
        return sample_of_this_process(self, name, labels or {}) if value is None else value

    return get_sample_value


def _replace_exposition() -> None:
    in_text = _formatted(exposition.generate_latest, View.text)
    in_openmetrics = _formatted(openmetrics.generate_latest, View.openmetrics)
    for module, function in (
        (exposition, in_text),
        (prometheus_client, in_text),
        (openmetrics, in_openmetrics),
    ):
        if getattr(module, "generate_latest", None) is function.__wrapped__:
            _put(module, "generate_latest", function)


def _formatted(original: Callable[..., bytes], of_view: Callable[..., bytes]) -> Any:
    @functools.wraps(original)
    def generate_latest(registry: Any = prometheus_client.REGISTRY, *arguments: Any, **named: Any) -> bytes:
        escaping = arguments[0] if arguments else named.get("escaping", "underscores")
        if _collects_totals(registry) and escaping in _PLAIN_ESCAPING:
            return of_view(View(registry), lambda asked: original(asked, *arguments, **named), escaping)
        return original(registry, *arguments, **named)

    return generate_latest


def _replace_created() -> None:
    for name, function in (
        ("enable_created_metrics", created.enable),
        ("disable_created_metrics", created.disable),
    ):
        for module in (metrics, prometheus_client):
            if hasattr(module, name):
                _put(module, name, function)
