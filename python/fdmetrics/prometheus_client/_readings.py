# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What stands for the value objects of prometheus_client's metrics: `counter._value`, `histogram._sum` and the like.

They are private there, and read all the same, in tests above all.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Callable, Optional

from ..errors import REFUSALS

if TYPE_CHECKING:
    from ._instrument import Instrument


class Reading:
    """One number of a series. Makes the series where it is not there yet; never raises for the store's sake."""

    __slots__ = ("_get", "_inc", "_set")

    def __init__(
        self,
        get: Callable[[], float],
        inc: Optional[Callable[[float], None]] = None,
        set: Optional[Callable[[float], None]] = None,
    ) -> None:
        self._get = get
        self._inc = inc
        self._set = set

    def get(self) -> float:
        """The number: of a gauge this process's value, of all others the total over all processes."""
        return self._get()

    def inc(self, amount: float) -> None:
        """Adds to the number. Errors: TypeError, where it is part of an observation."""
        if self._inc is None:
            raise TypeError("this number changes by observe() alone: call that of its metric")
        self._inc(amount)

    def set(self, value: float, timestamp: Optional[float] = None) -> None:
        """Sets the number. Errors: TypeError, where it is part of an observation."""
        if self._set is None:
            raise TypeError("this number changes by observe() alone: call that of its metric")
        self._set(value)

    def get_exemplar(self) -> None:
        """None: exemplars are not kept."""


def counter_total(metric: Instrument) -> float:
    """A counter's total over all processes; 0 where the store refuses it."""
    return _double(metric, "fdm_counter_value")


def gauge_value(metric: Instrument) -> float:
    """This process's value of a gauge; 0 before its first update."""
    return _double(metric, "fdm_gauge_value")


def observed(metric: Instrument, function: str) -> tuple[int, float]:
    """Count and sum of a histogram or a summary over all processes; function is fdm_histogram_value or its like."""
    count, total = ctypes.c_uint64(), ctypes.c_double()
    handle = _handle(metric)
    if handle is not None:
        library = metric._family.registry._attach().library
        getattr(library, function)(handle, ctypes.byref(count), ctypes.byref(total))
    return count.value, total.value


def _double(metric: Instrument, function: str) -> float:
    handle = _handle(metric)
    if handle is None:
        return 0.0
    value: float = getattr(metric._family.registry._attach().library, function)(handle)
    return value


def _handle(metric: Instrument) -> Optional[int]:
    family = metric._family
    if not family.register_quietly():
        return None
    try:
        return family.series(metric._values)
    except REFUSALS as error:
        family.refuse(error)
        return None
