# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Takes over the metrics that prometheus_client made before install()."""

from __future__ import annotations

import gc
import os
from typing import Any, Iterator, List

from prometheus_client import metrics
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import CollectorRegistry

from .. import _log
from ..metric import Metric
from .declaration import recording_values
from .patches import declare_family, note_held, note_messages, text_series

_WITH_VALUES = (metrics.Counter, metrics.Gauge, metrics.Summary, metrics.Histogram)


def adopt() -> None:
    """Gives every metric there is, registered or not, values in the store.

    Counters and gauges go on with what this process has recorded. What a histogram or a summary has observed stays out
    of the store, which is logged. No other thread may record meanwhile.
    """
    everything = gc.get_objects()
    for metric in list(_metrics(everything)):
        note_messages(metric)
        declare_family(metric)
        if metric._labelnames and not metric._labelvalues:
            continue
        if "_child_samples" in vars(metric):
            # What Gauge.set_function was given is this process's.
            metric._fdmetrics_function_of = os.getpid()
        if isinstance(metric, (metrics.Info, metrics.Enum)):
            _adopt_text(metric)
        elif isinstance(metric, _WITH_VALUES) and not recording_values(metric):
            _adopt_values(metric)
    for registry in everything:
        if issubclass(type(registry), CollectorRegistry):
            for collector in list(getattr(registry, "_collector_to_names", ())):
                note_held(registry, collector)


def _metrics(everything: List[Any]) -> Iterator[Any]:
    for thing in everything:
        # Not isinstance, which may run code of proxies. Those of fdmetrics.prometheus_client are in the store already.
        kind = type(thing)
        ours = issubclass(kind, Metric)
        if issubclass(kind, MetricWrapperBase) and not ours and "_labelnames" in getattr(thing, "__dict__", ()):
            yield thing


def _adopt_values(metric: Any) -> None:
    former = dict(vars(metric))
    created = former.get("_created")
    metric._metric_init()
    if created is not None:
        metric._created = created
    if isinstance(metric, (metrics.Counter, metrics.Gauge)):
        value = former["_value"].get()
        if value:
            metric._value.inc(value) if isinstance(metric, metrics.Counter) else metric._value.set(value)
        return
    if former["_sum"].get() or any(bucket.get() for bucket in former.get("_buckets", [former.get("_count")])):
        _log.warn(
            "fdmetrics: what %s has observed before install() is not in the store: call install() before the "
            "program makes its metrics.",
            metric,
        )


def _adopt_text(metric: Any) -> None:
    if vars(metric).get("_fdmetrics_series") is not None:
        return
    series = text_series(metric)
    shown = metric._value
    if series is not None and shown:
        series.show(shown if isinstance(metric, metrics.Info) else metric._states[shown])
