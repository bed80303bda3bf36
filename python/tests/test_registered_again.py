# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A name that other declarations have had: under install(), and in the drop-in."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Callable, List

import pytest

import fdmetrics
from fdmetrics._descriptor import Descriptor
from fdmetrics.errors import check_status
from fdmetrics.prometheus_client import CollectorRegistry, Counter

from .support import Samples, ended_program, run_program
from .test_unregister import way

__all__ = ["way"]


def test_a_metric_that_is_registered_again_has_its_name_again(way: str, tmp_path: Path) -> None:
    """As where a test takes all collectors out of the registry, and puts them back at its end."""
    code = """
a = p.Counter("x", "", ["l"])
child = a.labels("1")
child.inc()
saved = list(p.REGISTRY._collector_to_names)
for collector in saved:
    p.REGISTRY.unregister(collector)
b = p.Counter("x", "", ["m"])
b.labels("2").inc(5)
assert shown() == ['x_total{m="2"} 5.0'], shown()
p.REGISTRY.unregister(b)
for collector in saved:
    p.REGISTRY.register(collector)
child.inc()
a.labels("1").inc()
a.labels("3").inc()
assert shown() == ['x_total{l="1"} 3.0', 'x_total{l="3"} 1.0'], shown()
assert p.REGISTRY.get_sample_value("x_total", {"l": "1"}) == 3
"""
    assert ended_program(way + code, FDMETRICS_DIR=tmp_path / "store").stderr == ""


@pytest.mark.parametrize("attached", [True, False], ids=["attached", "not attached"])
@pytest.mark.parametrize(
    ("make", "update", "lines"),
    [
        ("p.Histogram('x', '', buckets=[1], registry=r)", "observe(0.5)", ['x_bucket{le="1.0"} 1.0']),
        ("p.Gauge('x', '', registry=r)", "set(2)", ["x 2.0"]),
        ("p.Gauge('x', '', multiprocess_mode='max', registry=r)", "set(2)", ["x 2.0"]),
        ("p.Summary('x', '', registry=r)", "observe(4)", ["x_count 1.0", "x_sum 4.0"]),
        ("p.Enum('x', '', states=['a', 'b'], registry=r)", "state('b')", ['x{x="a"} 0.0', 'x{x="b"} 1.0']),
        ("p.Info('x', '', registry=r)", "info({'v': '1'})", ['x_info{v="1"} 1.0']),
        ("p.Counter('x', '', registry=r)", "inc(3)", ["x_total 3.0"]),
    ],
)
def test_without_labels(way: str, make: str, update: str, lines: List[str], attached: bool, tmp_path: Path) -> None:
    code = f"""
r = p.CollectorRegistry()
attach = {attached}
if attach:
    fdmetrics.attach()
old = {make}
r.unregister(old)
new = p.Counter("x", "", ["other"], registry=r)
if attach:
    new.labels("1").inc()
r.unregister(new)
r.register(old)
old.{update}
assert shown(r)[:{len(lines)}] == {lines!r}, shown(r)
assert not [line for line in shown(r) if "other" in line]
"""
    assert ended_program(way + code, FDMETRICS_DIR=tmp_path / "store").stderr == ""


def test_what_was_refused_is_taken_once_the_name_is_free(way: str, tmp_path: Path) -> None:
    code = """
first, second = p.CollectorRegistry(), p.CollectorRegistry()
a = p.Counter("x", "", ["a"], registry=first)
a.labels("1").inc()
b = p.Counter("x", "", ["b"], registry=second)
child = b.labels("2")
child.inc()
assert shown(second) == []
first.unregister(a)
second.unregister(b)
second.register(b)
child.inc(2)
b.labels("3").inc()
assert shown(second) == ['x_total{b="2"} 2.0', 'x_total{b="3"} 1.0'], shown(second)
"""
    run_program(way + code, FDMETRICS_DIR=tmp_path / "store")


def test_a_registry_shows_no_other_metric_of_the_name(way: str, tmp_path: Path) -> None:
    code = """
first, second = p.CollectorRegistry(), p.CollectorRegistry()
a = p.Counter("x", "", ["a"], registry=first)
a.labels("1").inc()
first.unregister(a)
b = p.Counter("x", "", ["b"], registry=second)
b.labels("2").inc()
first.register(a)
a.labels("1").inc()
assert shown(first) == [] and first.get_sample_value("x_total", {"b": "2"}) is None
assert shown(second) == ['x_total{b="2"} 1.0'], shown(second)
"""
    said = ended_program(way + code, FDMETRICS_DIR=tmp_path / "store").stderr
    assert said.count("nothing is recorded into metric x") == 1


def test_a_registry_that_is_gone_holds_no_name(way: str, tmp_path: Path) -> None:
    """As where each test makes a registry of its own."""
    code = """
import gc

def of_a_test(label):
    registry = p.CollectorRegistry()
    p.Counter("x", "", [label], registry=registry).labels("v").inc()
    return registry.get_sample_value("x_total", {label: "v"})

for label in "abab":
    value = of_a_test(label)
    gc.collect()
    print(value)
"""
    ended = ended_program(way + code, FDMETRICS_DIR=tmp_path / "store")
    # What is declared alike goes on with its value.
    assert (ended.stdout.split(), ended.stderr) == (["1.0", "1.0", "2.0", "2.0"], "")


