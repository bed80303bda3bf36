# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Declares what prometheus_client's metrics are with the store, as fdmetrics' own instruments would.

Nothing here raises for the store's sake: what the store does not take is logged and counted, and the metric then goes
on without it, as its process's own.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Dict, List, Sequence, Set, Tuple
from weakref import WeakKeyDictionary

from .._descriptor import Descriptor, refuse_other_names
from .._environment import OLD_PROMETHEUS_DIRECTORY, PROMETHEUS_DIRECTORY, make_absolute
from .._family import Family
from ..errors import REFUSALS
from ..registry import Registry

if TYPE_CHECKING:
    from ..registry import Declared


class _ClassicFamily(Family):
    """A family that stays out of the store where its names are not of the classic character set."""

    __slots__ = ()

    def register(self) -> int:
        if self.handle is None:
            refuse_other_names(self.descriptor.name, self.descriptor.label_names)
        return super().register()


class _Declarations:
    """What prometheus_client's metrics have declared in one registry."""

    def __init__(self) -> None:
        self.families: Dict[Descriptor, Family] = {}
        #: The names of the families.
        self.names: Set[str] = set()


_declarations: WeakKeyDictionary[Registry, _Declarations] = WeakKeyDictionary()


def declared_names(registry: Registry) -> Set[str]:
    """The names of the families that this process has declared through prometheus_client."""
    known = _declarations.get(registry)
    return set() if known is None else known.names


def families_named(registry: Registry, name: str) -> List[Family]:
    """The families of a name that this process has declared through prometheus_client: one, where they agree."""
    known = _declarations.get(registry)
    return (
        [] if known is None else [family for family in list(known.families.values()) if family.descriptor.name == name]
    )


def store_name(kind: str, name: str) -> str:
    """The store's name of a metric: without the suffix that it adds for the type."""
    return name[: -len("_info")] if kind == "info" and name.endswith("_info") else name


def family_of(
    registry: Registry,
    kind: int,
    name: str,
    documentation: str,
    label_names: Sequence[str],
    unit: str = "",
    gauge_mode: int = 0,
    bounds: Tuple[float, ...] = (),
    states: Tuple[str, ...] = (),
) -> Family:
    """The family with this declaration, the same one for the same declaration."""
    descriptor = Descriptor(
        kind, name, str(documentation), tuple(label_names), unit or "", gauge_mode, tuple(sorted(set(bounds))), states
    )
    known = _declarations.setdefault(registry, _Declarations())
    known.names.add(name)
    # Of two threads that get here at once, both use the one that is kept.
    return known.families.setdefault(descriptor, _ClassicFamily(descriptor, registry))


def announce(value: Declared, family: Family) -> bool:
    """Declares a value, which then shows as soon as the store is attached. Whether the registry has taken it."""
    registry = family.registry
    if registry._store is None:
        use_old_variable()
    try:
        registry._declare(value, family.descriptor)
        return True
    except REFUSALS as error:
        family.refuse(error)
        return False


def forget(value: Declared, registry: Registry) -> None:
    """Takes back what was announced."""
    registry._registered(value)


def use_old_variable() -> None:
    """Takes the directory from the variable's lower case name, with the warning that prometheus_client gives then.

    A relative name that was set after the import becomes absolute.
    """
    if os.environ.get(OLD_PROMETHEUS_DIRECTORY) and not os.environ.get(PROMETHEUS_DIRECTORY):
        os.environ[PROMETHEUS_DIRECTORY] = os.environ[OLD_PROMETHEUS_DIRECTORY]
        warnings.warn(
            f"{OLD_PROMETHEUS_DIRECTORY} variable has been deprecated in favor of the upper case naming "
            f"{PROMETHEUS_DIRECTORY}",
            DeprecationWarning,
            stacklevel=3,
        )
    make_absolute()
