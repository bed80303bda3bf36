# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The values that metrics of prometheus_client record through.

prometheus_client makes one object of `values.ValueClass` for each number of a series: a counter's, a gauge's, a
summary's count and sum, a histogram's sum and each of its buckets. Of these,
  - a counter's, a gauge's, and the sums of the other two record into the store. A sum's inc(amount) is the store's
    observe, which finds the bucket and counts both or neither, so that no scrape sees one without the other;
  - a count and a bucket only keep this process's part.
get() gives this process's part, as in prometheus_client; the total over all processes is in the store. A fork child
starts from zero. inc() and set() never raise for the store's sake.

May be used from any thread, in signal handlers and in fork children: the one lock, of the parts, may be taken again by
the thread that holds it, and a fork child makes a new one. On Python 3.9, and without the interpreter's global lock,
what a signal handler records may be missing in the part, never in the total.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any, Callable, Optional, Tuple

from .. import _bindings
from .. import _constants as c
from .._family import Family
from ..errors import REFUSALS
from .declaration import announce, forget
from .families import MODES_OF_EACH

NO_REMOVALS = memoryview(bytes(8)).cast("Q")

# Whether `self._part += amount` is one step to all other threads: CPython with its global lock, which since 3.10 is
# handed on only at calls and at the ends of loops.
_ONE_STEP = (
    sys.implementation.name == "cpython"
    and sys.version_info >= (3, 10)
    and bool(getattr(sys, "_is_gil_enabled", lambda: True)())
)

# The mark of this process: a part that has another one is that of an ancestor.
_process = object()
_lock = threading.RLock()


def _in_child() -> None:
    global _lock, _process
    _lock = threading.RLock()
    _process = object()


os.register_at_fork(after_in_child=_in_child)


def parts_lock() -> Any:
    """The lock of all parts."""
    return _lock


def process_mark() -> object:
    """The mark of this process."""
    return _process


class Part:
    """A number of this process alone: a bucket of a histogram, or the count of a summary."""

    __slots__ = ("__weakref__", "_of_process", "_part")

    _multiprocess = True

    def __init__(self) -> None:
        self._part = 0.0
        self._of_process = _process

    def inc(self, amount: float) -> None:
        """Adds to this process's part."""
        if self._of_process is not _process:
            self._renew()
        self._part += amount

    def _renew(self) -> None:
        with _lock:
            if self._of_process is not _process:
                self._part = 0.0
                self._of_process = _process

    def set(self, value: float, timestamp: Optional[float] = None) -> None:
        """Sets this process's part."""
        self._renew()
        self._part = value

    def get(self) -> float:
        """This process's part."""
        return self._part if self._of_process is _process else 0.0

    def set_exemplar(self, exemplar: Any) -> None:
        """Does nothing: exemplars are not exposed, as in prometheus_client's multi-process mode."""

    def get_exemplar(self) -> None:
        """None."""
        return


class StoreValue(Part):
    """A number whose total is in a series of the store."""

    __slots__ = ("_family", "_label_values", "_record", "_removals", "_removed", "_retry_at", "_word")

    def __init__(self) -> None:
        super().__init__()
        self._family: Optional[Family] = None
        self._label_values: Tuple[str, ...] = ()
        self._removed = False
        self._disconnect()

    def declare(self, family: Family, label_values: Tuple[str, ...]) -> None:
        """Says which series this is."""
        self._label_values = label_values
        self._family = family
        announce(self, family)

    def use(self, family: Family) -> None:
        """Goes on with its family as it was declared again."""
        self._family = family
        self._retry_at = 0.0
        self._register_quietly()

    # What the registry asks for ---------------------------------------------------------------------------------------

    def register(self) -> None:
        """Registers the series now. Errors: as Metric.register."""
        if self._family is not None:
            self._bind(self._family)

    def _register_quietly(self) -> bool:
        return self._bind_quietly()

    def _detach(self) -> None:
        if self._family is not None:
            self._family.detach()
        self._disconnect()

    # The series -------------------------------------------------------------------------------------------------------

    def _connect(self, family: Family) -> None:
        """Makes `_record` for the series."""
        raise NotImplementedError

    def _disconnect(self) -> None:
        self._record: Callable[[float], None] = self._record_first
        self._removals = NO_REMOVALS
        self._word = 0
        self._retry_at = 0.0

    def _record_first(self, amount: float) -> None:
        if self._bind_quietly():
            self._record(amount)
        else:
            self._lose()

    def _lose(self) -> None:
        if self._family is not None and not self._removed:
            self._family.registry.lost_updates += 1

    def _bind(self, family: Family) -> None:
        family.register()
        store = family.registry._attach()
        # The word is read before the series is looked up: one that is removed meanwhile is looked up again.
        store.look_again()
        removals = store.removals
        word = removals[0]
        self._connect(family)
        if self._label_values:
            self._removals = removals
            self._word = word
        forget(self, family.registry)
        family.registry._holds(self)

    def _bind_quietly(self) -> bool:
        family = self._family
        if family is None or self._removed or not family.register_quietly() or time.monotonic() < self._retry_at:
            return False
        try:
            self._bind(family)
            return True
        except REFUSALS as error:
            self._retry_at = family.refuse(error)
            return False

    def _look_again(self) -> None:
        """Some process has removed series, this one perhaps: then it starts anew."""
        if not self._bind_quietly():
            retry_at = self._retry_at
            self._disconnect()
            self._retry_at = retry_at

    def removed(self) -> None:
        """This process has removed the series: what is recorded from now on is seen by nobody."""
        self._removed = True
        self._disconnect()
        if self._family is not None:
            forget(self, self._family.registry)


