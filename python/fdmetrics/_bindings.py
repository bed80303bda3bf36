# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The update callables of the instruments: the only place where they are made.

An instrument keeps them as instance attributes (`counter.inc` is a slot), so that an update costs one call and no
look-up of the library or the handle. There are these kinds of each:
  - bound ones hold the address of a series in the store and record;
  - pending ones belong to a metric whose series is not there yet: they bind it and record, or record nothing;
  - a metric that has label names and was given no values has one that raises;
  - silent ones belong to a gauge whose value a function gives.
The bound ones are builtins where there are such (see _builtins), else functions that call ctypes; both raise the same
exceptions. None takes a lock. All may be called from any thread and in fork children.
"""

from __future__ import annotations

import ctypes
import time

from . import _builtins
from ._library import Library

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Needed by annotations alone, and a Protocol takes its time to make.
    from collections.abc import Callable
    from typing import Any, NoReturn, Optional, Protocol

    from .instruments import Counter, Gauge, Histogram, Summary

    Exemplar = Optional[dict[str, str]]

    class Increment(Protocol):
        """Counter.inc."""

        def __call__(self, amount: float = 1, exemplar: Exemplar = None) -> None: ...

    class Add(Protocol):
        """Gauge.inc and Gauge.dec."""

        def __call__(self, amount: float = 1) -> None: ...

    class Set(Protocol):
        """Gauge.set."""

        def __call__(self, value: float) -> None: ...

    class Observe(Protocol):
        """Histogram.observe and Summary.observe."""

        def __call__(self, amount: float, exemplar: Exemplar = None) -> None: ...


class GaugeCalls:
    """The callables of a gauge."""

    __slots__ = ("dec", "inc", "set")

    def __init__(self, inc: Add, dec: Add, set: Set) -> None:
        self.inc = inc
        self.dec = dec
        self.set = set


def _number(value: Any) -> float:
    """A value as a float. Errors: TypeError where it is not a number, OverflowError where it is too large for one."""
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError(f"a number is expected, not {type(value).__name__} {value!r}")
    return float(value)


def _negative(amount: object) -> ValueError:
    return ValueError(f"Counters can only be incremented by non-negative amounts, not {amount!r}.")


def missing_labels(kind: str) -> Callable[..., NoReturn]:
    """What stands for every update callable of a metric with label names and no values."""

    def missing(*_arguments: object, **_keywords: object) -> NoReturn:
        raise ValueError(f"{kind} metric is missing label values")

    return missing


def counter_inc(library: Library, handle: int) -> Increment:
    """Counter.inc for an fdm_counter."""
    if _builtins.available(library):
        doc = "inc(amount=1, exemplar=None): adds an amount, which is not negative (else ValueError)."
        return _builtins.make(library, "fdm_py_counter_inc", handle, doc)
    increment = library.fdm_counter_inc
    add = library.fdm_counter_add

    def inc(amount: float = 1, exemplar: Exemplar = None) -> None:
        if amount == 1:
            increment(handle)
        elif amount >= 0:
            try:
                add(handle, amount)
            except ctypes.ArgumentError:
                add(handle, _number(amount))
        else:
            raise _negative(amount)

    return inc


def gauge_calls(library: Library, handle: int, most_recent: bool) -> GaugeCalls:
    """The callables of a gauge for an fdm_gauge."""
    if most_recent:
        return _most_recent_calls(library, handle)
    if _builtins.available(library):
        return GaugeCalls(
            _builtins.make(library, "fdm_py_gauge_inc", handle, "inc(amount=1): adds an amount."),
            _builtins.make(library, "fdm_py_gauge_dec", handle, "dec(amount=1): subtracts an amount."),
            _builtins.make(library, "fdm_py_gauge_set", handle, "set(value): sets the value of this process."),
        )
    increment = library.fdm_gauge_inc
    decrement = library.fdm_gauge_dec
    add = library.fdm_gauge_add
    store = library.fdm_gauge_set

    def inc(amount: float = 1) -> None:
        if amount == 1:
            increment(handle)
        else:
            try:
                add(handle, amount)
            except ctypes.ArgumentError:
                add(handle, _number(amount))

    def dec(amount: float = 1) -> None:
        if amount == 1:
            decrement(handle)
        else:
            try:
                add(handle, -amount)
            except ctypes.ArgumentError:
                add(handle, -_number(amount))

    def set(value: float) -> None:
        try:
            store(handle, value)
        except ctypes.ArgumentError:
            store(handle, _number(value))

    return GaugeCalls(inc, dec, set)


def _refused_add(name: str) -> Add:
    def refused(amount: float = 1) -> None:
        raise RuntimeError(f"{name} must not be used with the mostrecent mode")

    return refused


def _most_recent_calls(library: Library, handle: int) -> GaugeCalls:
    store_at = library.fdm_gauge_set_at

    def set(value: float) -> None:
        # time.time is looked up at each call: a program that replaces its clock gets what it asked for.
        store_at(handle, _number(value), time.time())

    return GaugeCalls(_refused_add("inc"), _refused_add("dec"), set)


def _observe(record: Callable[[int, float], None], handle: int) -> Observe:
    def observe(amount: float, exemplar: Exemplar = None) -> None:
        try:
            record(handle, amount)
        except ctypes.ArgumentError:
            record(handle, _number(amount))

    return observe


def histogram_observe(library: Library, handle: int) -> Observe:
    """Histogram.observe for an fdm_histogram."""
    if _builtins.available(library):
        doc = "observe(amount, exemplar=None): counts it in its bucket and adds it to the sum."
        return _builtins.make(library, "fdm_py_histogram_observe", handle, doc)
    return _observe(library.fdm_histogram_observe, handle)


def summary_observe(library: Library, handle: int) -> Observe:
    """Summary.observe for an fdm_summary."""
    if _builtins.available(library):
        doc = "observe(amount, exemplar=None): counts an observation and adds it to the sum."
        return _builtins.make(library, "fdm_py_summary_observe", handle, doc)
    return _observe(library.fdm_summary_observe, handle)


def pending_inc(counter: Counter) -> Increment:
    """Counter.inc before there is a series."""

    def inc(amount: float = 1, exemplar: Exemplar = None) -> None:
        amount = _number(amount)
        if not amount >= 0:
            raise _negative(amount)
        # Taken out of the metric before there was a series, it goes on being called when there is one.
        bound = counter._calls or counter._bind()
        if bound is None:
            counter._lose()
        else:
            bound(amount)

    return inc


def pending_gauge_calls(gauge: Gauge, most_recent: bool) -> GaugeCalls:
    """The callables of a gauge before there is a series."""

    def inc(amount: float = 1) -> None:
        amount = _number(amount)
        bound = gauge._calls or gauge._bind()
        if bound is None:
            gauge._lose()
        else:
            bound.inc(amount)

    def dec(amount: float = 1) -> None:
        amount = _number(amount)
        bound = gauge._calls or gauge._bind()
        if bound is None:
            gauge._lose()
        else:
            bound.dec(amount)

    def set(value: float) -> None:
        value = _number(value)
        bound = gauge._calls or gauge._bind()
        if bound is None:
            gauge._lose()
        else:
            bound.set(value)

    if most_recent:
        return GaugeCalls(_refused_add("inc"), _refused_add("dec"), set)
    return GaugeCalls(inc, dec, set)


def silent_gauge_calls(gauge: Gauge) -> GaugeCalls:
    """The callables of a gauge whose value a function gives. They do nothing as long as it does."""

    def inc(amount: float = 1) -> None:
        amount = _number(amount)
        if gauge._speaks_again():
            gauge.inc(amount)

    def dec(amount: float = 1) -> None:
        amount = _number(amount)
        if gauge._speaks_again():
            gauge.dec(amount)

    def set(value: float) -> None:
        value = _number(value)
        if gauge._speaks_again():
            gauge.set(value)

    return GaugeCalls(inc, dec, set)


def pending_observe(metric: Histogram | Summary) -> Observe:
    """Histogram.observe and Summary.observe before there is a series."""

    def observe(amount: float, exemplar: Exemplar = None) -> None:
        amount = _number(amount)
        bound = metric._calls or metric._bind()
        if bound is None:
            metric._lose()
        else:
            bound(amount)

    return observe
