# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What Gauge.set_function was given.

A function is called by the process that it was set in, when that process renders the gauge; what it returns is then the
value of that process in the store, like that of set(). Other processes show what it returned last. A fork child has
none of its parent's functions: what they see there is a copy from the time of the fork.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable, Dict, Iterable, Iterator, NamedTuple, Tuple

from .errors import REFUSALS

if TYPE_CHECKING:
    from ._family import Family
    from .registry import Registry

#: A gauge's name, and the values of its labels.
SeriesKey = Tuple[str, Tuple[str, ...]]


class Function(NamedTuple):
    """The function of a series, and the process that it was set in."""

    family: Family
    call: Callable[[], float]
    process: int


#: The functions of a registry's gauges.
Functions = Dict[SeriesKey, Function]


def put(family: Family, values: Tuple[str, ...], call: Callable[[], float]) -> None:
    """Sets the function of a series."""
    family.registry._functions[family.descriptor.name, values] = Function(family, call, os.getpid())


def has(family: Family, values: Tuple[str, ...]) -> bool:
    """Whether a series has a function in this process."""
    function = family.registry._functions.get((family.descriptor.name, values))
    return function is not None and function.process == os.getpid()


def drop(family: Family, series: Iterable[Tuple[str, ...]]) -> None:
    """Forgets the functions of series that are removed."""
    for values in series:
        family.registry._functions.pop((family.descriptor.name, values), None)


def drop_all(family: Family) -> None:
    """Forgets the functions of all series of a family."""
    name = family.descriptor.name
    drop(family, [values for known, values in list(family.registry._functions) if known == name])


def evaluate(registry: Registry, shows: Callable[[str], bool]) -> None:
    """Calls the functions of the gauges that are shown, and sets the gauges. Errors: those of the functions."""
    for family, values, call in _of_this_process(registry._functions):
        if shows(family.descriptor.name):
            value = float(call())
            if family.register_quietly():
                try:
                    handle = family.series(values)
                    registry._attach().library.fdm_gauge_set_at(handle, value, time.time())
                except REFUSALS as error:
                    family.refuse(error)


def _of_this_process(functions: Functions) -> Iterator[Tuple[Family, Tuple[str, ...], Callable[[], float]]]:
    process = os.getpid()
    for key, function in list(functions.items()):
        if function.process == process:
            yield function.family, key[1], function.call
        else:
            functions.pop(key, None)
