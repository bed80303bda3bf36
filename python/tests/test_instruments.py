# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Counter, Gauge, Summary and Histogram without labels."""

from __future__ import annotations

import decimal
import math
from fractions import Fraction
from typing import Any, Callable

import pytest

from fdmetrics import Counter, Gauge, GaugeMode, Histogram, InvalidNameError, Registry, Summary

from .support import Samples


def test_a_counter_adds(registry: Registry) -> None:
    counter = Counter("jobs", "Jobs.", registry=registry)
    counter.inc()
    counter.inc(1)
    counter.inc(2)
    counter.inc(0.5)
    counter.inc(amount=4, exemplar={"trace": "1"})
    counter.inc(0)
    counter.inc(True)
    assert Samples(registry).get("jobs_total") == 9.5


def test_a_counter_named_total_is_not_named_so_twice(registry: Registry) -> None:
    Counter("jobs_total", "Jobs.", registry=registry).inc()
    Counter("jobs", "Jobs.", registry=registry).inc()
    assert Samples(registry).get("jobs_total") == 2
    assert Samples(registry).values.keys() == {("jobs_total", frozenset())}


@pytest.mark.parametrize("amount", [-1, -0.001, math.nan, -math.inf])
def test_a_counter_refuses_to_go_down(registry: Registry, amount: float) -> None:
    counter = Counter("jobs", "Jobs.", registry=registry)
    for _ in range(2):  # Before and after it is bound to the store.
        with pytest.raises(ValueError, match="non-negative"):
            counter.inc(amount)
        counter.inc()
    assert Samples(registry).get("jobs_total") == 2


def test_a_gauge_goes_up_and_down(registry: Registry) -> None:
    gauge = Gauge("depth", "Depth.", registry=registry, multiprocess_mode="sum")
    gauge.inc()
    gauge.inc(5)
    gauge.dec()
    gauge.dec(0.5)
    assert Samples(registry).get("depth") == 4.5
    gauge.set(-7)
    assert Samples(registry).get("depth") == -7
    gauge.set(value=math.inf)
    assert Samples(registry).get("depth") == math.inf


