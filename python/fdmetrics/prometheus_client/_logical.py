# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Counters and gauges of processes that the program tells apart itself: values.ValueClass = MultiProcessValue(f).

As in prometheus_client, what ValueClass is when a metric is made counts for it. It then records through a value of
fdmetrics.install(), which asks f at each update; see fdmetrics._prometheus.worker_value.
"""

from __future__ import annotations

from typing import Any, Optional

from .. import _bindings
from .._prometheus.worker_value import Identify, WorkerCounterValue, WorkerGaugeValue
from . import values


def _identifier() -> Optional[Identify]:
    identify: Optional[Identify] = getattr(values.ValueClass, "identify", None)
    return identify


def counter_value() -> Optional[WorkerCounterValue]:
    """A counter's value; None where the kernel tells the processes apart."""
    identify = _identifier()
    return None if identify is None else WorkerCounterValue(identify)


def gauge_value(most_recent: bool) -> Optional[WorkerGaugeValue]:
    """A gauge's value; None where the kernel tells the processes apart."""
    identify = _identifier()
    return None if identify is None else WorkerGaugeValue(most_recent, identify)


def counter_inc(value: WorkerCounterValue) -> _bindings.Increment:
    """Counter.inc() for a value."""

    def inc(amount: float = 1, exemplar: Any = None) -> None:
        if not amount >= 0:
            raise ValueError("Counters can only be incremented by non-negative amounts.")
        value.inc(amount)

    return inc


def gauge_calls(of_worker: WorkerGaugeValue, most_recent: bool) -> _bindings.GaugeCalls:
    """Gauge.inc(), dec() and set() for a value."""

    def inc(amount: float = 1) -> None:
        if most_recent:
            raise RuntimeError("inc must not be used with the mostrecent mode")
        of_worker.inc(amount)

    def dec(amount: float = 1) -> None:
        if most_recent:
            raise RuntimeError("dec must not be used with the mostrecent mode")
        of_worker.inc(-amount)

    return _bindings.GaugeCalls(inc, dec, lambda value: of_worker.set(float(value)))
