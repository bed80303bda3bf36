# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The value class in prometheus_client's place: what metrics of prometheus_client put into the store through it."""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, values

import fdmetrics
from fdmetrics._prometheus.families import collect_families
from fdmetrics._prometheus.value_class import MultiProcessValue
from fdmetrics._prometheus.worker_value import worker_number

from .support import Samples

Identifier = Callable[[], Any]


@pytest.fixture
def use(registry: fdmetrics.Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Identifier], None]]:
    """Makes new metrics record into the test's store; the processes are told apart by what is given."""

    def use(process_identifier: Identifier) -> None:
        monkeypatch.setattr(values, "ValueClass", MultiProcessValue(process_identifier, registry=registry))

    use(os.getpid)
    yield use


@pytest.fixture
def own(use: object) -> CollectorRegistry:
    """A registry of prometheus_client for metrics whose values are in the test's store."""
    return CollectorRegistry()


def in_child(work: Callable[[], None]) -> None:
    """Does something in a fork child, and fails where that fails."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_every_series_shows_zero_from_its_declaration_on(own: CollectorRegistry, registry: fdmetrics.Registry) -> None:
    Counter("c", "C.", registry=own)
    Gauge("g", "G.", registry=own)
    Gauge("m", "M.", registry=own, multiprocess_mode="mostrecent")
    Histogram("h", "H.", ["a"], registry=own, buckets=[1, 2]).labels("x")
    Summary("s", "S.", registry=own)
    # But for gauges of which each process has a sample: prometheus_client's registries show those, until one is set.
    assert registry.render().decode() == (
        "# HELP c_total C.\n# TYPE c_total counter\nc_total 0.0\n"
        "# HELP g G.\n# TYPE g gauge\n"
        "# HELP h H.\n# TYPE h histogram\n"
        'h_bucket{a="x",le="1.0"} 0.0\nh_bucket{a="x",le="2.0"} 0.0\nh_bucket{a="x",le="+Inf"} 0.0\n'
        'h_count{a="x"} 0.0\nh_sum{a="x"} 0.0\n'
        "# HELP m M.\n# TYPE m gauge\n"
        "# HELP s S.\n# TYPE s summary\ns_count 0.0\ns_sum 0.0\n"
    )


def test_construction_attaches_nothing(own: CollectorRegistry, registry: fdmetrics.Registry) -> None:
    Counter("c", "", ["a"], registry=own).labels("x")
    Histogram("h", "", registry=own)
    assert not registry.attached


def test_numbers_are_those_of_prometheus_client(own: CollectorRegistry, registry: fdmetrics.Registry) -> None:
    counter = Counter("c", "", registry=own)
    histogram = Histogram("h", "", registry=own, buckets=[0.1, 1, 1, 10])
    summary = Summary("s", "", registry=own)
    for amount in (0, 0.1, 0.5, 1, 3, 11):
        counter.inc(amount)
        histogram.observe(amount)
        summary.observe(amount)
    samples = Samples(registry)
    assert samples.get("c_total") == samples.get("h_sum") == samples.get("s_sum") == 15.6
    assert samples.get("h_count") == samples.get("s_count") == 6
    assert [samples.get("h_bucket", le=le) for le in ("0.1", "1.0", "10.0", "+Inf")] == [2, 4, 5, 6]
    # What the metric itself says is the same, of this process.
    assert (counter._value.get(), histogram._sum.get(), summary._count.get(), summary._sum.get()) == (
        15.6,
        15.6,
        6,
        15.6,
    )
    assert [bucket.get() for bucket in histogram._buckets] == [2, 2, 0, 1, 1]


def test_a_part_is_of_this_process_and_the_total_of_all(own: CollectorRegistry, registry: fdmetrics.Registry) -> None:
    counter = Counter("c", "", ["a"], registry=own).labels("x")
    gauge = Gauge("g", "", registry=own, multiprocess_mode="sum")
    histogram = Histogram("h", "", registry=own, buckets=[1])
    counter.inc(2)
    gauge.set(3)
    histogram.observe(0.5)

    def child() -> None:
        assert (counter._value.get(), gauge._value.get(), histogram._sum.get()) == (0, 0, 0)
        assert [bucket.get() for bucket in histogram._buckets] == [0, 0]
        counter.inc()
        gauge.inc()
        histogram.observe(5)
        assert (counter._value.get(), gauge._value.get(), histogram._sum.get()) == (1, 1, 5)
        assert [bucket.get() for bucket in histogram._buckets] == [0, 1]

    in_child(child)
    assert (counter._value.get(), gauge._value.get(), histogram._sum.get()) == (2, 3, 0.5)
    samples = Samples(registry)
    assert (samples.get("c_total", a="x"), samples.get("g"), samples.get("h_sum"), samples.get("h_count")) == (
        3,
        4,
        5.5,
        2,
    )


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("min", 2), ("max", 5), ("sum", 10), ("mostrecent", 3), ("livemin", 5), ("livemax", 5), ("livesum", 5)],
)
def test_modes_of_gauges(own: CollectorRegistry, registry: fdmetrics.Registry, mode: Any, expected: float) -> None:
    gauge = Gauge("g", "", registry=own, multiprocess_mode=mode)
    gauge.set(5)
    in_child(lambda: gauge.set(2))
    in_child(lambda: gauge.set(3))
    assert Samples(registry).get("g") == expected


def test_each_process_has_a_sample(own: CollectorRegistry, registry: fdmetrics.Registry) -> None:
    every = Gauge("every", "", registry=own)
    live = Gauge("live", "", registry=own, multiprocess_mode="liveall")
    for gauge in (every, live):
        gauge.set(1)

    def child() -> None:
        for gauge in (every, live):
            gauge.set(2)

    in_child(child)
    samples = Samples(registry)
    assert samples.all_values("every") == [1, 2]
    assert samples.all_values("live") == [1]
    assert {dict(labels)["worker"] for labels in samples.named("every")} == {"0", "1"}
    asked = Samples(registry.render(pid_label=True))
    assert asked.get("live", pid=str(os.getpid())) == 1


def test_the_program_has_its_own_clock(
    own: CollectorRegistry, registry: fdmetrics.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    gauge = Gauge("g", "", ["a"], registry=own, multiprocess_mode="mostrecent").labels("x")
    monkeypatch.setattr(time, "time", lambda: 100.0)
    gauge.set(1)
    monkeypatch.setattr(time, "time", lambda: 50.0)
    in_child(lambda: gauge.set(2))
    assert Samples(registry).get("g", a="x") == 1
    monkeypatch.setattr(time, "time", lambda: 100.0000001)
    in_child(lambda: gauge.set(3))
    assert Samples(registry).get("g", a="x") == 3


def test_the_part_of_a_counter_may_be_set(own: CollectorRegistry, registry: fdmetrics.Registry) -> None:
    counter = Counter("c", "", registry=own)
    counter.inc(5)
    counter._value.set(7)
    assert (counter._value.get(), Samples(registry).get("c_total")) == (7, 7)
    # A reset: what it has after it, it has grown by since.
    counter._value.set(1)
    assert (counter._value.get(), Samples(registry).get("c_total")) == (1, 8)


def test_a_series_that_another_process_removes_starts_anew(
    own: CollectorRegistry, registry: fdmetrics.Registry
) -> None:
    counter = Counter("c", "", ["a"], registry=own)
    gauge = Gauge("g", "", ["a"], registry=own, multiprocess_mode="sum").labels("x")
    removed, kept = counter.labels("x"), counter.labels("y")
    for child in (removed, kept):
        child.inc(3)
    gauge.set(5)

    def remove() -> None:
        native = fdmetrics.Counter("c", "", ["a"], registry=registry)
        native.remove("x")
        fdmetrics.Gauge("g", "", ["a"], registry=registry, multiprocess_mode="sum").remove("x")

    in_child(remove)
    assert Samples(registry).named("c_total") == {frozenset({("a", "y")}): 3}
    removed.inc(2)
    kept.inc()
    gauge.inc()
    samples = Samples(registry)
    # A gauge belongs to this process, which still has what it had.
    assert (samples.get("c_total", a="x"), samples.get("c_total", a="y"), samples.get("g", a="x")) == (2, 4, 6)


def test_what_the_store_refuses_is_still_recorded_for_the_process(
    own: CollectorRegistry, registry: fdmetrics.Registry
) -> None:
    fdmetrics.Counter("taken", "", registry=registry).inc()
    gauge = Gauge("taken", "", registry=own)
    histogram = Histogram("taken_too", "", registry=own)
    fdmetrics.Registry.attach(registry)
    gauge.set(2)
    gauge.inc()
    histogram.observe(1)
    assert gauge._value.get() == 3
    samples = Samples(registry)
    assert (samples.get("taken_total"), samples.get("taken"), samples.get("taken_too_count")) == (1, None, 1)
    assert registry.failures["ConflictError"] >= 1


def test_logical_ids(use: Callable[[Identifier], None], registry: fdmetrics.Registry) -> None:
    number: Any = 1
    use(lambda: number)
    own = CollectorRegistry()
    every = Gauge("every", "", registry=own)
    live = Gauge("live", "", registry=own, multiprocess_mode="livesum")
    counter = Counter("c", "", registry=own)
    every.set(10)
    live.set(1)
    counter.inc()
    number = 2
    assert (every._value.get(), counter._value.get()) == (0, 0)
    every.inc(5)
    live.set(2)
    counter.inc()
    assert (every._value.get(), counter._value.get()) == (5, 1)
    number = 1
    assert (every._value.get(), counter._value.get()) == (10, 1)

    # Another process with the id goes on, and what it had stays when it is gone.
    def child() -> None:
        every.inc()
        assert every._value.get() == 11

    in_child(child)
    samples = Samples(registry)
    assert samples.named("every") == {frozenset({("worker", "1")}): 11, frozenset({("worker", "2")}): 5}
    assert (samples.get("live"), samples.get("c_total")) == (3, 2)
    registry.attach().end_worker(1)
    assert Samples(registry).get("live") == 2


@pytest.mark.parametrize(
    ("identifier", "number"), [(0, 0), (7, 7), ("7", 7), (8_388_607, 8_388_607), (os.getpid(), None)]
)
def test_numbers_of_workers(identifier: object, number: object) -> None:
    assert worker_number(identifier) == number


def test_other_texts_become_high_numbers() -> None:
    numbers = [worker_number(text) for text in ("web-1", "web-2", "-1", "٣", "8388608", "")]
    assert len(set(numbers)) == len(numbers)
    assert all(number is not None and 8_388_608 <= number <= 16_777_215 for number in numbers)


def test_a_text_identifier_tells_workers_apart(use: Callable[[Identifier], None], registry: fdmetrics.Registry) -> None:
    name = "web-1"
    use(lambda: name)
    gauge = Gauge("g", "", registry=CollectorRegistry())
    gauge.set(1)
    name = "web-2"
    gauge.set(2)
    assert Samples(registry).named("g") == {
        frozenset({("worker", str(worker_number("web-1")))}): 1,
        frozenset({("worker", str(worker_number("web-2")))}): 2,
    }


def test_families_are_those_that_prometheus_clients_parser_reads(
    own: CollectorRegistry, registry: fdmetrics.Registry
) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    Counter("c", 'A "quoted" \\ text\nof two lines, ü.', ["a"], registry=own).labels('"\n\\, é}{').inc(2.5)
    Gauge("g", "", registry=own).set(float("-inf"))
    Histogram("h_seconds", "", ["a"], registry=own).labels("").observe(3e10)
    Summary("s", "", registry=own).observe(1e-9)
    fdmetrics.Info("build", "B.", ["b"], registry=registry).labels("1").info({"v": "x"})
    fdmetrics.Enum("state", "S.", registry=registry, states=["on", "off"])
    fdmetrics.Counter("read", "", unit="bytes", registry=registry)
    families = {family.name: family for family in collect_families(registry)}
    read = {family.name: family for family in text_string_to_metric_families(registry.render().decode())}
    read["build"] = read.pop("build_info")
    assert families.keys() == read.keys()
    for name, family in families.items():
        assert (family.documentation, family.samples) == (read[name].documentation, read[name].samples)
    types = {name: family.type for name, family in families.items()}
    assert (types["build"], types["state"], types["h_seconds"]) == ("info", "stateset", "histogram")
    assert families["read_bytes"].unit == "bytes"


def test_samples_are_not_shared_between_collections(own: CollectorRegistry, registry: fdmetrics.Registry) -> None:
    Counter("c", "", ["a"], registry=own).labels("x")
    collect_families(registry)[0].samples[0].labels["b"] = "y"
    assert collect_families(registry)[0].samples[0].labels == {"a": "x"}


def test_only_families_with_the_names_are_given(own: CollectorRegistry, registry: fdmetrics.Registry) -> None:
    Counter("c", "", registry=own).inc()
    Histogram("h", "", registry=own)
    given = collect_families(registry, names=["h_sum", "c"])
    assert [(family.name, [sample.name for sample in family.samples]) for family in given] == [("h", ["h_sum"])]
