# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled series: look-up, text of the values, removal."""

from __future__ import annotations

import enum
import threading
from pathlib import Path
from typing import Any

import pytest

from fdmetrics import Counter, Enum, Gauge, Histogram, Info, Registry, Summary

from .support import Samples, run_program


def test_values_by_position_and_by_name_are_one_series(registry: Registry) -> None:
    counter = Counter("hits", "Hits.", ["method", "path"], registry=registry)
    counter.labels("GET", "/").inc()
    counter.labels(path="/", method="GET").inc()
    counter.labels("GET", "/").inc()
    assert counter.labels("GET", "/") is counter.labels(method="GET", path="/")
    assert Samples(registry).named("hits_total") == {frozenset({("method", "GET"), ("path", "/")}): 3}


def test_a_series_is_there_once_it_was_looked_up(registry: Registry) -> None:
    Counter("hits", "Hits.", ["a"], registry=registry).labels("x")
    assert Samples(registry).get("hits_total", a="x") == 0


def test_values_become_text(registry: Registry) -> None:
    counter = Counter("hits", "Hits.", ["a"], registry=registry)
    for value in (1, True, 1.0, None, ["x"], "1"):
        counter.labels(value).inc()
        counter.labels(a=value).inc()
    assert Samples(registry).named("hits_total") == {
        frozenset({("a", text)}): value
        for text, value in [("1", 4), ("True", 2), ("1.0", 2), ("None", 2), ("['x']", 2)]
    }


def test_a_string_of_a_subclass_is_its_characters(registry: Registry) -> None:
    class Method(str, enum.Enum):
        GET = "get"

    counter = Counter("hits", "Hits.", ["a"], registry=registry)
    counter.labels(Method.GET).inc()
    counter.labels("get").inc()
    counter.labels(Method.GET).inc()
    assert Samples(registry).named("hits_total") == {frozenset({("a", "get")}): 3}


@pytest.mark.parametrize("value", ["", "ä€😀", 'quote " backslash \\ newline \n', "a,b}", "x" * 1000])
def test_any_text_is_a_value(registry: Registry, value: str) -> None:
    Counter("hits", "Hits.", ["a"], registry=registry).labels(value).inc()
    assert Samples(registry).get("hits_total", a=value) == 1


def test_a_lone_surrogate_is_repaired(registry: Registry) -> None:
    Counter("hits", "Hits.", ["a"], registry=registry).labels("x\udc80").inc()
    ((labels, value),) = Samples(registry).named("hits_total").items()
    assert value == 1
    assert dict(labels)["a"].startswith("x\N{REPLACEMENT CHARACTER}")


def test_wrong_look_ups_are_refused(registry: Registry) -> None:
    counter = Counter("hits", "Hits.", ["a", "b"], registry=registry)
    with pytest.raises(ValueError, match="Incorrect label count"):
        counter.labels("x")
    with pytest.raises(ValueError, match="Incorrect label count"):
        counter.labels()
    with pytest.raises(ValueError, match="Incorrect label names"):
        counter.labels(a="x", c="y")
    with pytest.raises(ValueError, match="Incorrect label names"):
        counter.labels(a="x")
    with pytest.raises(ValueError, match="both"):
        counter.labels("x", b="y")
    with pytest.raises(ValueError, match="can not chain"):
        counter.labels("x", "y").labels("x", "y")
    with pytest.raises(ValueError, match="No label names were set"):
        Counter("plain", "", registry=registry).labels("x")


def test_an_update_without_values_is_refused(registry: Registry) -> None:
    gauge = Gauge("gauge", "", ["a"], registry=registry)
    counter = Counter("counter", "", ["a"], registry=registry)
    histogram = Histogram("histogram", "", ["a"], registry=registry)
    for _ in range(2):
        for update in (gauge.inc, gauge.dec, gauge.set_to_current_time, gauge.track_inprogress):
            with pytest.raises(ValueError, match="gauge metric is missing label values"):
                update()
        with pytest.raises(ValueError, match="counter metric is missing label values"):
            counter.inc()
        with pytest.raises(ValueError, match="counter metric is missing label values"):
            counter.count_exceptions()
        with pytest.raises(ValueError, match="histogram metric is missing label values"):
            histogram.observe(1)
        with pytest.raises(ValueError, match="summary metric is missing label values"):
            Summary("summary", "", ["a"], registry=registry).observe(1)
        with pytest.raises(ValueError, match="info metric is missing label values"):
            Info("info", "", ["a"], registry=registry).info({"b": "c"})
        with pytest.raises(ValueError, match="stateset metric is missing label values"):
            Enum("enum", "", ["a"], registry=registry, states=["on"]).state("on")
        registry.attach()