def test_a_metric_without_a_registry_keeps_its_name(way: str, tmp_path: Path) -> None:
    code = """
kept = p.Counter("x", "", ["a"], registry=None)
other = p.Counter("x", "", ["b"], registry=p.CollectorRegistry())
other.labels("1").inc()
kept.labels("1").inc()
r = p.CollectorRegistry()
r.register(kept)
assert shown(r) == ['x_total{a="1"} 1.0'], shown(r)
"""
    assert "nothing is recorded" in ended_program(way + code, FDMETRICS_DIR=tmp_path / "store").stderr


def test_a_constructor_that_raises_declares_nothing(way: str, tmp_path: Path) -> None:
    code = """
from prometheus_client.core import GaugeMetricFamily
class Custom:
    def collect(self):
        yield GaugeMetricFamily("x", "", value=3)
fdmetrics.attach()
custom = Custom()
p.REGISTRY.register(custom)
for make in (
    lambda: p.Gauge("x", ""),
    lambda: p.Gauge("x", "", ["a"]),
    lambda: p.Histogram("x", "", buckets=[1]),
    lambda: p.Enum("x", "", states=["a"]),
):
    try:
        make()
    except ValueError as error:
        assert "Duplicated timeseries" in str(error)
    else:
        raise AssertionError
p.REGISTRY.unregister(custom)
p.Counter("x", "").inc(2)
assert shown() == ["x_total 2.0"], shown()

class Full(p.CollectorRegistry):
    def register(self, collector):
        raise RuntimeError("full")
for labels in ([], ["a"]):
    try:
        p.Gauge("x2", "", labels, registry=Full())
    except RuntimeError:
        pass
p.Counter("x2", "").inc(4)
assert shown() == ["x_total 2.0", "x2_total 4.0"], shown()
try:
    p.Gauge("x3", "", registry=Full())
except RuntimeError:
    pass
# Of a name that it has not declared the default registry shows what the service has.
fdmetrics.Gauge("x3", "", multiprocess_mode="livesum").set(5)
assert "x3 5.0" in shown(), shown()
"""
    assert ended_program(way + code, FDMETRICS_DIR=tmp_path / "store").stderr == ""


def test_what_takes_the_place_without_a_registry_is_shown_as_the_service_s(way: str, tmp_path: Path) -> None:
    code = """
p.REGISTRY.unregister(p.Gauge("x", "", ["a"]))
fdmetrics.Gauge("x", "", ["b"], multiprocess_mode="livesum").labels("1").set(5)
assert shown() == ['x{b="1"} 5.0'], shown()
"""
    assert ended_program(way + code, FDMETRICS_DIR=tmp_path / "store").stderr == ""


class _Paused:
    """Stops one thread at its first call of a function, until it is told to go on."""

    def __init__(self, call: Callable[..., Any], thread: threading.Thread, after: bool) -> None:
        self._call, self._thread, self._after = call, thread, after
        self.is_there, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *arguments: Any) -> Any:
        stops = threading.current_thread() is self._thread and not self.is_there.is_set()
        result = self._call(*arguments) if self._after else None
        if stops:
            self.is_there.set()
            assert self.go_on.wait(30)
        return result if self._after else self._call(*arguments)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_thread_that_scrapes_takes_no_other_metric_s_place(
    registry: fdmetrics.Registry, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It registers a metric while another thread gives that up and declares the name otherwise."""
    collectors = CollectorRegistry(store=registry)
    collectors.unregister(Counter("x", "", ["a"], registry=collectors))
    second = Counter("x", "", ["b"], registry=collectors)
    scrape = threading.Thread(target=registry.render)
    if moment == "before":
        paused = _Paused(Descriptor.encoded, scrape, False)
        # A function, which a class binds.
        monkeypatch.setattr(Descriptor, "encoded", lambda descriptor: paused(descriptor))
    else:
        paused = _Paused(check_status, scrape, True)
        monkeypatch.setattr("fdmetrics._family.check_status", paused)
    scrape.start()
    assert paused.is_there.wait(30)
    collectors.unregister(second)
    encoded = Descriptor.encoded

    def late(descriptor: Descriptor) -> Any:
        if descriptor.label_names == ("c",) and moment == "after" and threading.current_thread() is not scrape:
            # Between the declaration of the third one and its registration.
            paused.go_on.set()
            scrape.join()
        return encoded(descriptor)

    monkeypatch.setattr(Descriptor, "encoded", late)
    third = Counter("x", "", ["c"], registry=collectors)
    third.labels("1").inc()
    paused.go_on.set()
    scrape.join()
    third.labels("1").inc()
    assert Samples(registry).get("x_total", c="1") == 2
    assert registry.failures == {}
