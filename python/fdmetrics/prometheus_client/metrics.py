# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Counter, Gauge, Histogram, Summary, Info and Enum of prometheus_client, which record into the store.

Each is a class of prometheus_client and one of fdmetrics (see fdmetrics.instruments) at once. The arguments, their
defaults and the exceptions are prometheus_client's, for a second declaration in one registry too.
"""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Literal, Optional, Sequence, Tuple, Type, Union

from prometheus_client.metrics import MetricWrapperBase

from .. import _bindings, instruments
from .. import _constants as c
from .._descriptor import check_info_dict, checked_bounds, checked_states, is_classic, strings
from .._family import Family
from .._library import take_utf8_names
from .._prometheus import created
from .._prometheus.declaration import kept_bounds
from .._prometheus.families import MODES_OF_EACH
from ..errors import InvalidArgumentError
from . import _logical, _readings
from ._instrument import Instrument, is_text
from ._readings import Reading
from ._twin import fallback, real
from .context_managers import ExceptionCounter, InprogressTracker, Timer
from .registry import REGISTRY, CollectorRegistry

if TYPE_CHECKING:
    import prometheus_client.metrics as _real
    import prometheus_client.values as _values
    from prometheus_client.metrics import F as F
    from prometheus_client.metrics import T as T

    values = _values
else:
    _real = real(__name__)

__all__ = ["Counter", "Enum", "Gauge", "Histogram", "Info", "MetricWrapperBase", "Summary"]

__getattr__ = fallback(__name__, _real)

enable_created_metrics = created.enable
disable_created_metrics = created.disable
_use_created = created.wanted_in_openmetrics()
created.follow(sys.modules[__name__])

Mode = Literal["all", "liveall", "min", "livemin", "max", "livemax", "sum", "livesum", "mostrecent", "livemostrecent"]


class Counter(Instrument, instruments.Counter, _real.Counter):  # type: ignore[misc]
    """A number that only goes up, the sum over all processes; see prometheus_client.Counter."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: Optional[CollectorRegistry] = REGISTRY,
        _labelvalues: Optional[Sequence[str]] = None,
    ) -> None:
        """Declares a counter. Errors: ValueError."""
        self._declare(name, documentation, labelnames, namespace, subsystem, unit, registry, _labelvalues)

    def _take(self, family: Family, values: Tuple[str, ...]) -> None:
        super()._take(family, values)
        value = None if self._is_parent else _logical.counter_value()
        if value is not None:
            self._logical_value = value
            value.declare(family, values)
            instruments.put(instruments.Counter, self, "inc", _logical.counter_inc(value))

    def _connect(self, handle: int) -> _bindings.Increment:
        return super()._connect(handle) if self._logical_value is None else self.inc

    def _disconnect(self) -> None:
        if self._logical_value is None:
            super()._disconnect()

    @property
    def _value(self) -> Any:
        return self._logical_value or Reading(lambda: _readings.counter_total(self), self.inc, self._set)

    def _set(self, value: float) -> None:
        self.reset()
        self.inc(value)

    def reset(self) -> None:
        """Starts the series anew, from zero, for all processes.

        Other processes go on with the new one where they look it up by labels(). What they record through an object
        that they keep, or without labels, is lost from then on.
        """
        self._raise_if_not_observable()
        if self._family.register_quietly():
            self._call("fdm_remove", strings(self._values), len(self._values))
            self._bind()

    def count_exceptions(  # type: ignore[override]
        self, exception: Union[Type[BaseException], Tuple[Type[BaseException], ...]] = Exception
    ) -> ExceptionCounter:
        """Counts exceptions of the given type, or types, that leave a block or a function. Errors: ValueError."""
        self._raise_if_not_observable()
        return ExceptionCounter(self, exception)


