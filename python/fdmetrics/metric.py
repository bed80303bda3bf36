# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What all instruments share: their declaration, and the look-up and removal of their labelled series."""

from __future__ import annotations

import time
from _collections_abc import Iterable, Mapping, Sequence
from types import MethodType

from . import _builtins, _library
from ._children import Children, MadeChildren
from ._descriptor import KIND_NAMES, UTF8_ADVICE, Descriptor, checked_label_names, full_name, strings
from ._family import Family
from .errors import REFUSALS, InvalidArgumentError, LabelsError, check_status
from .registry import registry_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, TypeVar

    M = TypeVar("M", bound="Metric")

# What stands in for a store's word before there is one; no store's gets there.
_NO_WORD = (1 << 64) - 1
_NO_REMOVALS = memoryview(b"\xff" * 8).cast("Q")
_NO_CHILDREN = Children(_NO_WORD)


def _text(value: object) -> str:
    """A label value as text. A string of a subclass stands for its characters, so that it equals the plain string."""
    return str.__str__(value) if isinstance(value, str) else str(value)


_LABELS_TEXT = """labels(*values, **values_by_name): the series with these label values, made at the first call.

Takes the values in the order of the label names, or all of them by name; what is not a string becomes one by str(). The
same strings give the same object, at the cost of one dictionary look-up. Where the store refuses a new series, the
object records nothing, and its updates try again after a second; once a series of the store was removed, the next
look-up tries at once, and gives another object.
Errors: ValueError where the metric has no label names, or the values do not match them."""


