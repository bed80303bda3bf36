# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in place of prometheus_client.values.MultiProcessValue: makes the values of metrics."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any, Callable, Dict, Iterator, Optional, Sequence, Tuple, Union

from .. import _constants as c
from .._family import Family
from ..instruments import GAUGE_MODES
from ..registry import REGISTRY, Registry
from . import totals
from .declaration import family_of
from .value import CounterValue, GaugeValue, ObservedSum, Part
from .worker_value import (
    Identify,
    WorkerCounterValue,
    WorkerGaugeValue,
    WorkerObservedSum,
    WorkerPart,
    worker_number,
)

AnyValue = Union[Part, WorkerGaugeValue]

_KINDS = {"counter": c.FDM_COUNTER, "gauge": c.FDM_GAUGE, "summary": c.FDM_SUMMARY, "histogram": c.FDM_HISTOGRAM}
_MOST_RECENT = ("mostrecent", "livemostrecent")


class _Histogram:
    """A histogram whose bounds are not all known yet: its last bucket is the one of +Inf."""

    def __init__(self, declare: Callable[[Tuple[float, ...]], None]) -> None:
        self._declare = declare
        self._bounds: Tuple[float, ...] = ()
        self._is_declared = False

    def add_bucket(self, bound: float) -> None:
        if bound == float("inf"):
            if not self._is_declared:
                self._declare(self._bounds)
            self._is_declared = True
        else:
            self._bounds += (bound,)


class _Construction(threading.local):
    """What this thread is making: a value is not told its metric's unit, in older versions not its
    help text, and a sum not its histogram's bounds."""

    unit: str = ""
    documentation: str = ""
    histogram: Optional[_Histogram] = None


_construction = _Construction()


@contextlib.contextmanager
def values_of(unit: str, documentation: str) -> Iterator[None]:
    """The values that this thread makes meanwhile are of a metric with this unit and help text."""
    former = (_construction.unit, _construction.documentation)
    _construction.unit, _construction.documentation = unit, documentation
    try:
        yield
    finally:
        _construction.unit, _construction.documentation = former


class _ValueClass:
    """What values.ValueClass is: a callable that makes values, and the class methods that such a class has."""

    #: Whether values of several processes belong together, as prometheus_client asks of a value class.
    _multiprocess = True

    def __init__(self, identify: Optional[Identify], registry: Registry) -> None:
        self._identify = identify
        self._registry = registry
        self.__name__ = self.__qualname__ = "StoreValue"
        if identify is not None:
            worker_number(identify())
            totals.note_logical_ids()

    @property
    def identify(self) -> Optional[Identify]:
        """What tells this process's logical id; None where the kernel does."""
        return self._identify

    def __call__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Sequence[str],
        labelvalues: Sequence[str],
        help_text: str = "",
        multiprocess_mode: str = "",
        **_later: Any,
    ) -> AnyValue:
        """The value of one number of a metric, with the arguments of prometheus_client's value classes."""
        names, label_values = tuple(labelnames), tuple(str(value) for value in labelvalues)
        if typ == "counter":
            counter = CounterValue() if self._identify is None else WorkerCounterValue(self._identify)
            counter.declare(self._family(c.FDM_COUNTER, metric_name, help_text, names), label_values)
            return counter
        if typ == "gauge":
            mode = multiprocess_mode or "all"
            most_recent = mode in _MOST_RECENT
            gauge = GaugeValue(most_recent) if self._identify is None else WorkerGaugeValue(most_recent, self._identify)
            family = self._family(c.FDM_GAUGE, metric_name, help_text, names, gauge_mode=GAUGE_MODES[mode])
            gauge.declare(family, label_values)
            return gauge
        if name == metric_name + "_sum" and typ in ("summary", "histogram"):
            total = ObservedSum() if self._identify is None else WorkerObservedSum(self._identify)
            if typ == "summary":
                total.declare(self._family(c.FDM_SUMMARY, metric_name, help_text, names), label_values)
            else:
                _construction.histogram = _Histogram(
                    lambda bounds: total.declare(
                        self._family(c.FDM_HISTOGRAM, metric_name, help_text, names, bounds=bounds), label_values
                    )
                )
            return total
        histogram = _construction.histogram
        if typ == "histogram" and histogram is not None and names and names[-1] == "le":
            histogram.add_bucket(float(label_values[-1]))
        return Part() if self._identify is None else WorkerPart(self._identify)

    def family_of(self, metric: Any) -> Optional[Family]:
        """The family of a counter, a gauge, a summary or a histogram, also before it has any series.

        None for another type. Errors: InvalidArgumentError, where a histogram has no bound.
        """
        kind = _KINDS.get(metric._type)
        if kind is None:
            return None
        more: Dict[str, Any] = {}
        if kind == c.FDM_GAUGE:
            more["gauge_mode"] = GAUGE_MODES[getattr(metric, "_multiprocess_mode", "") or "all"]
        elif kind == c.FDM_HISTOGRAM:
            more["bounds"] = tuple(metric._upper_bounds)
        names = tuple(metric._labelnames)
        unit = getattr(metric, "_unit", "")
        return family_of(self._registry, kind, metric._name, metric._documentation, names, unit, **more)

    def _family(self, kind: int, name: str, documentation: str, label_names: Tuple[str, ...], **more: Any) -> Any:
        documentation = documentation or _construction.documentation
        return family_of(self._registry, kind, name, documentation, label_names, _construction.unit, **more)

    def close_all_files(self) -> None:
        """Does nothing: there are no files of values."""


def MultiProcessValue(process_identifier: Identify = os.getpid, registry: Optional[Registry] = None) -> Any:
    """The value class of the processes that process_identifier tells apart; see worker_value for what it may return.

    registry: None stands for the process's default one. Takes no lock, and touches no file.
    """
    identify = None if process_identifier is os.getpid else process_identifier
    return _ValueClass(identify, REGISTRY if registry is None else registry)


#: The value class of processes as the kernel knows them.
StoreValueClass = MultiProcessValue()


def get_value_class() -> Any:
    """The value class, with or without PROMETHEUS_MULTIPROC_DIR."""
    return StoreValueClass