def test_a_gauge_takes_the_current_time(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    gauge = Gauge("last_seen", "Time.", registry=registry, multiprocess_mode="max")
    monkeypatch.setattr("time.time", lambda: 1234.5)
    gauge.set_to_current_time()
    assert Samples(registry).get("last_seen") == 1234.5


def test_a_summary_counts_and_sums(registry: Registry) -> None:
    summary = Summary("size", "Size.", unit="bytes", registry=registry)
    summary.observe(2)
    summary.observe(amount=-0.5)
    samples = Samples(registry)
    assert (samples.get("size_bytes_count"), samples.get("size_bytes_sum")) == (2, 1.5)


def test_a_histogram_counts_in_buckets(registry: Registry) -> None:
    histogram = Histogram("wait", "Wait.", registry=registry, buckets=("0.5", 1, 10))
    for value in (0.5, 0.50001, 1, 11):
        histogram.observe(value)
    histogram.observe(0, exemplar={"trace": "1"})
    samples = Samples(registry)
    assert {bound: samples.get("wait_bucket", le=bound) for bound in ("0.5", "1.0", "10.0", "+Inf")} == {
        "0.5": 2,
        "1.0": 4,
        "10.0": 4,
        "+Inf": 5,
    }
    assert samples.get("wait_count") == 5
    assert samples.get("wait_sum") == pytest.approx(13.00001)


def test_a_histogram_has_the_default_buckets(registry: Registry) -> None:
    Histogram("wait", "Wait.", registry=registry).observe(3)
    bounds = [dict(labels)["le"] for labels in Samples(registry).named("wait_bucket")]
    assert [float(bound) for bound in bounds] == list(Histogram.DEFAULT_BUCKETS)


@pytest.mark.parametrize("buckets", [(), (math.inf,), (2, 1), (1, 1), (1, math.nan), (math.inf, 1)])
def test_a_histogram_refuses_wrong_buckets(registry: Registry, buckets: Any) -> None:
    with pytest.raises(ValueError, match=r"[Bb]uckets"):
        Histogram("wait", "Wait.", registry=registry, buckets=buckets)


def updates(registry: Registry) -> list[Callable[[Any], None]]:
    gauge = Gauge("gauge", "", registry=registry)
    return [
        Counter("counter", "", registry=registry).inc,
        gauge.inc,
        gauge.dec,
        gauge.set,
        Gauge("recent", "", registry=registry, multiprocess_mode="mostrecent").set,
        Summary("summary", "", registry=registry).observe,
        Histogram("histogram", "", registry=registry).observe,
    ]


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("value", ["1", b"1", None, [], 1j, object()])
def test_what_is_no_number_is_refused(registry: Registry, value: object, attached: bool) -> None:
    if attached:
        registry.attach()
    for update in updates(registry):
        with pytest.raises(TypeError):
            update(value)


@pytest.mark.parametrize("attached", [False, True])
def test_numbers_of_any_type_are_taken(registry: Registry, attached: bool) -> None:
    if attached:
        registry.attach()
    for update in updates(registry):
        update(decimal.Decimal("0.5"))
        update(Fraction(1, 4))
        update(True)
        with pytest.raises(OverflowError):
            update(10**400)
    samples = Samples(registry)
    assert samples.get("counter_total") == 1.75
    assert samples.get("summary_sum") == samples.get("histogram_sum") == 1.75


@pytest.mark.parametrize("mode", ["mostrecent", "livemostrecent"])
@pytest.mark.parametrize("attached", [False, True])
def test_most_recent_gauges_are_only_set(registry: Registry, mode: GaugeMode, attached: bool) -> None:
    if attached:
        registry.attach()
    gauge = Gauge("recent", "", registry=registry, multiprocess_mode=mode)
    with pytest.raises(RuntimeError, match="inc must not be used"):
        gauge.inc()
    with pytest.raises(RuntimeError, match="dec must not be used"):
        gauge.dec()


def test_an_unknown_mode_is_refused(registry: Registry) -> None:
    with pytest.raises(ValueError, match="Invalid multiprocess mode: median"):
        Gauge("depth", "", registry=registry, multiprocess_mode="median")  # type: ignore[arg-type]


def test_names_are_put_together_as_in_prometheus_client(registry: Registry) -> None:
    assert Counter("c_total", "", namespace="a", subsystem="b", unit="bytes", registry=registry).name == "a_b_c_bytes"
    assert Gauge("wait_seconds", "", unit="seconds", registry=registry).name == "wait_seconds"
    assert Counter("engine:tokens", "", registry=registry).name == "engine:tokens"
    assert str(Counter("c", "", registry=registry)) == "counter:c"


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "ä", "a\n", "a.b"])
def test_wrong_names_are_refused_where_they_are_written(registry: Registry, name: str) -> None:
    with pytest.raises(InvalidNameError) as caught:
        Counter(name, "", registry=registry)
    assert isinstance(caught.value, ValueError)
    assert not registry.attached


def test_a_bound_callable_may_be_kept(registry: Registry) -> None:
    counter = Counter("jobs", "Jobs.", registry=registry)
    early = counter.inc
    early()
    late = counter.inc
    late()
    early()
    assert Samples(registry).get("jobs_total") == 3


def test_a_subclass_may_wrap_an_update(registry: Registry) -> None:
    class Twice(Counter):
        def inc(self, amount: float = 1, exemplar: Any = None) -> None:
            super().inc(2 * amount)

    plain = Twice("jobs", "Jobs.", registry=registry)
    plain.inc()
    plain.inc(3)
    labelled = Twice("tasks", "Tasks.", ["queue"], registry=registry)
    labelled.labels("a").inc()
    samples = Samples(registry)
    assert samples.get("jobs_total") == 8
    assert samples.get("tasks_total", queue="a") == 2


def test_any_registry_argument_is_taken() -> None:
    from fdmetrics import REGISTRY

    for argument in (None, object(), 0):
        counter = Counter("registry_argument", "", registry=argument)
        assert counter._family.registry is REGISTRY
