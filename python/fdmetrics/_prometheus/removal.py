# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Removal of series: what stands in place of remove(), remove_by_labels() and clear() of prometheus_client's metrics.

A series goes for all processes. A child that the caller still holds records into nothing from then on; where another
process holds one, its next update starts the series anew, from zero.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from .._descriptor import Descriptor, strings
from .._family import Family
from .._series import rendered_series
from ..errors import REFUSALS, check_status
from .declaration import family_of_metric, recording_values

Values = Tuple[str, ...]


def remove(self: Any, *labelvalues: object) -> None:
    """Removes the series with these label values, for all processes; nothing where there is none.

    Errors: ValueError, where the metric has no label names or another number of them.
    """
    _check_labelled(self)
    if len(labelvalues) != len(self._labelnames):
        raise ValueError(f"Incorrect label count (expected {len(self._labelnames)}, got {labelvalues})")
    wanted = tuple(str(value) for value in labelvalues)
    _remove(self, lambda values: values == wanted, [wanted])


def remove_by_labels(self: Any, labels: Dict[str, str]) -> None:
    """Removes every series that has these values of some of its labels, for all processes. Costs a rendering.

    Errors: ValueError, where the metric has no label names or not these; TypeError, where it is no dict.
    """
    _check_labelled(self)
    if not isinstance(labels, dict):
        raise TypeError("labels must be a dict of {label_name: label_value}")
    unknown = [name for name in labels if name not in self._labelnames]
    if unknown:
        raise ValueError(f"Unknown label names: {unknown}; expected {self._labelnames}")
    if labels:
        wanted = {self._labelnames.index(name): str(value) for name, value in labels.items()}
        _remove(self, lambda values: all(values[at] == value for at, value in wanted.items()), None)


def clear(self: Any) -> None:
    """Removes all series of a metric with label names, for all processes."""
    if self._labelnames and not self._labelvalues:
        _drop(self, lambda _values: True)
        _call(self, "fdm_clear", [()])


def _check_labelled(metric: Any) -> None:
    if not metric._labelnames:
        raise ValueError(f"No label names were set when constructing {metric}")


def _remove(metric: Any, matches: Callable[[Values], bool], series: Optional[List[Values]]) -> None:
    _drop(metric, matches)
    _call(metric, "fdm_remove", series, matches)


def _drop(metric: Any, matches: Callable[[Values], bool]) -> None:
    """Takes the children out of the metric, so that labels() makes new ones."""
    with metric._lock:
        dropped = [metric._metrics.pop(values) for values in list(metric._metrics) if matches(values)]
    for child in dropped:
        for value in recording_values(child):
            value.removed()


def _call(
    metric: Any, function: str, series: Optional[List[Values]], matches: Optional[Callable[[Values], bool]] = None
) -> None:
    """Removes series of the metric's family from the store: those given, or those that are there and match."""
    family = family_of_metric(metric)
    # A family that contradicts the store's was refused, which was logged.
    if family is None or not family.register_quietly():
        return
    library = family.registry._attach().library
    remove_or_clear = getattr(library, function)
    try:
        for values in _matching(family, matches) if series is None else series:
            arguments = (strings(values), len(values)) if values else ()
            check_status(library, remove_or_clear(family.handle, *arguments))
    except REFUSALS as error:
        family.refuse(error)


def _matching(family: Family, matches: Optional[Callable[[Values], bool]]) -> Iterable[Values]:
    descriptor: Descriptor = family.descriptor
    known = set(rendered_series(family.registry, descriptor))
    return [values for values in known if matches is None or matches(values)]