class Metric:
    """The base class of the instruments: a metric without labels, one with label names, or one series of the latter.

    Methods may be called from any thread and in fork children. None takes a lock.
    """

    if not TYPE_CHECKING:
        # Pyright takes a method whose name is a slot's for a function that is not bound.
        __slots__ = {
            "__weakref__": None,
            "_calls": None,
            "_children": None,
            "_family": None,
            "_is_removed": None,
            "_made": None,
            "_removals": None,
            "_retry_at": None,
            "_values": None,
            "labels": _LABELS_TEXT,
        }

    _kind: int
    #: Whether a child is told that this process has removed its series. One that is not has the address of a series,
    #: which nobody sees any more.
    _knows_removal: bool = False
    #: How a program has names of any UTF-8.
    _utf8_advice: str = UTF8_ADVICE

    if TYPE_CHECKING:

        def labels(self: M, *labelvalues: object, **labelkwargs: object) -> M: ...

    def _declare(
        self,
        name: str,
        documentation: str,
        labelnames: Iterable[str],
        namespace: str,
        subsystem: str,
        unit: str,
        registry: object,
        labelvalues: Sequence[object] | None = None,
        **specific: Any,
    ) -> None:
        utf8 = self._takes_utf8_names()
        name = full_name(self._kind, name, namespace, subsystem, unit, utf8, self._utf8_advice)
        label_names = checked_label_names(self._kind, name, labelnames, utf8, self._utf8_advice)
        values = tuple(_text(value) for value in labelvalues or ())
        if values and len(values) != len(label_names):
            raise LabelsError(f"Incorrect label count: {values} for the label names {label_names} of {name}")
        descriptor = Descriptor(self._kind, name, str(documentation), label_names, unit, **specific)
        owner = registry_of(registry)
        self._take(Family(descriptor, owner), values)
        owner._declare(self, self._family)

    def _take(self, family: Family, values: tuple[str, ...]) -> None:
        self._family = family
        self._values = values
        self._children = _NO_CHILDREN
        self._removals = _NO_REMOVALS
        #: The update callables, once they are bound.
        self._calls: Any = None
        #: Whether this process has removed its series.
        self._is_removed = False
        # The children that are to be told so, also those that a caller alone holds on to.
        self._made: Any = MadeChildren() if self._knows_removal and self._is_parent else ()
        #: From when on a series that was refused may be tried again, on the clock of time.monotonic.
        self._retry_at = 0.0
        self._look_up_slowly()
        self._disconnect()

    def _look_up_slowly(self) -> None:
        # Whoever has no look-up refuses without a reference to itself: there are many, and a cycle would keep each.
        # Not by a __getattr__, which would make every other attribute slower.
        refuse = MethodType(_refuse_labels, (self._family.descriptor, self._values))
        _labels_slot.__set__(self, self._labels if self._is_parent else refuse)

    @staticmethod
    def _takes_utf8_names() -> bool:
        """Whether names of the metric, of its labels and of an Info's text may be any UTF-8."""
        return _library.utf8_names_are_allowed()

    # What an instrument adds ------------------------------------------------------------------------------------------

    def _connect(self, handle: int) -> Any:
        """Makes the update callables of a series of the store, and returns them."""
        raise NotImplementedError

    def _disconnect(self) -> None:
        """Puts the callables in place that bind first, or raise where label values are missing."""
        raise NotImplementedError

    # Registration -----------------------------------------------------------------------------------------------------

    @property
    def _is_parent(self) -> bool:
        return bool(self._family.descriptor.label_names) and not self._values

    def register(self) -> None:
        """Attaches the store and registers this metric now, instead of at its first use, and says what is wrong.

        Errors: ConflictError, where the store has the metric with another type, label names, buckets, states, unit or
        mode; NoSpaceError, SeriesLimitError, SystemCallError, DamagedStoreError; those of Store().
        """
        if self._is_parent:
            self._family.register()
        else:
            self._bind_now()
        self._family.registry._registered(self)

    def _register_quietly(self) -> bool:
        registered = self._family.register_quietly() if self._is_parent else self._bind() is not None
        if registered:
            self._family.registry._registered(self)
        return registered

    def _bind(self) -> Any:
        """The update callables of this metric's series; None where the store refuses it, logged and counted."""
        family = self._family
        if not family.register_quietly() or time.monotonic() < self._retry_at:
            return None
        try:
            return self._bind_now()
        except REFUSALS as error:
            self._retry_at = family.refuse(error)
            return None

    def _bind_now(self) -> Any:
        calls = self._calls = self._connect(self._family.series(self._values))
        self._family.registry._holds(self)
        return calls

    def _lose(self) -> None:
        self._family.registry.lost_updates += 1

    def _detach(self) -> None:
        """Lets go of every address in the store, which is being closed."""
        self._family.detach()
        self._children = _NO_CHILDREN
        self._removals = _NO_REMOVALS
        self._calls = None
        self._retry_at = 0.0
        self._look_up_slowly()
        self._disconnect()

    # Labels -----------------------------------------------------------------------------------------------------------

    def _labels(self: M, *labelvalues: object, **labelkwargs: object) -> M:
        """labels(), where there is no builtin for it, and what the builtin calls for whatever it does not find."""
        children = self._children
        # Without a store there are only children that were refused, until the family gets into one.
        if self._removals[0] == children.word and (self._removals is not _NO_REMOVALS or self._family.handle is None):
            # The keys are tuples of strings: a value that is none is not found here, and neither are wrong names.
            try:
                child: M
                if not labelkwargs:
                    child = children[labelvalues]  # type: ignore[index]
                    return child
                names = self._family.descriptor.label_names
                if not labelvalues and len(labelkwargs) == len(names):
                    child = children[tuple([labelkwargs[name] for name in names])]  # type: ignore[misc]
                    return child
            except (KeyError, TypeError):
                pass
        return self._child(self._label_values(labelvalues, labelkwargs))

    def _child(self: M, values: tuple[str, ...]) -> M:
        try:
            children = self._current_children()
        except REFUSALS as error:
            self._family.refuse(error)
            children = Children(_NO_WORD)
        child: M | None = children.get(values)
        if child is None:
            child = self._made_child(values)
            if self._knows_removal:
                self._made.add(child)
            if child._bind() is None:
                return children.keep_refused(values, child)  # type: ignore[no-any-return]
            child = children.setdefault(values, child)
        assert child is not None
        return child

    def _made_child(self: M, values: tuple[str, ...]) -> M:
        child = type(self).__new__(type(self))
        child._take(self._family, values)
        return child

    def _current_children(self) -> Children:
        """The children that are still right; where the family is not registered, those that were refused.

        The word of removals is read before any series is looked up, and stays with the dictionary that the series is
        put into. So a series that another thread or process removes meanwhile is in a dictionary that the next look-up
        sees to be old. The same is true of a child that was refused and is bound while it is in the dictionary.
        """
        children = self._children
        store = self._family.registry._store if self._family.register_quietly() else None
        if store is None:
            if children is _NO_CHILDREN:
                self._children = children = Children(_NO_WORD)
            return children
        store.look_again()
        removals = self._removals = store.removals
        word = removals[0]
        if children.word != word:
            self._children = children = Children(word)
            self._family.registry._holds(self)
            if _builtins.available(store.library):
                # Through the slot itself: a subclass that defines labels() keeps its own.
                state = (children, store.removals_address, word, self._labels, self._family.descriptor.label_names)
                _labels_slot.__set__(self, _builtins.make(store.library, "fdm_py_labels", state, _LABELS_DOC))
        return children

    def _check_parent(self) -> tuple[str, ...]:
        if not self._is_parent:
            _refuse_labels((self._family.descriptor, self._values))
        return self._family.descriptor.label_names

    def _label_values(self, labelvalues: Sequence[object], labelkwargs: Mapping[str, object]) -> tuple[str, ...]:
        names = self._check_parent()
        if labelvalues and labelkwargs:
            raise LabelsError("Can't pass both *args and **kwargs")
        if labelkwargs:
            if labelkwargs.keys() != set(names):
                raise LabelsError(f"Incorrect label names {sorted(labelkwargs)} of {self}: expected {sorted(names)}")
            return tuple(_text(labelkwargs[name]) for name in names)
        if len(labelvalues) != len(names):
            raise LabelsError(f"Incorrect label count {len(labelvalues)} of {self}: values of {names} are expected")
        return tuple(_text(value) for value in labelvalues)

    # Removal ----------------------------------------------------------------------------------------------------------

    def remove(self, *labelvalues: object) -> None:
        """Removes the series with these label values, for all processes; nothing where there is none.

        Objects that labels() gave for it record nothing that is seen any more; a new look-up starts from zero.
        Errors: ValueError, as labels().
        """
        names = self._check_parent()
        if len(labelvalues) != len(names):
            raise LabelsError(f"Incorrect label count (expected {len(names)}, got {labelvalues})")
        self._remove([tuple(_text(value) for value in labelvalues)])

    def remove_by_labels(self, labels: dict[str, str]) -> None:
        """Removes every series that has these values of some of its labels, for all processes.

        Costs a rendering. Errors: ValueError where a name is not one of the metric's; TypeError where it is no dict.
        """
        names = self._check_parent()
        if not isinstance(labels, dict):
            raise TypeError("labels must be a dict of {label_name: label_value}")
        unknown = [name for name in labels if name not in names]
        if unknown:
            raise LabelsError(f"Unknown label names: {unknown}; expected {names}")
        if not labels:
            return
        wanted = {names.index(name): _text(value) for name, value in labels.items()}
        if not self._family.register_quietly():
            return
        try:
            from ._series import rendered_series

            known = set(rendered_series(self._family.registry, self._family.descriptor))
        except (*REFUSALS, ImportError, OSError) as error:
            self._family.refuse(error)
            return
        known.update(list(self._children))
        known.update(child._values for child in self._made)
        self._remove(values for values in known if all(values[at] == value for at, value in wanted.items()))

    def _tell_removed(self, series: Iterable[tuple[str, ...]] | None = None) -> None:
        """Tells the children with these label values, or all, that their series are removed."""
        removed = None if series is None else set(series)
        for child in self._made:
            if removed is None or child._values in removed:
                child._is_removed = True

    def _remove(self, series: Iterable[tuple[str, ...]]) -> None:
        if not self._family.register_quietly():
            return
        series = list(series)
        self._tell_removed(series)
        for values in series:
            self._call("fdm_remove", strings(values), len(values))
            self._children.forget(values)

    def clear(self) -> None:
        """Removes all series of this metric, for all processes; nothing where it has no label names."""
        if self._is_parent and self._family.register_quietly():
            self._tell_removed()
            self._call("fdm_clear")
            self._children = _NO_CHILDREN

    def _call(self, function: str, *arguments: Any) -> bool:
        """Whether a call about the registered family succeeded. Errors: InvalidArgumentError; others are logged."""
        family = self._family
        try:
            library = family.registry._attach().library
            check_status(library, getattr(library, function)(family.handle, *arguments))
            return True
        except InvalidArgumentError:
            raise
        except REFUSALS as error:
            self._retry_at = family.refuse(error)
            return False

    # Text -------------------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The family's name, without a counter's "_total" and an info's "_info"."""
        return self._family.descriptor.name

    @property
    def documentation(self) -> str:
        """The help text."""
        return self._family.descriptor.documentation

    def __str__(self) -> str:
        return f"{KIND_NAMES[self._kind]}:{self.name}"

    def __repr__(self) -> str:
        return f"{type(self).__module__}.{type(self).__name__}({self.name})"


def _refuse_labels(
    refused: tuple[Descriptor, tuple[str, ...]], /, *_labelvalues: object, **_labelkwargs: object
) -> NoReturn:
    descriptor, values = refused
    metric = f"{KIND_NAMES[descriptor.kind]}:{descriptor.name}"
    if not descriptor.label_names:
        raise LabelsError(f"No label names were set when constructing {metric}")
    known = dict(zip(descriptor.label_names, values))
    raise LabelsError(f"{metric} already has labels set ({known}); can not chain calls to .labels()")


_labels_slot: Any = Metric.__dict__["labels"]
_LABELS_DOC = "labels(*values, **values_by_name): the series with these label values; see Metric.labels."
