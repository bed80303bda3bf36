# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the instruments of this package have of prometheus_client, beside what they have of fdmetrics.

They are both: of fdmetrics.Counter comes all that records, look-ups included, at its speed; of
prometheus_client.Counter the type, for whoever asks isinstance or makes a subclass, and what reads.
"""

from __future__ import annotations

import threading
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from .. import metric as native
from .._descriptor import full_name, is_classic
from .._family import Family
from .._library import take_utf8_names
from .._prometheus.families import exposed_name
from ..errors import ConflictError, LabelsError
from . import registry as registries
from ._declared_at import DeclaredAt, declared_at
from ._part import Part, StoreCollector, collected

_OURS = __name__.rpartition(".")[0]
# Of the classes of this package, also of those that a reload of their module has left behind.
_METRICS = f"{_OURS}.metrics"

try:
    from prometheus_client.validation import get_legacy_validation
except ImportError:
    # A version that knows no other names.
    def get_legacy_validation() -> bool:
        return True

    _UTF8_ADVICE = "a newer prometheus_client"
else:
    _UTF8_ADVICE = "no PROMETHEUS_LEGACY_NAME_VALIDATION=true in the environment"


class Instrument(StoreCollector, native.Metric):
    """The common part of this package's instruments; comes before fdmetrics' and prometheus_client's classes."""

    # Of prometheus_client's classes, and so of the instances.
    _type: Any
    _name: str
    _documentation: str
    _unit: str
    _labelnames: Tuple[str, ...]
    _labelvalues: Tuple[str, ...]
    _kwargs: Dict[str, Any]
    _declared_at: Optional[DeclaredAt] = None
    _utf8_advice = _UTF8_ADVICE
    #: What it records through where the program gives its processes ids of its own; see _logical.
    _logical_value: Any = None

    def _declare(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str],
        namespace: str,
        subsystem: str,
        unit: str,
        registry: object,
        labelvalues: Optional[Sequence[object]] = None,
        **specific: Any,
    ) -> None:
        parent = _making.parent
        if labelvalues and parent is not None:
            # A child that labels() makes by its class's constructor, which is told neither registry nor store.
            self._original_name, self._namespace, self._subsystem = name, namespace, subsystem
            self._take(parent._family, tuple(map(str, labelvalues)))
            return
        label_names = tuple(labelnames)
        owner = registry if isinstance(registry, registries.CollectorRegistry) else None
        utf8 = self._takes_utf8_names()
        full = full_name(self._kind, name, namespace, subsystem, unit, utf8, self._utf8_advice)
        if utf8 and not is_classic(full, filter(is_text, label_names)):
            take_utf8_names()
        self._declared_at = declared_at()
        if owner is not None and not labelvalues:
            described = Metric(full, "", self._type)
            owner._refuse_clash(described, self)
        try:
            super()._declare(
                name,
                documentation,
                label_names,
                namespace,
                subsystem,
                unit,
                registries.store_of(registry),
                labelvalues,
                **specific,
            )
        except ConflictError as error:
            if owner is not None and not labelvalues:
                owner._refuse_redeclaration(described, error)
            # Another registry has the name, for which there is one family in the store: this metric records nothing.
            self._family.refuse_for_ever(error)
        self._original_name = name
        self._namespace = namespace
        self._subsystem = subsystem
        if not labelvalues:
            registries.note_declared(self)
            if registry:
                self._join(registry)

    def _join(self, registry: Any) -> None:
        try:
            registry.register(self)
        except Exception:
            # By another thread, or a subclass's register().
            registries.forget_declared(self)
            self._family.registry._take_back(self, self._family)
            raise

    def _take(self, family: Family, values: Tuple[str, ...]) -> None:
        super()._take(family, values)
        descriptor = family.descriptor
        self._name = descriptor.name
        self._documentation = descriptor.documentation
        self._unit = descriptor.unit
        self._labelnames = descriptor.label_names
        self._labelvalues = values
        self._kwargs = self._arguments()

    def _arguments(self) -> Dict[str, Any]:
        """The arguments that this class has beside the common ones."""
        return {}

    @property
    def _metrics(self) -> Dict[Tuple[str, ...], Any]:
        """The children that this process has looked up."""
        return dict(self._children)

    @staticmethod
    def _takes_utf8_names() -> bool:
        return not get_legacy_validation()

    # Children of subclasses -------------------------------------------------------------------------------------------

    def _metric_init(self) -> None:
        """Does nothing: prometheus_client makes its values here."""

    def _made_child(self, values: Tuple[str, ...]) -> Any:
        if type(self).__init__.__module__ == _METRICS:
            return super()._made_child(values)
        # A subclass that takes its own arguments is made by its constructor, as prometheus_client makes children.
        make: Any = type(self)
        former, _making.parent = _making.parent, self
        try:
            return make(
                self._original_name,
                documentation=self._documentation,
                labelnames=self._labelnames,
                namespace=self._namespace,
                subsystem=self._subsystem,
                unit=self._unit,
                _labelvalues=values,
                **self._kwargs,
            )
        finally:
            _making.parent = former

    # Reading ----------------------------------------------------------------------------------------------------------

    def _part(self) -> Optional[Part]:
        # Each scrape asks this of each metric.
        own = type(self)
        if (
            own.collect is Instrument.collect
            and own._multi_samples is Instrument._multi_samples
            and not self._has_own_samples()
        ):
            return self._own_part()
        return None  # A subclass that shows something else.

    def _has_own_samples(self) -> bool:
        own = type(self)
        return (
            own._samples is not Instrument._samples
            or own._child_samples is not Instrument._child_samples
            or "_child_samples" in self.__dict__
        )

    def _own_part(self) -> Part:
        # What a refused one would expose is, in the store, another family's.
        family = self._family
        return Part(family.registry, frozenset(() if family.is_refused else [exposed_name(family.descriptor)]))

    def describe(self) -> Iterable[Metric]:
        """The family without samples."""
        return [Metric(self._name, self._documentation, self._type, self._unit)]

    def collect(self) -> Iterable[Metric]:
        """The family with its samples, over all processes; of a child, its own, without its labels."""
        (metric,) = self.describe()
        samples: Iterable[Any] = self._samples()
        for suffix, labels, value, *more in samples:
            metric.add_sample(self._name + suffix, labels, value, *more)
        return [metric]

    def _samples_of_store(self) -> List[Tuple[str, Dict[str, str], float]]:
        part = self._own_part()
        own = dict(zip(self._labelnames, self._labelvalues))
        samples = []
        for metric in collected(part):
            for sample in metric.samples:
                if all(sample.labels.get(name) == value for name, value in own.items()):
                    labels = {name: value for name, value in sample.labels.items() if name not in own}
                    samples.append((sample.name[len(self._name) :], labels, sample.value))
        return samples

    def _samples(self) -> Iterable[Sample]:
        return self._multi_samples() if self._is_parent else self._child_samples()

    def _child_samples(self) -> Iterable[Sample]:
        return [Sample(suffix, labels, value, None, None) for suffix, labels, value in self._samples_of_store()]

    def _multi_samples(self) -> Iterable[Sample]:
        if not self._has_own_samples():
            return Instrument._child_samples(self)
        return [
            Sample(suffix, {**dict(zip(self._labelnames, values)), **labels}, *more)
            for values, child in self._metrics.items()
            for suffix, labels, *more in child._samples()
        ]

    def __repr__(self) -> str:
        # The class has the name that programs know it by.
        module = type(self).__module__
        if module.startswith(_OURS + "."):
            module = module[len(_OURS) - len("prometheus_client") :]
        return f"{module}.{type(self).__name__}({self._name})"

    # Words of prometheus_client ---------------------------------------------------------------------------------------

    def _is_observable(self) -> bool:
        return not self._is_parent

    def _raise_if_not_observable(self) -> None:
        if self._is_parent:
            raise LabelsError(f"{self._type} metric is missing label values")


def is_text(name: object) -> bool:
    """Whether a name is a string, which has yet to be checked."""
    return isinstance(name, str)


class _Making(threading.local):
    """The metric whose child this thread makes."""

    parent: Optional[Instrument] = None


_making = _Making()
