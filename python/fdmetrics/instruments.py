# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The instruments, with the method names and keyword arguments of prometheus_client.

Their common arguments are:
  name            the metric's name; namespace, subsystem and unit are put before and after it with underscores
  documentation   the help text
  labelnames      the names of its labels; then labels() gives the series to record into
  registry        a fdmetrics.Registry; anything else, None included, stands for the process's default one

Declaring a metric again, alike, is fine and gives the same series. Declaring it otherwise raises ConflictError, a
ValueError. A wrong name raises InvalidNameError, a ValueError. Exemplars are accepted and not exposed yet.

Left out, because totals belong to no process whose part could be taken out: Counter.reset.
"""

from __future__ import annotations

import time
from _collections_abc import Callable, Iterable

import fdmetrics

from . import _bindings, _gauge_functions
from . import _constants as c
from ._descriptor import KIND_NAMES, check_info_dict, checked_bounds, checked_info, checked_states, strings
from ._library import import_rare_prototypes
from .context_managers import ExceptionCounter, Exceptions, InprogressTracker, Timer
from .errors import InvalidArgumentError, InvalidNameError
from .metric import Metric
from .registry import REGISTRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._types import GaugeMode as GaugeMode

#: The modes of a gauge; see Gauge.
GAUGE_MODES: dict[str, int] = {
    "all": c.FDM_GAUGE_ALL,
    "liveall": c.FDM_GAUGE_LIVEALL,
    "min": c.FDM_GAUGE_MIN,
    "livemin": c.FDM_GAUGE_LIVEMIN,
    "max": c.FDM_GAUGE_MAX,
    "livemax": c.FDM_GAUGE_LIVEMAX,
    "sum": c.FDM_GAUGE_SUM,
    "livesum": c.FDM_GAUGE_LIVESUM,
    "mostrecent": c.FDM_GAUGE_MOSTRECENT,
    "livemostrecent": c.FDM_GAUGE_LIVEMOSTRECENT,
    "local": c.FDM_GAUGE_LOCAL,
}
_MOST_RECENT = (c.FDM_GAUGE_MOSTRECENT, c.FDM_GAUGE_LIVEMOSTRECENT)


if not TYPE_CHECKING:
    # Type checkers see what is imported above.
    def __getattr__(name: str) -> object:
        if name != "GaugeMode":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return fdmetrics.GaugeMode


def gauge_mode(name: str, mode: str) -> int:
    """The number of a mode. Errors: InvalidArgumentError; `name` is the gauge's."""
    number = GAUGE_MODES.get(mode) if isinstance(mode, str) else None
    if number is None:
        expected = ", ".join(GAUGE_MODES)
        raise InvalidArgumentError(f"Invalid multiprocess mode: {mode} of {name}; one of {expected}")
    return number


def put(owner: type, metric: Metric, name: str, call: object) -> None:
    """Puts an update callable of a class of this module into a metric."""
    # Through the slot itself: a subclass that defines a method of the same name keeps it.
    owner.__dict__[name].__set__(metric, call)


class Counter(Metric):
    """A number that only goes up, the sum over all processes; exposed with "_total" at the end of its name."""

    __slots__ = {
        "inc": "inc(amount=1, exemplar=None): adds an amount, which is not negative (else ValueError).",
    }
    _kind = c.FDM_COUNTER

    inc: _bindings.Increment

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: object = REGISTRY,
    ) -> None:
        """Declares a counter; see fdmetrics.instruments for the arguments. Errors: InvalidNameError, ConflictError."""
        self._declare(name, documentation, labelnames, namespace, subsystem, unit, registry)

    def _connect(self, handle: int) -> _bindings.Increment:
        call = _bindings.counter_inc(self._family.registry._attach().library, handle)
        put(Counter, self, "inc", call)
        return call

    def _disconnect(self) -> None:
        call = _bindings.missing_labels("counter") if self._is_parent else _bindings.pending_inc(self)
        put(Counter, self, "inc", call)

    def count_exceptions(self, exception: Exceptions = Exception) -> ExceptionCounter:
        """Counts exceptions of the given type, or types, that leave a block or a function. Errors: ValueError."""
        if self._is_parent:
            _bindings.missing_labels("counter")()
        return ExceptionCounter(self, exception)


