# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Declares what prometheus_client's metrics are with the store, as fdmetrics' own instruments would.

Nothing here raises for the store's sake: what the store does not take is logged and counted, and the metric then goes
on without it, as its process's own.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import warnings
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple
from weakref import WeakKeyDictionary

from .. import _constants as c
from .._descriptor import Descriptor, is_classic
from .._environment import OLD_PROMETHEUS_DIRECTORY, PROMETHEUS_DIRECTORY, make_absolute
from .._family import Family
from .._library import take_utf8_names
from ..errors import REFUSALS, ConflictError, InvalidArgumentError
from ..registry import Registry
from .families import exposed_name

if TYPE_CHECKING:
    from ..registry import Declared


class _Declarations:
    """What prometheus_client's metrics have declared in one registry."""

    def __init__(self) -> None:
        self.families: Dict[Descriptor, Family] = {}
        #: The families by their exposed names, former ones too.
        self.named: Dict[str, Dict[Descriptor, Family]] = {}


_declarations: WeakKeyDictionary[Registry, _Declarations] = WeakKeyDictionary()


def take_over(former: Any) -> None:
    """Goes on with the declarations of this module as it was imported for another prometheus_client."""
    global _declarations
    _declarations = former._declarations


def declared_names(registry: Registry) -> Set[str]:
    """The exposed names of the families that this process has declared through prometheus_client.

    Without those that were refused: there the store has a family of somebody else's.
    """
    known = _declarations.get(registry)
    named = [] if known is None else list(known.named.items())
    return {name for name, families in named if not are_refused(families)}


def are_refused(families: Dict[Descriptor, Family]) -> bool:
    """Whether the store has somebody else's family under the name of these, whatever this process has declared."""
    # Not all() of a generator, which costs more: every scrape asks this of each name.
    for family in list(families.values()):  # noqa: SIM110
        if not family.is_refused:
            return False
    return True


def family_of_metric(metric: Any) -> Optional[Family]:
    """The family of a metric of prometheus_client, with or without labels; None where it is not in the store."""
    family: Optional[Family] = getattr(metric, "__dict__", {}).get("_fdmetrics_family")
    return family


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
    names = tuple(label_names)
    if not is_classic(name, names):
        take_utf8_names()
    kept = kept_bounds(name, bounds) if kind == c.FDM_HISTOGRAM else ()
    descriptor = Descriptor(kind, name, str(documentation), names, unit or "", gauge_mode, kept, states)
    known = _declarations.setdefault(registry, _Declarations())
    # Of two threads that get here at once, both use the one that is kept.
    return known.families.setdefault(descriptor, Family(descriptor, registry))


def _note(family: Family) -> _Declarations:
    known = _declarations.setdefault(family.registry, _Declarations())
    known.named.setdefault(exposed_name(family.descriptor), {})[family.descriptor] = family
    return known


def kept_bounds(metric: str, bounds: Iterable[float]) -> Tuple[float, ...]:
    """The bounds that the store keeps of those that prometheus_client takes: each once, and without NaN and +Inf.

    Nothing is ever counted up to NaN. Errors: InvalidArgumentError, where no bound is left.
    """
    kept = tuple(sorted({bound for bound in bounds if bound < math.inf}))
    if not kept:
        raise InvalidArgumentError(f"Must have at least two buckets: histogram {metric} has no bound below +Inf")
    return kept


def hold(metric: Any, family: Family, holder: object) -> None:
    """Takes note of a CollectorRegistry that has a metric, and declares it again where it has to be; see
    Registry._hold."""
    registry = family.registry
    registry._hold(_Again(metric, family), family, holder)


def give_up(family: Family, holder: object) -> None:
    """Frees the name of a metric that was unregistered, if no other CollectorRegistry has it; see Registry._release."""
    registry, name = family.registry, family.descriptor.name
    known = _declarations.get(registry)
    if registry._release(family, holder) and known is not None:
        # What is declared from now on is registered anew, in the place of what there is then.
        known.families = {other: family for other, family in list(known.families.items()) if other.name != name}


def recording_values(metric: Any) -> List[Any]:
    """The objects of a metric, or of one of its children, that stand for a series of the store."""
    return [value for value in list(vars(metric).values()) if hasattr(type(value), "removed")]


class _Again:
    """A metric that is declared in the place of another one, which was declared after it."""

    __slots__ = ("__weakref__", "_family", "_metric")

    def __init__(self, metric: Any, family: Family) -> None:
        self._metric = metric
        self._family = family

    def register(self) -> None:
        """Registers the family now, and a series without labels. Errors: as Metric.register."""
        if not self._register_quietly():
            self._family.register()

    def _register_quietly(self) -> bool:
        family = self._family
        _note(family).families[family.descriptor] = family
        if not family.register_quietly():
            return False
        forget(self, family.registry)
        for one in (self._metric, *getattr(self._metric, "_metrics", {}).copy().values()):
            for value in recording_values(one):
                # What had been refused, or was declared while the other metric had the name.
                value.use(family)
        return True


class _Collected(threading.local):
    """What a constructor in this thread declares, until its metric has been registered."""

    values: Optional[List[Tuple[Declared, Family]]] = None


_collected = _Collected()


@contextlib.contextmanager
def constructing() -> Iterator[None]:
    """A constructor runs, which declares nothing if it raises before its metric is registered."""
    former, _collected.values = _collected.values, []
    try:
        yield
        announce_collected()
    finally:
        _collected.values = former


def announce_collected() -> None:
    """The metric that this thread constructs has been taken by its registry."""
    collected, _collected.values = _collected.values, None
    for value, family in collected or ():
        announce(value, family)


def announce(value: Declared, family: Family) -> None:
    """Declares a value, which then shows as soon as the store is attached; after a constructor's metric is registered.

    A value whose declaration the registry does not take records nothing, nor does any other of its family.
    """
    if _collected.values is not None:
        _collected.values.append((value, family))
        return
    registry = family.registry
    _note(family)
    if registry._store is None:
        use_old_variable()
    try:
        registry._declare(value, family)
    except ConflictError as error:
        family.refuse_for_ever(error)
    except REFUSALS as error:
        family.refuse(error)


class Labelled:
    """What declares the family of a metric that only has label names: it is in the store before its first series."""

    __slots__ = ("__weakref__", "_family")

    def __init__(self, family: Family) -> None:
        """Declares the family."""
        self._family = family
        announce(self, family)

    def register(self) -> None:
        """Registers the family now. Errors: as Metric.register."""
        self._family.register()
        forget(self, self._family.registry)

    def _register_quietly(self) -> bool:
        if not self._family.register_quietly():
            return False
        forget(self, self._family.registry)
        return True


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