class CounterValue(StoreValue):
    """The value of a counter."""

    __slots__ = ()

    def _connect(self, family: Family) -> None:
        library = family.registry._attach().library
        self._record = _bindings.counter_inc(library, family.series(self._label_values))

    def inc(self, amount: float) -> None:
        """Adds to the series' total, and to this process's part; the total takes no negative amount."""
        if self._of_process is not _process:
            self._renew()
        self._part += amount
        if self._removals[0] != self._word:
            self._look_again()
        try:  # noqa: SIM105 - it costs nothing here.
            self._record(amount)
        except ValueError:  # A negative amount, which Counter.inc refuses itself, and NaN.
            pass

    def set(self, value: float, timestamp: Optional[float] = None) -> None:
        """Sets this process's part; the total grows by what the part has grown.

        Where the part shrinks, it has been reset to zero and has grown since, as Prometheus would take it.
        """
        grown = value - self.get()
        self.inc(grown if grown >= 0 else value)
        super().set(value)


class ObservedSum(StoreValue):
    """The sum of a histogram or of a summary: inc(amount) is an observation."""

    __slots__ = ()

    def _connect(self, family: Family) -> None:
        library = family.registry._attach().library
        observe = (
            _bindings.histogram_observe if family.descriptor.kind == c.FDM_HISTOGRAM else _bindings.summary_observe
        )
        self._record = observe(library, family.series(self._label_values))

    def inc(self, amount: float) -> None:
        """Counts an observation, and adds it to the sum, of the series and of this process's part."""
        if self._of_process is not _process:
            self._renew()
        self._part += amount
        if self._removals[0] != self._word:
            self._look_again()
        self._record(amount)


class GaugeValue(StoreValue):
    """The value of a gauge. The store has each process's own, so the part here only stands in where it refuses."""

    __slots__ = ("_handle", "_most_recent", "_read", "_set")

    def __init__(self, most_recent: bool) -> None:
        self._most_recent = most_recent
        super().__init__()

    def _disconnect(self) -> None:
        super()._disconnect()
        self._handle: Optional[int] = None
        self._set: Callable[..., None] = self._set_first

    def _series(self, family: Family) -> int:
        return family.series(self._label_values)

    def _connect(self, family: Family) -> None:
        library = family.registry._attach().library
        handle = self._series(family)
        former, read = self._handle, library.fdm_gauge_value
        if handle == former:
            return
        calls = _bindings.gauge_calls(library, handle, False)
        if self._most_recent:

            def set_at(value: float, timestamp: Optional[float] = None) -> None:
                library.fdm_gauge_set_at(handle, float(value), time.time() if timestamp is None else timestamp)

            self._record, self._set = _ignore, set_at
        else:
            # What this process has goes on in a new series.
            value = Part.get(self) if former is None else read(former)
            if value or self._starts_at_zero(family):
                calls.inc(value)
            self._record, self._set = calls.inc, calls.set
        self._read, self._handle = read, handle

    def _starts_at_zero(self, family: Family) -> bool:
        """Whether it has a value before its first update: where each process has a sample, from labels() on.

        Without labels a process that only declares has no say; see _with_silent of families for the gauge of nobody.
        """
        return bool(self._label_values) and family.descriptor.gauge_mode in MODES_OF_EACH

    def _record_first(self, amount: float) -> None:
        if self._bind_quietly():
            self._record(amount)
        else:
            super().inc(amount)
            self._lose()

    def _set_first(self, value: float, timestamp: Optional[float] = None) -> None:
        if self._bind_quietly():
            if self._most_recent:
                self._set(value, timestamp)
            else:
                self._set(value)
        else:
            super().set(value)
            self._lose()

    def inc(self, amount: float) -> None:
        """Adds to this process's value."""
        if self._removals[0] != self._word:
            self._look_again()
        self._record(amount)

    def set(self, value: float, timestamp: Optional[float] = None) -> None:
        """Sets this process's value; timestamp, in seconds since the epoch, counts in the most recent modes."""
        if self._removals[0] != self._word:
            self._look_again()
        if timestamp is None or not self._most_recent:
            self._set(value)
        else:
            self._set(value, timestamp)

    def get(self) -> float:
        """This process's value."""
        handle = self._handle
        if handle is None:
            return super().get()
        value: float = self._read(handle)
        return value


def _ignore(_amount: float) -> None:
    pass


def _one_at_a_time(inc: Callable[[Any, float], None]) -> Callable[[Any, float], None]:
    def guarded(self: Any, amount: float) -> None:
        with _lock:
            inc(self, amount)

    guarded.__doc__ = inc.__doc__
    return guarded


if not _ONE_STEP:
    for _kind in (Part, CounterValue, ObservedSum):
        setattr(_kind, "inc", _one_at_a_time(_kind.inc))  # noqa: B010
