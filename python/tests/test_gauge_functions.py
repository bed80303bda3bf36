# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Gauge.set_function: each process calls its own at each of its renderings, and the others show what it said last."""

from __future__ import annotations

import gc
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, List

import pytest

import fdmetrics
from fdmetrics import Gauge, Registry
from fdmetrics.prometheus_client import CollectorRegistry
from fdmetrics.prometheus_client import Gauge as DropInGauge
from fdmetrics.prometheus_client import generate_latest as dropin_latest

from .frameworks_support import Client
from .support import Samples, run_program

# Two processes of one store that take turns: each line that the other one gets is evaluated there.
SERVICE = """
import os, sys
import fdmetrics
from fdmetrics import Gauge, generate_latest

def value(name):
    for line in generate_latest().decode().splitlines():
        if line.startswith(name + " ") or line.startswith(name + "{"):
            return float(line.split()[-1])
    return None

def in_child(function):
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
"""


def test_a_function_is_called_at_each_rendering(registry: Registry) -> None:
    values: List[float] = [1, 2, 3.5]
    gauge = Gauge("depth", "Depth.", registry=registry, multiprocess_mode="livesum")
    gauge.set_function(lambda: values.pop(0))
    for expected in (1, 2, 3.5):
        assert Samples(registry).get("depth") == expected


def test_only_gauges_that_are_rendered_are_called(registry: Registry) -> None:
    called: List[str] = []
    for name in ("a", "b"):
        Gauge(name, "", registry=registry, multiprocess_mode="livesum").set_function(
            lambda name=name: called.append(name) or 1  # type: ignore[misc, func-returns-value]
        )
    registry.render(names=["b"])
    assert called == ["b"]
    registry.render()
    assert sorted(called) == ["a", "b", "b"]


@pytest.mark.usefixtures("utf8_names")
def test_a_gauge_that_is_asked_for_by_an_escaped_name(registry: Registry) -> None:
    Gauge("tiefe.größe", "", registry=registry, multiprocess_mode="livesum").set_function(lambda: 7)
    assert b" 7.0\n" in registry.render(escaping="underscores", names=["tiefe_gr__e"])


def test_each_series_has_its_own(registry: Registry) -> None:
    gauge = Gauge("depth", "Depth.", ["queue"], registry=registry, multiprocess_mode="livesum")
    gauge.labels("a").set_function(lambda: 1)
    gauge.labels("b").set_function(lambda: 2)
    gauge.labels("c").set(3)
    samples = Samples(registry)
    assert [samples.get("depth", queue=queue) for queue in "abc"] == [1, 2, 3]
    with pytest.raises(ValueError, match="missing label values"):
        gauge.set_function(lambda: 1)


def test_other_updates_do_nothing_until_the_series_is_removed(registry: Registry) -> None:
    gauge = Gauge("depth", "Depth.", ["queue"], registry=registry, multiprocess_mode="livesum")
    child = gauge.labels("a")
    child.set(5)
    child.set_function(lambda: 1)
    again = Gauge("depth", "Depth.", ["queue"], registry=registry, multiprocess_mode="livesum")
    for one in (child, gauge.labels("a"), again.labels("a")):
        one.set(99)
        one.inc()
        one.dec(3)
        with pytest.raises(TypeError):
            one.set("5")  # type: ignore[arg-type]
    assert Samples(registry).get("depth", queue="a") == 1
    gauge.remove("a")
    assert Samples(registry).get("depth", queue="a") is None
    gauge.labels("a").inc(2)
    assert Samples(registry).get("depth", queue="a") == 2
    gauge.labels("a").set_function(lambda: 1)
    gauge.clear()
    gauge.labels("a").inc(4)
    assert Samples(registry).get("depth", queue="a") == 4


