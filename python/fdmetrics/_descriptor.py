# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a metric family is declared as, and the rules that its names keep.

The rules are those of the library, which checks again. They are here too because attaching is lazy: a wrong name is an
error where it is written, not at the first update.
"""

from __future__ import annotations

import ctypes
import math
import sys

from . import _constants as c
from . import _prototypes
from .errors import InvalidNameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, TypeVar

    T = TypeVar("T")

_MOST_LABELS = 64
_MOST_BOUNDS = 1000
_MOST_STATES = 1000

KIND_NAMES = {
    c.FDM_COUNTER: "counter",
    c.FDM_GAUGE: "gauge",
    c.FDM_HISTOGRAM: "histogram",
    c.FDM_SUMMARY: "summary",
    c.FDM_INFO: "info",
    c.FDM_STATE_SET: "stateset",
}
_RESERVED_LABELS = {c.FDM_HISTOGRAM: "le", c.FDM_SUMMARY: "quantile"}


# Without regular expressions, whose compilation would take a tenth of the import of this package.


def _is_metric_name(text: str) -> bool:
    """[a-zA-Z_:][a-zA-Z0-9_:]*"""
    return _is_label_name(text.replace(":", "_"))


def _is_label_name(text: str) -> bool:
    """[a-zA-Z_][a-zA-Z0-9_]*"""
    return text.isascii() and text.isidentifier()


def is_classic(metric: str, label_names: Iterable[str] = ()) -> bool:
    """Whether a metric's name and those of its labels are of the classic character set."""
    return _is_metric_name(metric) and all(map(_is_label_name, label_names))


def _is_unit(text: str) -> bool:
    """[a-zA-Z0-9_:]+"""
    return _is_metric_name("_" + text)


#: What a program does to have names of any UTF-8.
UTF8_ADVICE = "fdmetrics.allow_utf8_names(), or FDMETRICS_UTF8_NAMES=1 in the environment"


def _refusal(text: str, utf8: bool, advice: str = UTF8_ADVICE) -> str:
    """What is wrong with a name that is not of the classic character set; "" where nothing is."""
    if not utf8:
        return f" (or {advice}, for names of any UTF-8)"
    try:
        text.encode()
    except UnicodeEncodeError:
        return ", or valid UTF-8"
    return "" if text and "\0" not in text and "\ufffd" not in text else ", or other UTF-8 than U+0000 and U+FFFD"


class Descriptor:
    """A declaration, checked. The name is without a counter's "_total" and an info's "_info".

    A value: not to be changed. Those that are alike are equal, and one key of a dictionary.
    """

    __slots__ = ("bounds", "documentation", "gauge_mode", "kind", "label_names", "name", "states", "unit")

    def __init__(
        self,
        kind: int,
        name: str,
        documentation: str,
        label_names: tuple[str, ...] = (),
        unit: str = "",
        gauge_mode: int = 0,
        bounds: tuple[float, ...] = (),
        states: tuple[str, ...] = (),
    ) -> None:
        self.kind = kind
        self.name = name
        self.documentation = documentation
        self.label_names = label_names
        self.unit = unit
        self.gauge_mode = gauge_mode
        self.bounds = bounds
        self.states = states

    def _key(self) -> tuple[object, ...]:
        names = (self.kind, self.name, self.documentation, self.label_names, self.unit)
        return (*names, self.gauge_mode, self.bounds, self.states)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descriptor) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def difference(self, other: Descriptor) -> str | None:
        """In what two declarations of one name contradict each other; None where they agree. Help texts may differ."""
        for field, ours, theirs in (
            ("type", KIND_NAMES[self.kind], KIND_NAMES[other.kind]),
            ("label names", self.label_names, other.label_names),
            ("unit", self.unit, other.unit),
            ("gauge mode", self.gauge_mode, other.gauge_mode),
            ("buckets", self.bounds, other.bounds),
            ("states", self.states, other.states),
        ):
            if ours != theirs:
                return f"{field} {theirs!r}, not {ours!r}"
        return None

    def encoded(self) -> _prototypes.Descriptor:
        """The same as a C structure, which keeps alive what it points to."""
        descriptor = _prototypes.Descriptor()
        descriptor.struct_size = ctypes.sizeof(descriptor)
        descriptor.type = self.kind
        descriptor.gauge_mode = self.gauge_mode
        descriptor.name = self.name.encode()
        descriptor.help = self.documentation.encode("utf-8", "surrogatepass")
        descriptor.unit = self.unit.encode() if self.unit else None
        descriptor.label_names = _c_strings(self.label_names)
        descriptor.label_count = len(self.label_names)
        descriptor.bounds = _array(ctypes.c_double, len(self.bounds))(*self.bounds)
        descriptor.bound_count = len(self.bounds)
        descriptor.states = _c_strings(self.states)
        descriptor.state_count = len(self.states)
        return descriptor