class Gauge(Instrument, instruments.Gauge, _real.Gauge):  # type: ignore[misc]
    """A number that goes up and down, of which each process has its own; see prometheus_client.Gauge.

    multiprocess_mode says how they become the exposed one: see fdmetrics.Gauge.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: Optional[CollectorRegistry] = REGISTRY,
        _labelvalues: Optional[Sequence[str]] = None,
        multiprocess_mode: Mode = "all",
    ) -> None:
        """Declares a gauge. Errors: ValueError."""
        self._multiprocess_mode = multiprocess_mode
        self._is_most_recent = multiprocess_mode in ("mostrecent", "livemostrecent")
        mode = instruments.gauge_mode(name, multiprocess_mode)
        self._declare(
            name, documentation, labelnames, namespace, subsystem, unit, registry, _labelvalues, gauge_mode=mode
        )

    def _take(self, family: Family, values: Tuple[str, ...]) -> None:
        mode = family.descriptor.gauge_mode
        self._multiprocess_mode = _MODES[mode]
        self._is_most_recent = mode in (c.FDM_GAUGE_MOSTRECENT, c.FDM_GAUGE_LIVEMOSTRECENT)
        super()._take(family, values)
        value = None if self._is_parent else _logical.gauge_value(self._is_most_recent)
        if value is not None:
            self._logical_value = value
            value.declare(family, values)
            self._put_calls(_logical.gauge_calls(value, self._is_most_recent))

    def _connect(self, handle: int) -> _bindings.GaugeCalls:
        if self._logical_value is not None:
            return _bindings.GaugeCalls(self.inc, self.dec, self.set)
        calls = super()._connect(handle)
        if self._values and self._family.descriptor.gauge_mode in MODES_OF_EACH:
            # Where each process has a sample of its own, it has one from the look-up on.
            self._family.registry._attach().library.fdm_gauge_add(handle, 0.0)
        return calls

    def _disconnect(self) -> None:
        if self._logical_value is None:
            super()._disconnect()

    def _arguments(self) -> Dict[str, Any]:
        return {"multiprocess_mode": self._multiprocess_mode}

    @property
    def _value(self) -> Any:
        return self._logical_value or Reading(lambda: _readings.gauge_value(self), self.inc, self.set)

    def _own_value(self, labels: Dict[str, str]) -> Optional[float]:
        """This process's value of the series with these labels; None where there is none, or it is not shown alone."""
        if self._multiprocess_mode not in ("all", "liveall") or labels.keys() != set(self._labelnames):
            return None
        if not self._is_parent:
            return float(self._value.get())
        child = self._children.get(tuple(labels[name] for name in self._labelnames))
        return None if child is None or self._removals[0] != self._children.word else child._value.get()

    def set_to_current_time(self) -> None:
        """Sets the value to the seconds since the epoch."""
        self.set(time.time())

    def time(self) -> Timer:  # type: ignore[override]
        """Times a block or a function, and sets the gauge to the duration in seconds."""
        return Timer(self, "set")  # type: ignore[no-untyped-call]

    def track_inprogress(self) -> InprogressTracker:  # type: ignore[override]
        """Holds the gauge one higher while a block or a function runs. Errors: ValueError."""
        self._raise_if_not_observable()
        return InprogressTracker(self)  # type: ignore[no-untyped-call]

    def set_function(self, f: Callable[[], float]) -> None:
        """Has the gauge's value of this process be what a function returns; see fdmetrics.Gauge.set_function."""
        self._raise_if_not_observable()
        instruments.Gauge.set_function(self, f)


