# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the drop-in's metrics are beside what test_dropin_like_prometheus_client compares."""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import Any, List, Optional

import prometheus_client
import pytest

import fdmetrics
import fdmetrics.prometheus_client as dropin
from fdmetrics.prometheus_client import Counter, Enum, Gauge, Histogram, Info, Summary, metrics
from fdmetrics.prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from .dropin_support import Shown, shown
from .support import Samples

__all__ = ["shown"]


def test_updates_are_those_of_fdmetrics(shown: Shown, registry: fdmetrics.Registry) -> None:
    def calls(module: Any, name: str, where: object) -> List[object]:
        counter = module.Counter(f"{name}_hits", "", registry=where)
        gauge = module.Gauge(f"{name}_depth", "", registry=where)
        histogram = module.Histogram(f"{name}_seconds", "", registry=where)
        labelled = module.Counter(f"{name}_answers", "", ["code"], registry=where)
        counter.inc()
        gauge.set(1)
        histogram.observe(1)
        labelled.labels("200").inc()
        assert labelled.labels("200") is labelled.labels(code=200)
        made = [counter.inc, gauge.inc, gauge.dec, gauge.set, histogram.observe, labelled.labels]
        return [getattr(call, "__qualname__", type(call)) for call in made]

    # What is called is what fdmetrics made, with no Python frame in between.
    assert calls(dropin, "dropin", shown.registry) == calls(fdmetrics, "native", registry)


def test_a_subclass_keeps_its_methods_and_arguments(shown: Shown) -> None:
    class Doubled(Counter):
        def __init__(self, name: str, documentation: str, *arguments: Any, factor: float = 2, **named: Any) -> None:
            self.factor = factor
            super().__init__(name, documentation, *arguments, **named)

        def inc(self, amount: float = 1, exemplar: Any = None) -> None:
            super().inc(amount * self.factor)

    counter = Doubled("doubled", "", ["a"], registry=shown.registry)
    counter.labels("x").inc(2)
    assert isinstance(counter.labels("x"), Doubled)
    assert counter.labels("x") is counter.labels("x")
    assert isinstance(counter, (prometheus_client.Counter, metrics.MetricWrapperBase))
    with pytest.raises(KeyError), counter.labels("y").count_exceptions():
        raise KeyError
    assert shown.value("doubled_total", a="x") == 4
    assert shown.value("doubled_total", a="y") == 2


def test_a_subclass_that_shows_something_else_is_asked(shown: Shown) -> None:
    class Fixed(Gauge):
        def collect(self) -> Any:
            family = prometheus_client.metrics_core.GaugeMetricFamily("fixed", "Fixed.", value=5)
            return [family]

    Fixed("fixed", "Fixed.", registry=shown.registry).set(1)
    assert shown.text == "# HELP fixed Fixed.\n# TYPE fixed gauge\nfixed 5.0\n"


def test_private_values_can_be_read(shown: Shown) -> None:
    counter = Counter("hits", "", ["a"], registry=shown.registry)
    counter.labels("x").inc(3)
    assert counter.labels("x")._value.get() == 3
    assert list(counter._metrics) == [("x",)]
    gauge = Gauge("depth", "", registry=shown.registry)
    assert gauge._value.get() == 0
    gauge._value.set(4)
    gauge._value.inc(1)
    assert gauge._value.get() == 5
    histogram = Histogram("seconds", "", buckets=(1, 2), registry=shown.registry)
    for value in (0.5, 1.5, 1.7, 9):
        histogram.observe(value)
    assert histogram._upper_bounds == [1, 2, float("inf")]
    assert [bucket.get() for bucket in histogram._buckets] == [1, 2, 1]
    assert histogram._sum.get() == pytest.approx(12.7)
    summary = Summary("size", "", registry=shown.registry)
    summary.observe(2)
    assert (summary._count.get(), summary._sum.get()) == (1, 2)
    with pytest.raises(TypeError, match="observe"):
        summary._sum.inc(1)
    assert Enum("phase", "", states=["a", "b"], registry=shown.registry)._states == ("a", "b")


def test_reset_starts_from_zero(shown: Shown) -> None:
    counter = Counter("hits", "", registry=shown.registry)
    counter.inc(5)
    counter.reset()
    assert shown.value("hits_total") == 0
    counter.inc()
    assert shown.value("hits_total") == 1
    counter._value.set(7)
    assert shown.value("hits_total") == 7


def test_a_child_collects_itself_without_its_labels(shown: Shown) -> None:
    histogram = Histogram("seconds", "Seconds.", ["a"], buckets=(1,), registry=shown.registry)
    histogram.labels("x").observe(3)
    histogram.labels("y").observe(4)
    (family,) = histogram.labels("x").collect()
    assert [(sample.name, sample.labels, sample.value) for sample in family.samples] == [
        ("seconds_bucket", {"le": "1.0"}, 0),
        ("seconds_bucket", {"le": "+Inf"}, 1),
        ("seconds_count", {}, 1),
        ("seconds_sum", {}, 3),
    ]
    assert [len(family.samples) for family in histogram.collect()] == [8]
    (described,) = histogram.describe()
    assert (described.name, described.type, described.samples) == ("seconds", "histogram", [])


