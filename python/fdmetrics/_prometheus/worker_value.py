# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The values of MultiProcessValue(process_identifier=...): a process is what the caller says it is.

The identifier is asked at each construction, update and get(), so that it may change during the life of a process, and
several may live in one. A gauge belongs to what it returns:
  - the process's real id stands for the process itself, as without an identifier;
  - a number from 0 to 8,388,607, or a text that is one, is a worker's number;
  - anything else becomes a number above, by a checksum of its text.
A gauge's samples carry that number in their label `worker`, and the worker counts as alive until mark_process_dead.
Of other values this process has a part for each identifier; their totals do not depend on it.
"""

from __future__ import annotations

import os
import zlib
from typing import Any, Callable, Dict, Optional, Tuple

from .._family import Family
from .._library import import_rare_prototypes
from . import value as values
from .value import CounterValue, GaugeValue, ObservedSum, Part

# Of a worker's gauge: its first update then imports nothing.
import_rare_prototypes()

_NUMBERS = 1 << 23

#: What MultiProcessValue takes.
Identify = Callable[[], Any]


def worker_number(identifier: object) -> Optional[int]:
    """The number of the worker with this identifier; None for this process itself."""
    if identifier == os.getpid():
        return None
    text = str(identifier)
    if text.isascii() and text.isdigit() and int(text) < _NUMBERS:
        return int(text)
    return _NUMBERS | zlib.crc32(text.encode("utf-8", "surrogatepass")) & (_NUMBERS - 1)


class WorkerPart(Part):
    """A Part for each identifier."""

    __slots__ = ("_identify", "_parts")

    def __init__(self, identify: Identify) -> None:
        super().__init__()
        self._identify = identify
        self._parts: Dict[Any, float] = {}

    def inc(self, amount: float) -> None:
        """Adds to the identifier's part."""
        self._change(amount, keep=True)

    def set(self, value: float, timestamp: Optional[float] = None) -> None:
        """Sets the identifier's part."""
        self._change(value, keep=False)

    def _change(self, value: float, keep: bool) -> None:
        identifier = self._identify()
        mark = values.process_mark()
        with values.parts_lock():
            if self._of_process is not mark:
                self._of_process = mark
                self._parts = {}
            self._parts[identifier] = value + (self._parts.get(identifier, 0.0) if keep else 0.0)

    def get(self) -> float:
        """The part of the identifier in this process."""
        identifier = self._identify()
        return self._parts.get(identifier, 0.0) if self._of_process is values.process_mark() else 0.0


class WorkerCounterValue(CounterValue):
    """A CounterValue with a part for each identifier."""

    __slots__ = ("_own",)

    def __init__(self, identify: Identify) -> None:
        super().__init__()
        self._own = WorkerPart(identify)

    def inc(self, amount: float) -> None:
        """Adds to the series' total, and to the identifier's part."""
        self._own.inc(amount)
        super().inc(amount)

    def set(self, value: float, timestamp: Optional[float] = None) -> None:
        """Sets the identifier's part; see CounterValue.set."""
        super().set(value)
        self._own.set(value)

    def get(self) -> float:
        """The part of the identifier in this process."""
        return self._own.get()


class WorkerObservedSum(ObservedSum):
    """An ObservedSum with a part for each identifier."""

    __slots__ = ("_own",)

    def __init__(self, identify: Identify) -> None:
        super().__init__()
        self._own = WorkerPart(identify)

    def inc(self, amount: float) -> None:
        """Counts an observation, and adds it to the sum, of the series and of the identifier's part."""
        self._own.inc(amount)
        super().inc(amount)

    def set(self, value: float, timestamp: Optional[float] = None) -> None:
        """Sets the identifier's part."""
        self._own.set(value)

    def get(self) -> float:
        """The part of the identifier in this process."""
        return self._own.get()


class _NumberedGaugeValue(GaugeValue):
    """The value of a gauge that belongs to a worker's number."""

    __slots__ = ("_number",)

    def __init__(self, most_recent: bool, number: int) -> None:
        self._number = number
        super().__init__(most_recent)

    def _series(self, family: Family) -> int:
        # Each look-up of a worker's series gives another handle.
        handle = self._handle
        if handle is None or self._label_values:
            handle = family.series(self._label_values, worker=self._number)
        return handle

    def _starts_at_zero(self, family: Family) -> bool:
        # The handle has made the worker's place, and a gauge with nothing but empty places is not shown.
        return True


class WorkerGaugeValue:
    """The value of a gauge for whatever identifier there is at the moment."""

    __slots__ = ("__weakref__", "_family", "_identify", "_label_values", "_most_recent", "_of")

    _multiprocess = True

    def __init__(self, most_recent: bool, identify: Identify) -> None:
        self._most_recent = most_recent
        self._identify = identify
        self._of: Dict[Optional[int], GaugeValue] = {}
        self._family: Optional[Family] = None
        self._label_values: Tuple[str, ...] = ()

    def declare(self, family: Family, label_values: Tuple[str, ...]) -> None:
        """Says which series this is."""
        self._family = family
        self._label_values = label_values
        self._current()

    def use(self, family: Family) -> None:
        """Goes on with its family as it was declared again."""
        self._family = family
        for value in list(self._of.values()):
            value.use(family)

    def _current(self) -> GaugeValue:
        number = worker_number(self._identify())
        known = self._of.get(number)
        if known is None:
            known = GaugeValue(self._most_recent) if number is None else _NumberedGaugeValue(self._most_recent, number)
            known = self._of.setdefault(number, known)
            if self._family is not None:
                known.declare(self._family, self._label_values)
        return known

    def inc(self, amount: float) -> None:
        """Adds to the worker's value."""
        self._current().inc(amount)

    def set(self, value: float, timestamp: Optional[float] = None) -> None:
        """Sets the worker's value."""
        self._current().set(value, timestamp)

    def get(self) -> float:
        """The worker's value."""
        return self._current().get()

    def set_exemplar(self, exemplar: Any) -> None:
        """Does nothing."""

    def get_exemplar(self) -> None:
        """None."""
        return

    def removed(self) -> None:
        """This process has removed the series."""
        for value in list(self._of.values()):
            value.removed()
        self._family = None
