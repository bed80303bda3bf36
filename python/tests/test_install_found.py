# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What registries of prometheus_client show after install(), where names, declarations or stores are not plain ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import run_program

INSTALL = """
import os
import fdmetrics
fdmetrics.install()
import prometheus_client as pc
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed
from prometheus_client.parser import text_string_to_metric_families as parsed_text

for collector in (pc.PROCESS_COLLECTOR, pc.PLATFORM_COLLECTOR, pc.GC_COLLECTOR):
    pc.REGISTRY.unregister(collector)

def shown(registry=pc.REGISTRY, escaping="underscores"):
    text = pc.generate_latest(registry, escaping=escaping).decode()
    in_openmetrics = openmetrics(registry, escaping=escaping).decode()
    lines = [line for line in text.splitlines() if line[0] != "#"]
    others = [line for line in in_openmetrics.splitlines() if line[0] != "#" and "_created" not in line]
    # All formats have the same samples, each once, and are what the parsers take.
    assert sorted(lines) == sorted(others) and len(set(lines)) == len(lines), (text, in_openmetrics)
    list(parsed(in_openmetrics))
    list(parsed_text(text))
    return sorted(lines)

def types(registry=pc.REGISTRY):
    return [line[len("# TYPE "):] for line in pc.generate_latest(registry).decode().splitlines() if "# TYPE" in line]

def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.parametrize("both", [False, True], ids=["alone", "beside-its-escaped-name"])
def test_utf8_names_come_once_and_with_the_total(both: bool) -> None:
    run_program(
        INSTALL
        + f"""
both = {both}
hits, info = pc.Counter("p.q", ""), pc.Info("n.o", "")
hits.inc(1)
info.info({{"k": "1"}})
hidden = pc.Counter("u.v", "")
hidden.inc()
pc.REGISTRY.unregister(hidden)
if both:
    pc.Counter("p_q", "").inc(100)
child(lambda: (hits.inc(10), info.info({{"k": "2"}})))
own = pc.CollectorRegistry()
own.register(hits)
own.register(info)
unique = "U__p_2e_q__total 11.0"
beside = ["p_q_total 100.0"] if both else []
for registry, more in ((pc.REGISTRY, beside), (own, [])):
    under = shown(registry)
    assert under == sorted(['n_o_info{{k="2"}} 1.0', unique if both else "p_q_total 11.0"] + more), under
    values = shown(registry, "values")
    assert values == sorted(['U__n_2e_o__info{{k="2"}} 1.0', unique] + more), values
    quoted = shown(registry, "allow-utf-8")
    assert quoted == sorted(['{{"n.o_info",k="2"}} 1.0', '{{"p.q_total"}} 11.0'] + more), quoted
    names = {{(metric.name, metric.type) for metric in registry.collect()}}
    assert names == {{("n.o", "info"), ("p.q", "counter")}} | ({{("p_q", "counter")}} if more else set()), names
"""
    )


def test_the_dropin_tells_a_utf8_name_from_its_escaped_one() -> None:
    run_program(
        """
        import fdmetrics.prometheus_client as pc
        own = pc.CollectorRegistry()
        pc.Counter("p.q", "", registry=own).inc(11)
        pc.Counter("p_q", "").inc(100)
        assert b"\\nU__p_2e_q__total 11.0\\n" in pc.generate_latest(own)
        assert b"100" not in pc.generate_latest(own)
        """
    )


def test_an_unregistered_metric_removes_series_of_its_own_alone() -> None:
    run_program(
        INSTALL
        + """
old = pc.Counter("m", "", ["a"])
old.labels("1").inc()
pc.REGISTRY.unregister(old)
new = pc.Gauge("m", "", ["b", "c"])
new.labels("1", "2").set(7)
old.clear()
old.remove("1")
old.remove_by_labels({"a": "1"})
assert shown() == ['m{b="1",c="2"} 7.0'], shown()
new.remove("1", "2")
assert shown() == []
"""
    )


def test_another_directory_starts_from_zero(tmp_path: Path) -> None:
    run_program(
        INSTALL
        + """
import shutil, sys
first, second = sys.argv[1:]
def move(directory):
    os.mkdir(directory)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
move(first)
hits, info, state = pc.Counter("c", ""), pc.Info("i", ""), pc.Enum("e", "", ["z"], states=["a", "b"])
def record(version):
    hits.inc(5)
    info.info({"version": version})
    state.labels("1").state("b")