def test_set_function_is_called_at_each_collection(shown: Shown) -> None:
    values: List[float] = [1, 2, 3]
    gauge = Gauge("called", "", ["a"], registry=shown.registry, multiprocess_mode="livesum")
    gauge.labels("x").set_function(lambda: values.pop(0))
    gauge.labels("x").set(99)
    gauge.labels("x").inc()
    assert shown.value("called", a="x") == 1
    assert shown.collected()["called"].samples[0].value == 2
    # Whatever is removed elsewhere, the function stays.
    other = Counter("other", "", ["b"], registry=shown.registry)
    other.labels("c").inc()
    other.remove("c")
    gauge.labels("x").set(99)
    assert shown.value("called", a="x") == 3
    gauge.remove("x")
    assert shown.value("called", a="x") is None
    gauge.labels("x").set(7)
    assert shown.value("called", a="x") == 7


def test_what_a_function_raises_is_raised_by_the_collection(shown: Shown) -> None:
    def broken() -> float:
        raise LookupError("no such queue")

    gauge = Gauge("broken", "", registry=shown.registry)
    gauge.set_function(broken)
    with pytest.raises(LookupError, match="no such queue"):
        shown.collected()
    shown.registry.unregister(gauge)
    assert shown.collected() == {}


def test_coroutines_are_timed_to_their_end(shown: Shown) -> None:
    histogram = Histogram("seconds", "", registry=shown.registry)
    gauge = Gauge("active", "", registry=shown.registry, multiprocess_mode="livesum")
    counter = Counter("failures", "", registry=shown.registry)
    started: List[asyncio.Event] = []
    seen: List[Optional[float]] = []

    @histogram.time()
    @gauge.track_inprogress()
    @counter.count_exceptions(KeyError)
    async def answer(value: int) -> int:
        await started[0].wait()
        seen.append(shown.value("active"))
        seen.append(shown.value("seconds_count"))
        if value:
            raise KeyError
        return value

    async def run() -> None:
        started.append(asyncio.Event())
        tasks = [asyncio.ensure_future(answer(0)), asyncio.ensure_future(answer(1))]
        await asyncio.sleep(0)
        started[0].set()
        assert [type(result) for result in await asyncio.gather(*tasks, return_exceptions=True)] == [int, KeyError]

    asyncio.run(run())
    assert seen == [2, 0, 1, 1]
    assert (shown.value("seconds_count"), shown.value("active"), shown.value("failures_total")) == (2, 0, 1)


def test_decorated_functions_keep_their_signature(shown: Shown) -> None:
    @Summary("seconds", "", registry=shown.registry).time()
    def add(a: int, b: int = 2) -> int:
        return a + b

    assert add(1) == 3
    assert inspect.getfullargspec(add).args == ["a", "b"]


def test_an_info_without_a_text_shows_until_anybody_says_one(shown: Shown, registry: fdmetrics.Registry) -> None:
    Info("build", "Build.", registry=shown.registry)
    assert shown.text == "# HELP build_info Build.\n# TYPE build_info gauge\nbuild_info 1.0\n"
    assert "# TYPE build info\nbuild_info 1.0\n" in generate_openmetrics(shown.registry).decode()
    assert shown.registry.get_sample_value("build_info") == 1
    fdmetrics.Info("build", "", registry=registry).info({"version": "1"})
    assert Samples(shown.text).named("build_info") == {frozenset({("version", "1")}): 1}


@pytest.mark.parametrize("unit", ["", "bytes"])
def test_a_gauge_shows_zero_until_anybody_sets_it(shown: Shown, registry: fdmetrics.Registry, unit: str) -> None:
    name = "depth_bytes" if unit else "depth"
    gauge = Gauge("depth", "", unit=unit, registry=shown.registry)
    labelled = Gauge("labelled", "", ["a"], registry=shown.registry)
    assert "labelled{" not in shown.text
    labelled.labels("x")
    assert shown.value(name) == shown.value("labelled", a="x") == 0
    assert shown.registry.get_sample_value(name) == 0
    assert f"\n{name} 0.0\n" in generate_openmetrics(shown.registry).decode()
    child = os.fork()
    if child == 0:
        gauge.set(5)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert Samples(shown.text).named(name) == {frozenset(): 5}


@pytest.mark.parametrize("kind", ["Counter", "Gauge", "Histogram", "Summary", "Info"])
def test_a_metric_is_written_as_there(kind: str, shown: Shown) -> None:
    ours = getattr(dropin, kind)("m", "", registry=shown.registry)
    theirs = getattr(prometheus_client, kind)("m", "", registry=None)
    assert (repr(ours), str(ours)) == (repr(theirs), str(theirs))

    class Own(Counter):
        pass

    assert repr(Own("own", "", registry=shown.registry)) == f"{__name__}.Own(own)"


def test_bounds_that_count_nothing_are_taken(shown: Shown) -> None:
    for number, bounds in enumerate(
        ((1, float("nan")), (1, 1, 2), (1, float("inf"), float("inf")), (float("-inf"), 1))
    ):
        model = prometheus_client.Histogram("m", "", registry=None, buckets=bounds)
        histogram = Histogram(f"m{number}", "", registry=shown.registry, buckets=bounds)
        for value in (0.5, 1, 3, float("nan")):
            histogram.observe(value)
            model.observe(value)
        ours = {one.labels["le"]: one.value for one in histogram.collect()[0].samples if "le" in one.labels}
        theirs = {one.labels["le"]: one.value for one in model.collect()[0].samples if "le" in one.labels}
        assert ours == {bound: theirs[bound] for bound in ours} | {"+Inf": 4}
        assert {"1.0", "+Inf"} <= ours.keys()
    for bounds in ((2, 1), (), (float("inf"),), (float("nan"), float("inf"))):
        with pytest.raises(ValueError, match="refused"):
            Histogram("refused", "", registry=shown.registry, buckets=bounds)