def test_a_removal_asks_no_function(registry: Registry) -> None:
    gauge = Gauge("depth", "Depth.", ["queue"], registry=registry, multiprocess_mode="livesum")
    gauge.labels("a").set_function(lambda: 1 / 0)
    gauge.labels("b").set(1)
    gauge.remove_by_labels({"queue": "b"})
    gauge.remove_by_labels({"queue": "a"})
    assert Samples(registry).named("depth") == {}


def test_a_function_is_replaced(registry: Registry) -> None:
    gauge = Gauge("depth", "Depth.", registry=registry, multiprocess_mode="max")
    gauge.set_function(lambda: 1)
    gauge.set_function(lambda: 2)
    assert Samples(registry).get("depth") == 2


def test_a_function_that_raises_fails_the_scrape_and_says_so(registry: Registry) -> None:
    fdmetrics.Counter("jobs", "Jobs.", registry=registry).inc()
    values: List[Any] = [5, LookupError("no such queue"), "many", 6]

    def depth() -> float:
        value = values.pop(0)
        if isinstance(value, Exception):
            raise value
        return value  # type: ignore[no-any-return]

    Gauge("depth", "Depth.", registry=registry, multiprocess_mode="livesum").set_function(depth)
    server, thread = fdmetrics.start_http_server(0, registry=registry)
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    try:
        assert Samples(urllib.request.urlopen(url).read()).get("depth") == 5
        for text in (b"LookupError: no such queue\n", b"ValueError: could not convert string to float: 'many'\n"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(url)
            assert (caught.value.code, caught.value.read()) == (500, text)
            caught.value.close()
        # Once it works again, so does the scrape.
        samples = Samples(urllib.request.urlopen(url).read())
        assert (samples.get("depth"), samples.get("jobs_total")) == (6, 1)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    values.append(LookupError("again"))
    assert Client(fdmetrics.asgi.make_asgi_app(registry)).get("/").status_code == 500
    values.append(LookupError("again"))
    with pytest.raises(LookupError, match="again"):
        registry.render()


def test_processes_show_what_each_has_said_last(directory: Path) -> None:
    run_program(
        SERVICE
        + """
depth = Gauge("depth", "Depth.", multiprocess_mode="livesum")
depth.set_function(lambda: 5)
highest = Gauge("highest", "Highest.", multiprocess_mode="max")
highest.set_function(lambda: 5)

def child():
    depth.set_function(lambda: 7)
    highest.set_function(lambda: 7)
    assert value("depth") == 12, value("depth")
    assert value("highest") == 7

assert value("depth") == 5
in_child(child)
assert value("depth") == 5
assert value("highest") == 7
""",
        FDMETRICS_DIR=directory,
    )


def test_a_fork_child_does_not_speak_for_its_parent(directory: Path) -> None:
    run_program(
        SERVICE
        + """
import os
calls = []
depth = Gauge("depth", "Depth.", ["queue"], multiprocess_mode="livesum")
depth.labels("a").set_function(lambda: calls.append(os.getpid()) or 5)

def child():
    # The parent's value is there, once.
    assert value("depth") == 5, value("depth")
    assert value("later") == 0
    assert os.getpid() not in calls
    # And what the child records counts again.
    depth.labels("a").inc(2)
    assert value("depth") == 7
    later.set(1)
    assert value("later") == 1

assert value("depth") == 5
later = Gauge("later", "Not rendered by the parent before the fork.", multiprocess_mode="livesum")
later.set_function(lambda: 9)
in_child(child)
assert value("depth") == 5
assert value("later") == 9
""",
        FDMETRICS_DIR=directory,
    )


def test_the_drop_in_and_the_native_api_share_functions(registry: Registry) -> None:
    shown = CollectorRegistry(store=registry)
    DropInGauge("depth", "Depth.", registry=shown, multiprocess_mode="livesum").set_function(lambda: 4)
    assert Samples(registry).get("depth") == 4
    Gauge("depth", "Depth.", registry=registry, multiprocess_mode="livesum").set_function(lambda: 6)
    assert Samples(dropin_latest(shown)).get("depth") == 6


def test_a_function_is_not_called_without_its_metric(registry: Registry) -> None:
    """It is that of the metric that it was set on, and not of the next one with its name."""
    shown = CollectorRegistry(store=registry)
    calls: List[int] = []

    def fail() -> float:
        calls.append(1)
        raise LookupError("called")

    old = DropInGauge("depth", "Depth.", registry=shown, multiprocess_mode="livesum")
    old.set_function(fail)
    labelled = DropInGauge("sizes", "", ["a"], registry=shown)
    labelled.labels("x").set_function(fail)
    for metric in (old, labelled):
        shown.unregister(metric)
    dropin_latest(shown)
    new = DropInGauge("depth", "Depth.", registry=shown, multiprocess_mode="livesum")
    new.set(3)
    # A function that is set on a metric that nothing shows speaks for no other one either.
    old.set_function(fail)
    other = DropInGauge("sizes", "", ["b"], registry=shown)
    other.labels("x").set(1)
    samples = Samples(dropin_latest(shown))
    assert (samples.get("depth"), samples.get("sizes", b="x")) == (3, 1)
    new.inc()
    assert Samples(dropin_latest(shown)).get("depth") == 4
    assert calls == []


def test_a_function_comes_back_with_its_metric(registry: Registry) -> None:
    shown = CollectorRegistry(store=registry)
    gauge = DropInGauge("depth", "Depth.", registry=shown, multiprocess_mode="livesum")
    gauge.set_function(lambda: 5)
    shown.unregister(gauge)
    between = DropInGauge("depth", "Depth.", ["a"], registry=shown)
    shown.unregister(between)
    shown.register(gauge)
    assert Samples(dropin_latest(shown)).get("depth") == 5


def test_a_function_goes_with_its_registry(registry: Registry) -> None:
    gone = CollectorRegistry(store=registry)
    gauge = DropInGauge("depth", "Depth.", registry=gone, multiprocess_mode="livesum")
    gauge.set_function(lambda: 1 / 0)
    del gone, gauge
    gc.collect()
    registry.render()
    shown = CollectorRegistry(store=registry)
    DropInGauge("depth", "Depth.", registry=shown, multiprocess_mode="livesum").set(5)
    assert Samples(dropin_latest(shown)).get("depth") == 5
    assert not registry._functions.get("depth")


def test_a_native_function_stays_where_the_drop_in_gives_the_name_up(registry: Registry) -> None:
    shown = CollectorRegistry(store=registry)
    Gauge("depth", "", registry=registry, multiprocess_mode="livesum").set_function(lambda: 6)
    shown.unregister(DropInGauge("depth", "", registry=shown, multiprocess_mode="livesum"))
    assert Samples(registry).get("depth") == 6


@pytest.mark.parametrize("removal", ["remove", "clear", "remove_by_labels"])
def test_a_child_that_was_removed_gets_no_function(registry: Registry, removal: str) -> None:
    gauge = Gauge("depth", "", ["a"], registry=registry)
    child, other = gauge.labels("1"), gauge.labels("2")
    # The children that were looked up before are not in the dictionary of those after it.
    gauge.remove("2")
    gauge.labels("3")
    arguments: Any = {"remove": ["1"], "clear": [], "remove_by_labels": [{"a": "1"}]}[removal]
    getattr(gauge, removal)(*arguments)
    child.set_function(lambda: 3)
    other.set_function(lambda: 4)
    samples = Samples(registry)
    assert samples.get("depth", a="1") is None and samples.get("depth", a="2") is None


def test_a_closed_registry_lets_go_of_functions(directory: Path) -> None:
    registry = Registry(directory)
    Gauge("depth", "", registry=registry).set_function(lambda: 1)
    registry.close()
    assert not registry._functions
    with pytest.raises(fdmetrics.StoreClosedError):
        registry.render()