class Gauge(Metric):
    """A number that goes up and down. Each process has its own; multiprocess_mode says how they become the exposed one:

    all           each process's value, with a label worker
    min max sum   the least, the greatest, the sum
    mostrecent    the value that was set last; inc() and dec() raise RuntimeError
    local         the value of the process that renders

    liveall, livemin, livemax, livesum and livemostrecent regard only processes that are alive.
    """

    __slots__ = {
        "dec": "dec(amount=1): subtracts an amount.",
        "inc": "inc(amount=1): adds an amount.",
        "set": "set(value): sets the value of this process.",
    }
    _kind = c.FDM_GAUGE
    _knows_removal = True

    inc: _bindings.Add
    dec: _bindings.Add
    set: _bindings.Set

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: object = REGISTRY,
        *,
        multiprocess_mode: fdmetrics.GaugeMode = "all",
    ) -> None:
        """Declares a gauge; see fdmetrics.instruments for the arguments. Errors: InvalidNameError, ConflictError,
        InvalidArgumentError (no such mode)."""
        mode = gauge_mode(name, multiprocess_mode)
        self._declare(name, documentation, labelnames, namespace, subsystem, unit, registry, gauge_mode=mode)

    @property
    def _most_recent(self) -> bool:
        return self._family.descriptor.gauge_mode in _MOST_RECENT

    def _put_calls(self, calls: _bindings.GaugeCalls) -> None:
        if self._family.registry._functions and _gauge_functions.has(self._family, self._values):
            calls = _bindings.silent_gauge_calls(self)
        for name in calls.__slots__:
            put(Gauge, self, name, getattr(calls, name))

    def _connect(self, handle: int) -> _bindings.GaugeCalls:
        calls = _bindings.gauge_calls(self._family.registry._attach().library, handle, self._most_recent)
        self._put_calls(calls)
        return calls

    def _disconnect(self) -> None:
        missing = _bindings.missing_labels("gauge")
        self._put_calls(
            _bindings.GaugeCalls(missing, missing, missing)
            if self._is_parent
            else _bindings.pending_gauge_calls(self, self._most_recent)
        )

    def _speaks_again(self) -> bool:
        """Whether no function gives the value any more: then the callables are the usual ones again."""
        if _gauge_functions.has(self._family, self._values):
            return False
        if self._calls is None:
            self._disconnect()
        else:
            self._put_calls(self._calls)
        return True

    def set_to_current_time(self) -> None:
        """Sets the value to the seconds since the epoch."""
        self.set(time.time())

    def set_function(self, f: Callable[[], float]) -> None:
        """Has a function give this process's value of the gauge, whenever this process renders it.

        Other processes show what it returned last, by the gauge's mode; before the first time the process has no value.
        What the function raises is raised by the rendering: an endpoint answers 500 with it, and shows no wrong value.
        It is called in the thread that renders, by several at once where several do. inc(), dec() and set() do nothing
        in this process from then on; remove() ends it. A fork child does not have it: set one there, too. Errors:
        ValueError where label values are missing; TypeError for what cannot be called.
        """
        if self._is_parent:
            _bindings.missing_labels("gauge")()
        if not callable(f):
            raise TypeError(f"set_function of {self} was given {f!r}: a function that gives the value is expected")
        if self._is_removed:
            return
        _gauge_functions.put(self._family, self._values, f)
        self._put_calls(_bindings.silent_gauge_calls(self))

    def _remove(self, series: Iterable[tuple[str, ...]]) -> None:
        removed = list(series)
        _gauge_functions.drop(self._family, removed)
        super()._remove(removed)

    def clear(self) -> None:
        """Removes all series of this metric, for all processes; nothing where it has no label names."""
        if self._is_parent:
            _gauge_functions.drop_all(self._family)
        super().clear()

    def time(self) -> Timer:
        """Times a block or a function, and sets the gauge to the duration in seconds."""
        return Timer(self, "set")

    def track_inprogress(self) -> InprogressTracker:
        """Holds the gauge one higher while a block or a function runs. Errors: ValueError."""
        if self._is_parent:
            _bindings.missing_labels("gauge")()
        return InprogressTracker(self)


class Summary(Metric):
    """The count and the sum of observations, over all processes."""

    __slots__ = {"observe": "observe(amount): counts an observation and adds it to the sum."}
    _kind = c.FDM_SUMMARY

    observe: _bindings.Observe

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: object = REGISTRY,
    ) -> None:
        """Declares a summary; see fdmetrics.instruments for the arguments. Errors: InvalidNameError, ConflictError."""
        self._declare(name, documentation, labelnames, namespace, subsystem, unit, registry)

    def _connect(self, handle: int) -> _bindings.Observe:
        call = _bindings.summary_observe(self._family.registry._attach().library, handle)
        put(Summary, self, "observe", call)
        return call

    def _disconnect(self) -> None:
        call = _bindings.missing_labels("summary") if self._is_parent else _bindings.pending_observe(self)
        put(Summary, self, "observe", call)

    def time(self) -> Timer:
        """Times a block or a function, and observes the duration in seconds."""
        return Timer(self, "observe")


