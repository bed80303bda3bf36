# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Gauges whose values belong to logical workers: see Family.series and Store.end_worker."""

from __future__ import annotations

import os

import pytest

import fdmetrics
from fdmetrics._bindings import gauge_calls

from .support import Samples


def of_worker(gauge: fdmetrics.Gauge, worker: int) -> fdmetrics.Gauge:
    """A gauge that records for a logical worker."""
    copy = type(gauge).__new__(type(gauge))
    copy._take(gauge._family, gauge._values)
    handle = gauge._family.series(gauge._values, worker=worker)
    calls = gauge_calls(gauge._family.registry._attach().library, handle, False)
    for name in ("inc", "dec", "set"):
        setattr(copy, name, getattr(calls, name))
    return copy


def test_a_value_is_the_workers_and_not_the_processs(registry: fdmetrics.Registry) -> None:
    gauge = fdmetrics.Gauge("level", "", multiprocess_mode="liveall", registry=registry)
    child = os.fork()
    if child == 0:
        of_worker(gauge, 7).set(3)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    # The process that set it is dead, the worker is not: the next process of that number goes on.
    assert Samples(registry).named("level") == {frozenset(): 3}
    of_worker(gauge, 7).inc(2)
    assert Samples(registry).named("level") == {frozenset(): 5}
    of_worker(gauge, 8).set(1)
    assert Samples(registry).named("level") == {frozenset({("worker", "7")}): 5, frozenset({("worker", "8")}): 1}
    registry.attach().end_worker(8)
    registry.attach().end_worker(7)
    assert Samples(registry).named("level") == {}


def test_labels_and_workers(registry: fdmetrics.Registry) -> None:
    gauge = fdmetrics.Gauge("level", "", ["queue"], multiprocess_mode="livesum", registry=registry)
    for worker in range(3):
        of_worker(gauge.labels("fast"), worker).set(worker + 1)
    assert Samples(registry).get("level", queue="fast") == 6


def test_a_number_out_of_range_is_refused(registry: fdmetrics.Registry) -> None:
    gauge = fdmetrics.Gauge("level", "", registry=registry)
    with pytest.raises(fdmetrics.InvalidArgumentError, match="16777216: give a number below 16777216"):
        gauge._family.series((), worker=1 << 24)
    with pytest.raises(fdmetrics.InvalidArgumentError, match="give a number below 16777216"):
        registry.attach().end_worker(1 << 24)
