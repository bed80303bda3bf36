# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Registries, which show the totals of their metrics over all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, FrozenSet, Iterable, Iterator, List, Optional, Set

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from .. import registry as native
from .._descriptor import Descriptor
from .._family import Family
from .._prometheus import created
from .._prometheus.declaration import are_refused
from .._prometheus.families import exposed_name
from ..errors import ConflictError
from ._part import Part, Selection, StoreCollector, selections
from ._twin import fallback, real

if TYPE_CHECKING:
    import prometheus_client.registry as _real
    from prometheus_client.registry import DuplicateTimeseries as DuplicateTimeseries

    from ._instrument import Instrument
else:
    _real = real(__name__)

__all__ = ["REGISTRY", "Collector", "CollectorRegistry", "RestrictedRegistry"]

__getattr__ = fallback(__name__, _real)

# Where metrics record whose registry has no store of its own.
_default_store = native.REGISTRY


def store_of(registry: object) -> native.Registry:
    """The store's registry that a metric with this registry records into."""
    return registry.store if isinstance(registry, CollectorRegistry) else _default_store


class CollectorRegistry(_real.CollectorRegistry):
    """What is registered with it: of metrics the total over all processes, of other collectors what they collect.

    A metric's series are those of its name in the whole service, whatever registry it is registered with; the registry
    only says what is shown. One of a module that is loaded again is the same: unregister() takes either object.
    """

    def __init__(
        self,
        auto_describe: bool = False,
        target_info: Optional[Dict[str, str]] = None,
        support_collectors_without_names: bool = False,
        *,
        store: Optional[native.Registry] = None,
    ) -> None:
        """store: where the metrics that are registered with it record, for tests above all; None: the service's."""
        self._own_store = store
        arguments: Dict[str, Any] = {}
        if support_collectors_without_names:
            # Older versions do not know it.
            arguments["support_collectors_without_names"] = True
        super().__init__(auto_describe, target_info, **arguments)

    @property
    def store(self) -> native.Registry:
        """Where the metrics that are registered with it record."""
        return _default_store if self._own_store is None else self._own_store

    # Registration -----------------------------------------------------------------------------------------------------

    def register(self, collector: Collector) -> None:
        """Adds a collector. Errors: ValueError, where another one has one of its names.

        A metric that is declared again, alike, by its module's being loaded again is taken for the one that is there.
        """
        try:
            super().register(collector)
        except ValueError:
            known = self._alike(collector)
            if known is None or not _is_loaded_again(collector, known):
                raise
        family = _family(collector)
        if family is not None:
            family.registry._hold(collector, family, self)  # type: ignore[arg-type]

    def unregister(self, collector: Collector) -> None:
        """Takes a collector out. Errors: KeyError."""
        with self._lock:
            known = collector in self._collector_to_names
        taken = collector if known else self._alike(collector) or collector
        super().unregister(taken)
        part = _part(collector)
        family = _family(collector)
        if part is not None and family is None:
            _note(part)
        for given_up in {id(one): one for one in (family, _family(taken)) if one is not None}.values():
            # The name may be declared in another way from here on.
            given_up.registry._release(given_up, self)

    def _get_names(self, collector: Any) -> List[str]:
        if isinstance(collector, StoreCollector) and not hasattr(collector, "describe"):
            return []  # Of a whole store: to ask it would attach the store now, and clash with all the rest.
        names: List[str] = super()._get_names(collector)  # type: ignore[no-untyped-call]
        return names

    def _alike(self, collector: Any) -> Optional[Collector]:
        """The registered metric that a metric equals; None where there is none."""
        family = _family(collector)
        if family is None:
            return None
        with self._lock:
            known = self._names_to_collectors.get(family.descriptor.name)
        other = _family(known)
        alike = (
            other is not None
            and other.registry is family.registry
            and family.descriptor.difference(other.descriptor) is None
        )
        return known if alike else None

    def _refuse_clash(self, described: Metric, metric: Instrument) -> None:
        """Raises where another collector has a name of this metric's series, before anything is declared."""
        names = self._get_names(_Described(described))
        with self._lock:
            owners = {name: self._names_to_collectors[name] for name in names if name in self._names_to_collectors}
        if any(
            getattr(owner, "_name", None) != described.name or not _is_loaded_again(metric, owner)
            for owner in owners.values()
        ):
            raise _duplicate(set(owners))

    def _refuse_redeclaration(self, described: Metric, error: ConflictError) -> None:
        """Raises prometheus_client's error for a conflict, if the other declaration is in this registry."""
        with self._lock:
            registered = described.name in self._names_to_collectors
        if registered:
            raise _duplicate({described.name}) from error

    # Collection -------------------------------------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """The families, those of the store first."""
        for selection in self._selections():
            yield from selection.collect()
        yield from self._others().collect()

    def _parts(self) -> List[Part]:
        with self._lock:
            collectors = list(self._collector_to_names)
        return [part for part in map(_part, collectors) if part is not None]

    def _selections(self) -> List[Selection]:
        for store in {part.store for part in self._parts()}:
            # What it refuses is known from then on.
            store._ready()
        parts = self._parts()
        return selections(parts, self._hidden(parts))

    def _hidden(self, parts: List[Part]) -> FrozenSet[str]:
        return frozenset()

    def _others(self) -> _Others:
        with self._lock:
            collectors = list(self._collector_to_names)
            target_info = self._target_info_metric() if self._target_info else None  # type: ignore[no-untyped-call]
        return _Others(target_info, [collector for collector in collectors if _part(collector) is None])

    def restricted_registry(self, names: Iterable[str]) -> RestrictedRegistry:  # type: ignore[override]
        """A registry that collects only the samples with these names."""
        return RestrictedRegistry(names, self)

    def get_sample_value(self, name: str, labels: Optional[Dict[str, str]] = None) -> Optional[float]:
        """The value of a sample; None where there is none. Slow: for tests.

        A gauge of mode all or liveall has one sample for each process, with the label worker. Asked for without that
        label it gives this process's, as in a program of one process.
        """
        # The restricted one has samples that nobody sees without asking for them by name.
        for registry in (self, self.restricted_registry([name])) if name.endswith(created.SUFFIX) else (self,):
            value: Optional[float] = _real.CollectorRegistry.get_sample_value(registry, name, labels)  # type: ignore[arg-type]
            if value is not None:
                return value
        with self._lock:
            gauge: Any = self._names_to_collectors.get(name)
        own = getattr(gauge, "_own_value", None)
        return None if own is None else own(labels or {})