record("1")
expected = ['c_total 5.0', 'e{e="a",z="1"} 0.0', 'e{e="b",z="1"} 1.0', 'i_info{version="%s"} 1.0']
assert shown()[:3] == expected[:3], shown()
shutil.rmtree(first)
move(second)
assert shown() == [] and types() == [], pc.generate_latest()
record("2")
assert shown() == [*expected[:3], expected[3] % 2], shown()
assert {metric.name: metric.type for metric in pc.REGISTRY.collect()} == {"c": "counter", "e": "stateset", "i": "info"}
""",
        tmp_path / "first",
        tmp_path / "second",
    )


@pytest.mark.parametrize("mode", ["all", "liveall"])
def test_a_gauge_that_is_only_declared_counts_for_nothing(mode: str, tmp_path: Path) -> None:
    declared = INSTALL + f'gauge = pc.Gauge("m", "", multiprocess_mode="{mode}")\npc.Counter("other", "").inc()\n'
    run_program(
        declared
        + f"""
# Where nobody has set it, it is there.
assert shown() == ["m 0.0", "other_total 1.0"], shown()
child(lambda: gauge.set(2))
assert shown() == ["m 2.0" if {mode == "all"} else "m 0.0", "other_total 1.0"], shown()
gauge.inc(3)
own = ['m{{worker="0"}} 3.0', 'm{{worker="1"}} 2.0'] if {mode == "all"} else ['m{{worker="0"}} 3.0']
assert shown() == [*own, "other_total 1.0"], shown()
""",
        FDMETRICS_DIR=tmp_path / "store",
    )


def test_the_value_of_a_dead_process_is_left_as_it_is(tmp_path: Path) -> None:
    declared = INSTALL + 'gauge = pc.Gauge("m", "")\n'
    run_program(declared + "gauge.set(2)", FDMETRICS_DIR=tmp_path / "store")
    run_program(declared + 'assert shown() == ["m 2.0"], shown()', FDMETRICS_DIR=tmp_path / "store")


def test_labelled_metrics_are_declared_when_they_are_made() -> None:
    run_program(
        INSTALL
        + """
old = pc.Counter("m", "", ["a"])
old.labels("1").inc(5)
pc.REGISTRY.unregister(old)
new = pc.Gauge("m", "New.", ["b"])
assert shown() == [] and types() == ["m gauge"], types()
# This process's declaration is there before the child's, and so is not the one that takes the place.
def other():
    pc.REGISTRY.unregister(new)
    pc.Gauge("m", "", ["c"]).labels("1").set(3)
child(other)
new.labels("1").set(1)
assert shown() == ['m{c="1"} 3.0'], shown()
"""
    )


def test_the_name_of_a_labelled_metric_without_a_series_is_freed(tmp_path: Path) -> None:
    start = (
        INSTALL
        + """
kinds = (
    (pc.Counter, {}),
    (pc.Gauge, {"multiprocess_mode": "livesum"}),
    (pc.Summary, {"unit": "bytes"}),
    (pc.Histogram, {"buckets": (1, 2, float("inf"))}),
    (pc.Info, {}),
    (pc.Enum, {"states": ["a", "b"]}),
)
def used(make, label, more):
    metric = make("it_" + make._type, "", [label], **more)
    child = metric.labels("1")
    if make is pc.Info:
        child.info({"k": "v"})
    return metric
"""
    )
    run_program(start + "for make, more in kinds: used(make, 'a', more)", FDMETRICS_DIR=tmp_path / "store")
    run_program(
        start
        + """
for make, more in kinds:
    pc.REGISTRY.unregister(make("it_" + make._type, "", ["a"], **more))
    new = used(make, "b", more)
    assert any(line.startswith("it_" + make._type) and 'b="1"' in line for line in shown()), (make, shown())