class Summary(Instrument, instruments.Summary, _real.Summary):  # type: ignore[misc]
    """The count and the sum of observations, over all processes; see prometheus_client.Summary."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: Optional[CollectorRegistry] = REGISTRY,
        _labelvalues: Optional[Sequence[str]] = None,
    ) -> None:
        """Declares a summary. Errors: ValueError."""
        self._declare(name, documentation, labelnames, namespace, subsystem, unit, registry, _labelvalues)

    @property
    def _count(self) -> Reading:
        return Reading(lambda: _readings.observed(self, "fdm_summary_value")[0])

    @property
    def _sum(self) -> Reading:
        return Reading(lambda: _readings.observed(self, "fdm_summary_value")[1])

    def time(self) -> Timer:  # type: ignore[override]
        """Times a block or a function, and observes the duration in seconds."""
        return Timer(self, "observe")  # type: ignore[no-untyped-call]


class Histogram(Instrument, instruments.Histogram, _real.Histogram):  # type: ignore[misc]
    """Observations counted in buckets, and their sum, over all processes; see prometheus_client.Histogram."""

    DEFAULT_BUCKETS = _real.Histogram.DEFAULT_BUCKETS

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: Optional[CollectorRegistry] = REGISTRY,
        _labelvalues: Optional[Sequence[str]] = None,
        buckets: Sequence[Union[float, str]] = DEFAULT_BUCKETS,
    ) -> None:
        """Declares a histogram. A bound of NaN is taken, and not shown. Errors: ValueError."""
        bounds = [float(bound) for bound in buckets]
        if bounds != sorted(bounds):
            raise InvalidArgumentError(f"Buckets not in sorted order: {bounds} of {name}")
        kept = checked_bounds(name, kept_bounds(name, bounds))
        self._declare(name, documentation, labelnames, namespace, subsystem, unit, registry, _labelvalues, bounds=kept)

    def _arguments(self) -> Dict[str, Any]:
        return {"buckets": self._upper_bounds}

    @property
    def _upper_bounds(self) -> List[float]:  # type: ignore[override]
        return [*self._family.descriptor.bounds, float("inf")]

    @property
    def _sum(self) -> Reading:
        return Reading(lambda: _readings.observed(self, "fdm_histogram_value")[1])

    @property
    def _buckets(self) -> List[Reading]:  # type: ignore[override]
        return [Reading(functools.partial(self._bucket, at)) for at in range(len(self._upper_bounds))]

    def _bucket(self, at: int) -> float:
        counts = [value for suffix, _, value in self._samples_of_store() if suffix == "_bucket"]
        # The exposed ones are cumulative.
        return 0.0 if not counts else counts[at] - (counts[at - 1] if at else 0.0)

    def time(self) -> Timer:  # type: ignore[override]
        """Times a block or a function, and observes the duration in seconds."""
        return Timer(self, "observe")  # type: ignore[no-untyped-call]


class Info(Instrument, instruments.Info, _real.Info):  # type: ignore[misc]
    """Text as labels of a series with the value 1, shared by all processes; see prometheus_client.Info."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: Optional[CollectorRegistry] = REGISTRY,
        _labelvalues: Optional[Sequence[str]] = None,
    ) -> None:
        """Declares an info. Errors: ValueError."""
        self._declare(name, documentation, labelnames, namespace, subsystem, unit, registry, _labelvalues)

    def info(self, val: Dict[str, str]) -> None:
        """Sets the text, in place of the former one. A key may be any UTF-8 where a name may be. Errors: ValueError."""
        check_info_dict(self.name, val)
        if self._takes_utf8_names() and not is_classic("info", filter(is_text, val)):
            take_utf8_names()
        instruments.Info.info(self, val)


class Enum(Instrument, instruments.Enum, _real.Enum):  # type: ignore[misc]
    """One of several states, shared by all processes; see prometheus_client.Enum."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Sequence[str] = (),
        namespace: str = "",
        subsystem: str = "",
        unit: str = "",
        registry: Optional[CollectorRegistry] = REGISTRY,
        _labelvalues: Optional[Sequence[str]] = None,
        states: Optional[Sequence[str]] = None,
    ) -> None:
        """Declares an enum of states. Errors: ValueError."""
        checked = checked_states(name, states)
        self._declare(
            name, documentation, labelnames, namespace, subsystem, unit, registry, _labelvalues, states=checked
        )

    def _arguments(self) -> Dict[str, Any]:
        return {"states": self._states}

    @property
    def _states(self) -> Tuple[str, ...]:  # type: ignore[override]
        return self._family.descriptor.states


_MODES: Dict[int, Any] = {mode: name for name, mode in instruments.GAUGE_MODES.items()}
