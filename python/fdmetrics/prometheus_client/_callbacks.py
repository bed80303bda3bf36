# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What Gauge.set_function was given.

A function is called by the process that it was set in, when that process shows the gauge; what it returns is then the
value of that process in the store, like that of set(). Other processes show what it returned last.
"""

from __future__ import annotations

import time
from typing import Callable, Dict, Iterable, Tuple

from .._family import Family
from ..errors import REFUSALS
from ..registry import Registry

_Series = Tuple[str, Tuple[str, ...]]

_functions: Dict[Registry, Dict[_Series, Tuple[Family, Callable[[], float]]]] = {}


def put(family: Family, values: Tuple[str, ...], function: Callable[[], float]) -> None:
    """Sets the function of a series."""
    _functions.setdefault(family.registry, {})[family.descriptor.name, values] = (family, function)


def has(family: Family, values: Tuple[str, ...]) -> bool:
    """Whether a series has a function."""
    return (family.descriptor.name, values) in _functions.get(family.registry, ())


def drop(family: Family, series: Iterable[Tuple[str, ...]]) -> None:
    """Forgets the functions of series that are removed."""
    functions = _functions.get(family.registry, {})
    for values in series:
        functions.pop((family.descriptor.name, values), None)


def drop_all(family: Family) -> None:
    """Forgets the functions of all series of a family."""
    names = _functions.get(family.registry, {})
    drop(family, [values for name, values in list(names) if name == family.descriptor.name])


def evaluate(registry: Registry, shows: Callable[[str], bool]) -> None:
    """Calls the functions of the gauges that are shown, and sets the gauges. Errors: those of the functions."""
    for (name, values), (family, function) in list(_functions.get(registry, {}).items()):
        if shows(name):
            value = float(function())
            if family.register_quietly():
                try:
                    handle = family.series(values)
                    registry._attach().library.fdm_gauge_set_at(handle, value, time.time())
                except REFUSALS as error:
                    family.refuse(error)
