# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What Gauge.set_function was given.

A function is called by the process that it was set in, when that process renders the gauge; what it returns is then the
value of that process in the store, like that of set(). Other processes show what it returned last. A fork child has
none of its parent's functions: what they see there is a copy from the time of the fork.

A function belongs to the family that it was set on. Of a metric of prometheus_client's API it is called while a
registry has that metric. One of several families with the same declaration speaks for a series: the last that was given
one.
"""

from __future__ import annotations

import os
import time

from .errors import REFUSALS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ._family import Family
    from .registry import Registry

    #: The families of a registry that have functions, by their names, without those that no registry of
    #: prometheus_client's has any more.
    Functions = dict[str, dict[Family, None]]


class Function:
    """The function of a series, and the process that it was set in."""

    __slots__ = ("call", "process")

    def __init__(self, call: Callable[[], float], process: int) -> None:
        self.call = call
        self.process = process


def put(family: Family, values: tuple[str, ...], call: Callable[[], float]) -> None:
    """Sets the function of a series."""
    drop(family, [values])
    family.functions[values] = Function(call, os.getpid())
    if family.is_held is not False:
        _add(family)


def _add(family: Family) -> None:
    family.registry._functions.setdefault(family.descriptor.name, {})[family] = None


def has(family: Family, values: tuple[str, ...]) -> bool:
    """Whether a series has a function in this process."""
    process = os.getpid()
    for other in _alike(family):
        function = other.functions.get(values)
        # Nobody calls those of a metric that was given up.
        if function is not None and function.process == process and other.is_held is not False:
            return True
    return False


def drop(family: Family, series: Iterable[tuple[str, ...]]) -> None:
    """Forgets the functions of series that are removed."""
    families = _alike(family)
    for values in series:
        for other in families:
            other.functions.pop(values, None)


def drop_all(family: Family) -> None:
    """Forgets the functions of all series of a family."""
    for other in _alike(family):
        other.functions.clear()


def _alike(family: Family) -> tuple[Family, ...]:
    """The family, and those with functions that record into the same series."""
    others = tuple(family.registry._functions.get(family.descriptor.name, ()))
    alike = [other for other in others if other.descriptor.difference(family.descriptor) is None]
    return (family, *(other for other in alike if other is not family))


def take_up(family: Family) -> None:
    """Takes note that a registry of prometheus_client's has a metric: its functions are called, perhaps again."""
    family.is_held = True
    if family.functions:
        _add(family)


def forget_given_up(registry: Registry, name: str) -> None:
    """Calls the functions no more of the metrics of a name that no registry of prometheus_client's has."""
    families = registry._functions.get(name)
    for family in tuple(families or ()):
        if families and family.is_held is not None:
            family.is_held = False
            families.pop(family, None)


def forget(registry: Registry) -> None:
    """Lets go of all functions."""
    for families in list(registry._functions.values()):
        for family in list(families):
            family.functions.clear()
    registry._functions.clear()


def evaluate(registry: Registry, shows: Callable[[str], bool]) -> None:
    """Calls the functions of the gauges that are shown, and sets the gauges. Errors: those of the functions."""
    for name in list(registry._functions):
        if registry._is_free(name):
            forget_given_up(registry, name)
        if shows(name):
            for family, values, call in _of_this_process(registry._functions.get(name, {})):
                value = float(call())
                if family.register_quietly():
                    try:
                        handle = family.series(values)
                        registry._attach().library.fdm_gauge_set_at(handle, value, time.time())
                    except REFUSALS as error:
                        family.refuse(error)


def _of_this_process(
    families: dict[Family, None],
) -> Iterator[tuple[Family, tuple[str, ...], Callable[[], float]]]:
    process = os.getpid()
    for family in list(families):
        if not family.is_refused:
            for values, function in list(family.functions.items()):
                if function.process == process:
                    yield family, values, function.call
                else:
                    family.functions.pop(values, None)
        if not family.functions:
            families.pop(family, None)