assert fdmetrics.REGISTRY.failures == {}, fdmetrics.REGISTRY.failures
""",
        FDMETRICS_DIR=tmp_path / "store",
    )


def test_a_metric_that_the_store_refuses_shows_nothing(tmp_path: Path) -> None:
    run_program(
        """
        import fdmetrics
        fdmetrics.Info("m", "").info({"k": "v"})
        fdmetrics.Counter("n", "", ["a"]).labels("1").inc(2)
        """,
        FDMETRICS_DIR=tmp_path / "store",
    )
    run_program(
        """
        import fdmetrics.prometheus_client as pc
        own = pc.CollectorRegistry()
        own.register(pc.Counter("n", "", ["b"]))
        for _ in range(2):
            assert pc.generate_latest(own) == b"", pc.generate_latest(own)
            assert b'n_total{a="1"} 2.0' in pc.generate_latest()
        """,
        FDMETRICS_DIR=tmp_path / "store",
    )
    run_program(
        INSTALL
        + """
own = pc.CollectorRegistry()
hits = pc.Counter("m", "")
hits.inc(3)
own.register(hits)
assert hits._value.get() == 3
own.register(pc.Counter("n", "", ["b"]))
# The families of the names, which are another process's, are in the default registry alone.
assert shown() == ['m_info{k="v"} 1.0', 'n_total{a="1"} 2.0'], shown()
assert shown(own) == [] and list(own.collect()) == []
assert fdmetrics.REGISTRY.failures, "refused, and counted"
""",
        FDMETRICS_DIR=tmp_path / "store",
    )


def test_metrics_of_another_value_class_stay_in_their_process() -> None:
    run_program(
        INSTALL
        + """
from prometheus_client import values
former, values.ValueClass = values.ValueClass, values.MutexValue
alone = pc.Counter("alone", "", ["a"])
alone.labels("1").inc(2)
values.ValueClass = former
pc.Counter("c", "").inc()
child(lambda: alone.labels("1").inc())
assert pc.REGISTRY.get_sample_value("alone_total", {"a": "1"}) == 2
assert b"alone" not in fdmetrics.generate_latest()
"""
    )


@pytest.mark.parametrize("client", ["prometheus_client", "fdmetrics.prometheus_client"])
def test_keys_of_an_info_may_be_any_utf8(client: str) -> None:
    run_program(
        f"""
        import fdmetrics
        fdmetrics.install()
        import {client} as pc
        info = pc.Info("i", "")
        info.info({{"k": "0"}})
        # Nobody can show it, and it is no reason not to take the next one.
        try:
            info.info({{"__k": "1"}})
        except ValueError:
            pass
        info.info({{"\u00e9": "1", "a.b": "2"}})
        (family,) = [family for family in pc.REGISTRY.collect() if family.name == "i"]
        assert [sample.labels for sample in family.samples] == [{{"\u00e9": "1", "a.b": "2"}}], family
        """
    )


def test_a_histogram_without_a_bound_is_refused_before_it_is_registered() -> None:
    run_program(
        INSTALL
        + """
for labels in ([], ["a"]):
    for buckets in ([float("nan")], [float("nan"), float("inf")]):
        try:
            pc.Histogram("h", "", labels, buckets=buckets)
        except ValueError as error:
            assert "histogram h has no bound below +Inf" in str(error)
        else:
            raise AssertionError("taken")
pc.Histogram("h", "").observe(1)
"""
    )


def test_a_name_that_a_registry_of_before_has_is_not_free() -> None:
    run_program(
        """
import prometheus_client as pc
import fdmetrics
kinds = (pc.Counter("c", "", ["a"]), pc.Enum("e", "", ["a"], states=["x", "y"]))
fdmetrics.install()
kinds += (pc.Counter("d", "", ["a"]), pc.Enum("f", "", ["a"], states=["x", "y"]))
other = pc.CollectorRegistry()
for metric in kinds:
    other.register(metric)
    other.unregister(metric)
    # The default registry still has it.
    pc.Gauge(metric._name, "", ["b"], registry=other).labels("1").set(7)
    metric.labels("1")
# Each of them is refused, and so is its child.
assert fdmetrics.REGISTRY.failures == {"ConflictError": 8}, fdmetrics.REGISTRY.failures
assert b'c_total{a="1"} 0.0' in pc.generate_latest() and b'f{a="1",f="x"} 1.0' in pc.generate_latest()
assert pc.generate_latest(other) == b"", pc.generate_latest(other)
for metric in kinds:
    pc.REGISTRY.unregister(metric)
    pc.Gauge(metric._name, "", ["b"]).labels("1").set(7)
assert fdmetrics.generate_latest().count(b'{b="1"} 7.0') == 4, fdmetrics.generate_latest()
"""
    )