_arrays: dict[tuple[Any, int], Any] = {}


def _array(item: Any, length: int) -> Any:
    """An array type; ctypes makes a new one, which only the garbage collector frees, at each `item * length`."""
    array = _arrays.get((item, length))
    return _arrays.setdefault((item, length), item * length) if array is None else array


def _c_strings(texts: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    array: ctypes.Array[ctypes.c_char_p] = _array(ctypes.c_char_p, len(texts))(
        *(text.encode("utf-8", "surrogatepass") for text in texts)
    )
    return array


def strings(texts: Sequence[str]) -> ctypes.Array[_prototypes.String]:
    """fdm_strings of texts. A lone surrogate becomes invalid UTF-8, which the library repairs."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    array: ctypes.Array[_prototypes.String] = _array(_prototypes.String, len(encoded))(
        *[_prototypes.String(data, len(data)) for data in encoded]
    )
    return array


def full_name(
    kind: int, name: str, namespace: str, subsystem: str, unit: str, utf8: bool, advice: str = UTF8_ADVICE
) -> str:
    """The family's name from its parts, as prometheus_client builds it.

    utf8: whether it may be any UTF-8; advice: what to do where it may not. Errors: InvalidNameError; TypeError for what
    is no string.
    """
    if not name:
        raise InvalidNameError("Metric name should not be empty")
    for what, part in (("name", name), ("namespace", namespace), ("subsystem", subsystem), ("unit", unit)):
        if part and not isinstance(part, str):
            raise TypeError(f"The {what} of a metric is {part!r}: a str is expected")
    full = "_".join(part for part in (namespace, subsystem, name) if part)
    for suffixed, suffix in ((c.FDM_COUNTER, "_total"), (c.FDM_INFO, "_info")):
        if kind == suffixed and full.endswith(suffix):
            full = full[: -len(suffix)]
    if unit and kind in (c.FDM_INFO, c.FDM_STATE_SET):
        raise InvalidNameError(f"Metric name is of a type that cannot have a unit: {full}")
    if unit and not _is_unit(unit):
        raise InvalidNameError(f"Invalid unit {unit!r} of metric {full}: letters, digits and underscores are expected")
    if unit and not full.endswith("_" + unit):
        full += "_" + unit
    if not _is_metric_name(full) and (refusal := _refusal(full, utf8, advice)):
        raise InvalidNameError(f"Invalid metric name {full!r}: [a-zA-Z_:][a-zA-Z0-9_:]* is expected{refusal}")
    return full


def checked_label_names(
    kind: int, metric: str, names: Iterable[str], utf8: bool, advice: str = UTF8_ADVICE
) -> tuple[str, ...]:
    """The label names as a tuple. utf8, advice: as of full_name. Errors: InvalidNameError; TypeError."""
    names = _iterable(names, f"Label names of {metric}", "strings")
    checked = tuple(sys.intern(name) if type(name) is str else name for name in names)
    for name in checked:
        if not isinstance(name, str):
            raise InvalidNameError(f"Invalid label name {name!r} of {metric}: a string is expected")
        if not _is_label_name(name) and (refusal := _refusal(name, utf8, advice)):
            raise InvalidNameError(
                f"Invalid label name {name!r} of {metric}: [a-zA-Z_][a-zA-Z0-9_]* is expected{refusal}"
            )
        if name.startswith("__") or name == _RESERVED_LABELS.get(kind):
            raise InvalidNameError(f"Reserved label name {name!r} of metric {metric}: choose another one")
    if kind == c.FDM_STATE_SET and metric in checked:
        raise InvalidNameError(f"Overlapping labels for Enum metric: {metric}")
    if len(set(checked)) != len(checked):
        raise InvalidNameError(f"Label names {checked} of metric {metric}: each is expected once")
    if len(checked) > _MOST_LABELS:
        raise InvalidNameError(f"Metric {metric} has {len(checked)} label names: at most {_MOST_LABELS} are expected")
    return checked


def checked_bounds(metric: str, buckets: Iterable[float | str]) -> tuple[float, ...]:
    """The upper bounds of a histogram's buckets, without +Inf. Errors: InvalidNameError, a ValueError; TypeError."""
    bounds: list[float] = [_bound(metric, bucket) for bucket in _iterable(buckets, f"Buckets of {metric}", "numbers")]
    if bounds and bounds[-1] == math.inf:
        bounds.pop()
    if not bounds:
        raise InvalidNameError(f"Must have at least two buckets: histogram {metric} has no finite bound")
    if not all(low < high for low, high in zip(bounds, [*bounds[1:], math.inf])):
        raise InvalidNameError(f"Buckets not in sorted order: {bounds} of {metric}; each once and finite is expected")
    if len(bounds) > _MOST_BOUNDS:
        raise InvalidNameError(f"Histogram {metric} has {len(bounds)} bounds: at most {_MOST_BOUNDS} are expected")
    return tuple(bounds)


def _bound(metric: str, bucket: Any) -> float:
    refusal = f"Invalid bucket {bucket!r} of histogram {metric}: a number is expected"
    try:
        return float(bucket)
    except ValueError:
        raise InvalidNameError(refusal) from None
    except TypeError:
        raise TypeError(refusal) from None


def _iterable(values: Iterable[T], what: str, expected: str) -> Iterable[T]:
    """The same. Errors: TypeError where it is one value, not several."""
    try:
        iter(values)
    except TypeError:
        raise TypeError(f"{what} are {values!r}: a list of {expected} is expected") from None
    return values


def checked_states(metric: str, states: Iterable[str] | None) -> tuple[str, ...]:
    """The states of an Enum. Errors: InvalidNameError; TypeError."""
    checked = tuple(_iterable(states or (), f"States of Enum metric {metric}", "strings"))
    if not checked:
        raise InvalidNameError(f"No states provided for Enum metric: {metric}")
    if not all(isinstance(state, str) and state for state in checked) or len(set(checked)) != len(checked):
        raise InvalidNameError(f"States {checked} of Enum metric {metric}: different, not empty strings are expected")
    if len(checked) > _MOST_STATES:
        raise InvalidNameError(f"Enum metric {metric} has {len(checked)} states: at most {_MOST_STATES} are expected")
    return checked


def check_info_dict(metric: str, val: object) -> None:
    """Errors: TypeError where an Info's text is no mapping."""
    if not hasattr(val, "values"):
        raise TypeError(f"The text of Info metric {metric} is {val!r}: a dict of strings is expected")


def checked_info(metric: str, label_names: tuple[str, ...], keys: Iterable[str], utf8: bool) -> None:
    """Checks the keys of an Info's text. utf8: whether they may be any UTF-8. Errors: InvalidNameError."""
    for key in keys:
        if not isinstance(key, str) or key.startswith("__") or (not _is_label_name(key) and _refusal(key, utf8)):
            raise InvalidNameError(f"Invalid key {key!r} of Info metric {metric}: a label name is expected")
        if key in label_names:
            raise InvalidNameError(f"Overlapping labels for Info metric, metric: {metric} key: {key}")