def collects_totals(registry: CollectorRegistry) -> bool:
    """Whether a registry collects as they all do, and not in a way of a subclass."""
    return type(registry).collect is CollectorRegistry.collect and "collect" not in vars(registry)


class RestrictedRegistry:
    """What CollectorRegistry.restricted_registry gives."""

    def __init__(self, names: Iterable[str], registry: CollectorRegistry) -> None:
        self._name_set = set(names)
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """The families that have samples with these names, with those alone."""
        registry = self._registry
        with registry._lock:
            others = {registry._names_to_collectors.get(name) for name in self._name_set}
            others.update(getattr(registry, "_collectors_without_names", ()))
            described = "target_info" in self._name_set and registry._target_info
            target_info: Any = registry._target_info_metric() if described else None  # type: ignore[no-untyped-call]
        if target_info is not None:
            yield target_info
        families: List[Metric] = []
        for selection in registry._selections():
            families += selection.only(_families(self._name_set)).collect(self._name_set)
        for collector in others:
            if collector is not None and _part(collector) is None:
                families += collector.collect()
        for family in families:
            restricted = family._restricted_metric(self._name_set)  # type: ignore[no-untyped-call]
            if restricted:
                yield restricted


class _ServiceRegistry(CollectorRegistry):
    """The registry that shows what nobody registered here too: the metrics of other processes, and of other languages.

    What this process has declared is shown if it is registered, and not once it is unregistered.
    """

    def _parts(self) -> List[Part]:
        return [Part(self.store, None), *super()._parts()]

    def _hidden(self, parts: List[Part]) -> FrozenSet[str]:
        shown: Set[str] = set()
        for part in parts:
            shown.update(part.names or ())
        declared = {name for name, families in list(_declared.items()) if not are_refused(families)}
        return frozenset(declared | _given_up) - shown


class _Others:
    """The collectors of a registry that are no part of a store."""

    def __init__(self, target_info: Optional[Metric], collectors: List[Collector]) -> None:
        self._target_info = target_info
        self._collectors = collectors

    def __bool__(self) -> bool:
        return self._target_info is not None or bool(self._collectors)

    def collect(self) -> Iterator[Metric]:
        if self._target_info is not None:
            yield self._target_info
        for collector in self._collectors:
            yield from collector.collect()


class _Described:
    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def describe(self) -> List[Metric]:
        return [self._metric]


# What this process has declared through this package, by the exposed names.
_declared: Dict[str, Dict[Descriptor, Family]] = {}
# The exposed names of what it has unregistered and has not declared: the families of the processes.
_given_up: Set[str] = set()


def note_declared(metric: Instrument) -> None:
    """Takes note of what the default registry is to show only while it is registered there."""
    if metric._family.registry is _default_store:
        descriptor = metric._family.descriptor
        _declared.setdefault(exposed_name(descriptor), {})[descriptor] = metric._family


def forget_declared(metric: Instrument) -> None:
    """Forgets a metric whose constructor has failed."""
    descriptor = metric._family.descriptor
    _declared.get(exposed_name(descriptor), {}).pop(descriptor, None)


def _note(part: Part) -> None:
    if part.store is _default_store:
        _given_up.update(part.names or ())


def _family(collector: object) -> Optional[Family]:
    return getattr(collector, "_family", None) if isinstance(collector, StoreCollector) else None


def _part(collector: object) -> Optional[Part]:
    return collector._part() if isinstance(collector, StoreCollector) else None


def _is_loaded_again(metric: Any, former: Any) -> bool:
    at = getattr(metric, "_declared_at", None)
    return at is not None and bool(at.is_loaded_again(getattr(former, "_declared_at", None)))


def _duplicate(names: Set[str]) -> ValueError:
    made: Any = getattr(_real, "DuplicateTimeseries", None)
    if made is not None:
        error: ValueError = made(names)
        return error
    return ValueError(f"Duplicated timeseries in CollectorRegistry: {names}")


def _families(samples: Iterable[str]) -> FrozenSet[str]:
    """The exposed names of the families that samples of these names may be in."""
    names = set(samples)
    for name in samples:
        for suffix in ("_bucket", "_count", "_sum"):
            if name.endswith(suffix):
                names.add(name[: -len(suffix)])
        if name.endswith(created.SUFFIX):
            made = name[: -len(created.SUFFIX)]
            names.update((made, f"{made}_total"))
    return frozenset(names)


REGISTRY = _ServiceRegistry(auto_describe=True)