@pytest.mark.parametrize("names", [["__a"], ["a-b"], ["1"], [""], ["a", "a"], [1]])
def test_wrong_label_names_are_refused(registry: Registry, names: list[str]) -> None:
    with pytest.raises(ValueError, match="abel name"):
        Counter("hits", "", names, registry=registry)


def test_reserved_label_names_are_refused(registry: Registry) -> None:
    with pytest.raises(ValueError, match="Reserved label name"):
        Histogram("h", "", ["le"], registry=registry)
    with pytest.raises(ValueError, match="Reserved label name"):
        Summary("s", "", ["quantile"], registry=registry)
    with pytest.raises(ValueError, match="Overlapping labels"):
        Enum("e", "", ["e"], registry=registry, states=["on"])
    Counter("c", "", ["le"], registry=registry).labels("x").inc()
    assert Samples(registry).get("c_total", le="x") == 1


def test_a_removed_series_is_gone_and_starts_again_from_zero(registry: Registry) -> None:
    counter = Counter("hits", "", ["a"], registry=registry)
    old = counter.labels("x")
    old.inc(5)
    counter.labels("y").inc()
    counter.remove("x")
    assert Samples(registry).named("hits_total") == {frozenset({("a", "y")}): 1}
    old.inc()
    assert Samples(registry).named("hits_total") == {frozenset({("a", "y")}): 1}
    counter.labels("x").inc()
    assert Samples(registry).get("hits_total", a="x") == 1
    counter.remove("never there")
    with pytest.raises(ValueError, match="Incorrect label count"):
        counter.remove("x", "y")


def test_clear_removes_all_series_of_a_metric(registry: Registry) -> None:
    counter = Counter("hits", "", ["a"], registry=registry)
    plain = Counter("plain", "", registry=registry)
    plain.inc()
    for value in "xyz":
        counter.labels(value).inc()
    counter.clear()
    plain.clear()
    plain.inc()
    counter.labels("x").inc()
    samples = Samples(registry)
    assert samples.named("hits_total") == {frozenset({("a", "x")}): 1}
    assert samples.get("plain_total") == 2


@pytest.mark.parametrize("kind", [Counter, Gauge, Histogram, Summary])
def test_remove_by_labels_matches_some_of_them(registry: Registry, kind: Any) -> None:
    metric = kind("hits", "", ["a", "b"], registry=registry)
    for a in ('x"', "y"):
        for b in ("1\n", "2"):
            child = metric.labels(a, b)
            update: Any = getattr(child, "observe", None) or child.inc
            update(1)
    metric.remove_by_labels({"a": 'x"'})
    metric.remove_by_labels({"b": "2", "a": "y"})
    metric.remove_by_labels({})
    series = {(dict(labels)["a"], dict(labels)["b"]) for _, labels in Samples(registry).values}
    assert series == {("y", "1\n")}
    with pytest.raises(ValueError, match="Unknown label names"):
        metric.remove_by_labels({"c": "1"})
    with pytest.raises(TypeError):
        metric.remove_by_labels(["a"])


def test_a_removal_by_another_process_is_seen(registry: Registry, directory: Path) -> None:
    counter = Counter("hits", "", ["a"], registry=registry)
    counter.labels("x").inc(5)
    counter.labels("y").inc(5)
    kept = counter.labels("y")
    run_program(
        """
        import sys, fdmetrics
        counter = fdmetrics.Counter("hits", "", ["a"], registry=fdmetrics.Registry(sys.argv[1]))
        counter.remove("x")
        """,
        directory,
    )
    counter.labels("x").inc()
    kept.inc()
    counter.labels("y").inc()
    samples = Samples(registry)
    assert (samples.get("hits_total", a="x"), samples.get("hits_total", a="y")) == (1, 7)


def test_the_same_object_is_given_until_a_removal(registry: Registry) -> None:
    counter = Counter("hits", "", ["a"], registry=registry)
    child = counter.labels("x")
    assert counter.labels("x") is child
    counter.remove("other")
    child.inc()
    counter.labels("x").inc()
    assert Samples(registry).get("hits_total", a="x") == 2


def test_threads_that_look_up_at_once_share_the_series(registry: Registry) -> None:
    counter = Counter("hits", "", ["a"], registry=registry)
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for number in range(500):
            counter.labels(str(number % 50)).inc()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values = Samples(registry).named("hits_total")
    assert len(values) == 50
    assert set(values.values()) == {80}
