# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Subclasses that show something else than the store has: under install(), and in the drop-in."""

from __future__ import annotations

from pathlib import Path

from .support import run_program
from .test_unregister import way

__all__ = ["way"]


def test_collectors_of_the_process_and_of_the_store(way: str, tmp_path: Path) -> None:
    code = """
import sys
sys.modules["prometheus_client"] = p
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
for kind in (p.ProcessCollector, p.GCCollector, p.PlatformCollector):
    class More(kind):
        def collect(self):
            yield GaugeMetricFamily("x", "", value=5)
            yield from super().collect()
    registry = p.CollectorRegistry()
    More(registry=registry)
    assert shown(registry) == ["x 5.0"], (kind, shown(registry))
    assert registry.get_sample_value("x") == 5
    assert p.generate_latest(registry).count(b"# TYPE ") > 1, kind
    class Same(kind):
        pass
    registry, plain = p.CollectorRegistry(), p.CollectorRegistry()
    Same(registry=registry), kind(registry=plain)
    names = [{family.name for family in one.collect()} for one in (registry, plain)]
    assert names[0] == names[1], names

p.Counter("xa", "").inc()
p.Counter("xb", "").inc()
class Filter(MultiProcessCollector):
    def collect(self):
        return [family for family in super().collect() if family.name == "xa"]
registry = p.CollectorRegistry()
Filter(registry)
assert shown(registry) == ["xa_total 1.0"], shown(registry)
"""
    run_program(way + code, FDMETRICS_DIR=tmp_path / "store")


def test_a_registry(way: str, tmp_path: Path) -> None:
    code = """
import sys
sys.modules["prometheus_client"] = p
from prometheus_client.openmetrics.exposition import generate_latest as in_openmetrics
class Filter(p.CollectorRegistry):
    def collect(self):
        return (family for family in super().collect() if family.name != "xb")
registry = Filter()
p.Counter("xa", "", registry=registry).inc()
p.Counter("xb", "", registry=registry).inc()
assert shown(registry) == ["xa_total 1.0"], shown(registry)
assert b"xa_total 1.0" in in_openmetrics(registry) and b"xb" not in in_openmetrics(registry)
assert registry.get_sample_value("xb_total") is None
one = p.CollectorRegistry()
p.Counter("xc", "", registry=one).inc()
one.collect = lambda: []
assert shown(one) == [] and b"xc" not in in_openmetrics(one)
"""
    run_program(way + code, FDMETRICS_DIR=tmp_path / "store")


def test_samples_of_metrics(way: str, tmp_path: Path) -> None:
    code = """
from prometheus_client.samples import Sample
class Own(p.Gauge):
    def _child_samples(self):
        return (Sample("", {}, 77.0, None, None),)
class All(p.Counter):
    def _multi_samples(self):
        yield Sample("_total", {"a": "z"}, 5.0, None, None)
class More(p.Counter):
    def _child_samples(self):
        (*samples,) = super()._child_samples()
        return [*samples, Sample("_more", {}, 1.0, None, None)]
own = Own("xa", "")
own.set(1)
All("xb", "", ["a"]).labels("1").inc()
child = Own("xc", "", ["l"]).labels("v")
child.set(3)
more = More("xd", "")
more.inc(2)
lines = [line for line in shown() if "_created" not in line]
assert lines == ["xa 77.0", 'xb_total{a="z"} 5.0', 'xc{l="v"} 77.0', "xd_total 2.0", "xd_more 1.0"], lines
assert p.REGISTRY.get_sample_value("xa") == 77
assert [sample.value for family in own.collect() for sample in family.samples] == [77.0]
"""
    run_program(way + code, FDMETRICS_DIR=tmp_path / "store")