class Histogram(Metric):
    """Observations counted in buckets with inclusive upper bounds, and their sum, over all processes."""

    __slots__ = {"observe": "observe(amount, exemplar=None): counts it in its bucket and adds it to the sum."}
    _kind = c.FDM_HISTOGRAM

    #: The buckets of a histogram that is given none.
    DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, float("inf"))

    observe: _bindings.Observe

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: object = REGISTRY,
        *,
        buckets: Iterable[float | str] = DEFAULT_BUCKETS,
    ) -> None:
        """Declares a histogram; see fdmetrics.instruments for the arguments.

        buckets are upper bounds in ascending order; +Inf may be last or left out. Errors: InvalidNameError,
        ConflictError.
        """
        bounds = checked_bounds(name, buckets)
        self._declare(name, documentation, labelnames, namespace, subsystem, unit, registry, bounds=bounds)

    def _connect(self, handle: int) -> _bindings.Observe:
        call = _bindings.histogram_observe(self._family.registry._attach().library, handle)
        put(Histogram, self, "observe", call)
        return call

    def _disconnect(self) -> None:
        call = _bindings.missing_labels("histogram") if self._is_parent else _bindings.pending_observe(self)
        put(Histogram, self, "observe", call)

    def time(self) -> Timer:
        """Times a block or a function, and observes the duration in seconds."""
        return Timer(self, "observe")


class _Text(Metric):
    """A metric whose state is in its series as such: it has no update callable and no handle of its own."""

    __slots__ = ()
    _knows_removal = True

    def _declare(self, *arguments: Any, **specific: Any) -> None:
        import_rare_prototypes()
        super()._declare(*arguments, **specific)

    def _connect(self, handle: int) -> int:
        return handle

    def _disconnect(self) -> None:
        pass

    def _update(self, function: str, encoded: Callable[[], tuple[Any, ...]]) -> None:
        if self._is_parent:
            _bindings.missing_labels(KIND_NAMES[self._kind])()
        if self._is_removed:
            return
        if (
            not self._family.register_quietly()
            or time.monotonic() < self._retry_at
            or not self._call(function, strings(self._values), len(self._values), *encoded())
        ):
            self._lose()


class Info(_Text):
    """Text as labels of a series with the value 1, shared by all processes; exposed with "_info" after its name."""

    __slots__ = ()
    _kind = c.FDM_INFO

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: object = REGISTRY,
    ) -> None:
        """Declares an info; see fdmetrics.instruments for the arguments. Errors: InvalidNameError, ConflictError."""
        self._declare(name, documentation, labelnames, namespace, subsystem, unit, registry)

    def _bind(self) -> bool | None:
        # There is nothing to show before info(): the family alone is registered.
        return self._family.register_quietly() or None

    def register(self) -> None:
        """Registers this metric now; see Metric.register."""
        self._family.register()
        self._family.registry._registered(self)

    def info(self, val: dict[str, str]) -> None:
        """Sets the text, in place of the former one.

        Errors: ValueError for a key that is no label name or is one of the metric's own, and for a value of None;
        TypeError for what is no dict.
        """
        check_info_dict(self.name, val)
        checked_info(self.name, self._family.descriptor.label_names, val, self._takes_utf8_names())
        if any(value is None for value in val.values()):
            raise InvalidNameError(f"Label value cannot be None: {val} of Info metric {self.name}")
        keys, texts = list(val), [str(value) for value in val.values()]
        self._update("fdm_info_set", lambda: (strings(keys), strings(texts), len(keys)))


class Enum(_Text):
    """One of several states, shared by all processes; the first one until another is set."""

    __slots__ = ()
    _kind = c.FDM_STATE_SET

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: object = REGISTRY,
        *,
        states: Iterable[str] | None = None,
    ) -> None:
        """Declares an enum of states; see fdmetrics.instruments for the arguments. Errors: InvalidNameError,
        ConflictError."""
        checked = checked_states(name, states)
        self._declare(name, documentation, labelnames, namespace, subsystem, unit, registry, states=checked)

    def state(self, state: str) -> None:
        """Turns one state on and the others off, for all processes. Errors: ValueError where there is no such state."""
        states: tuple[str, ...] = self._family.descriptor.states
        if state not in states:
            raise InvalidArgumentError(f"{state!r} is not a state of {self.name}: one of {states} is expected")
        self._update("fdm_state_set", lambda: (state.encode("utf-8", "surrogatepass"),))
