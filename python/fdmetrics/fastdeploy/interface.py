# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Updates by the name of an attribute, for code that does not know which metrics there are."""

from __future__ import annotations

from typing import Mapping, Optional, Type, TypeVar

from ..instruments import Counter, Gauge, Histogram
from ..metric import Metric

LabelValues = Optional[Mapping[str, object]]
_Kind = TypeVar("_Kind", bound=Metric)


class MetricsManagerInterface:
    """What has metrics as attributes.

    A name that is none, and one of a metric of another type, is passed over in silence: a process may not have the
    metrics of a feature that it does not use. Methods may be called from any thread and in fork children.
    """

    def set_value(self, name: str, value: float, labelvalues: LabelValues = None) -> None:
        """Sets a gauge; nothing where the name is not that of a gauge.

        labelvalues are by label name; None: each label is "". A metric without labels takes no notice of them.
        """
        gauge = self._found(name, Gauge, labelvalues)
        if gauge is not None:
            gauge.set(value)

    def inc_value(self, name: str, value: float = 1, labelvalues: LabelValues = None) -> None:
        """Adds to a counter or a gauge; nothing where the name is not that of one. See set_value."""
        metric = self._found(name, Counter, labelvalues) or self._found(name, Gauge, labelvalues)
        if metric is not None:
            metric.inc(value)

    def dec_value(self, name: str, value: float = 1, labelvalues: LabelValues = None) -> None:
        """Subtracts from a gauge; nothing where the name is not that of a gauge. See set_value."""
        gauge = self._found(name, Gauge, labelvalues)
        if gauge is not None:
            gauge.dec(value)

    def obs_value(self, name: str, value: float, labelvalues: LabelValues = None) -> None:
        """Observes with a histogram; nothing where the name is not that of a histogram. See set_value."""
        histogram = self._found(name, Histogram, labelvalues)
        if histogram is not None:
            histogram.observe(value)

    def _found(self, name: str, kind: Type[_Kind], labelvalues: LabelValues) -> Optional[_Kind]:
        metric = self._found_attribute(name)
        if not isinstance(metric, kind):
            return None
        names = metric._family.descriptor.label_names
        if not names:
            return metric
        if labelvalues is None:
            return metric.labels(*("" for _ in names))
        return metric.labels(**labelvalues)

    def _found_attribute(self, name: str) -> object:
        """What there is under a name, and None where that is nothing: not what stands for a metric that is missing."""
        try:
            found: object = object.__getattribute__(self, name)
        except AttributeError:
            return None
        return found
