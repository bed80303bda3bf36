# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A name is free after unregister(): under install(), and in the drop-in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Optional, Type

import pytest

from .support import ended_program, environment, run_program

#: Begins a program of either way.
WAYS = {
    "install": "import fdmetrics\nfdmetrics.install()\nimport prometheus_client as p\n",
    "drop-in": "import fdmetrics\nimport fdmetrics.prometheus_client as p\n",
}
BEGINNING = (
    "def shown(registry=None):\n"
    "    text = p.generate_latest(registry or p.REGISTRY).decode()\n"
    "    return [line for line in text.splitlines() if line.startswith('x')]\n"
)


class Asked:
    """A process that answers each line with a line."""

    def __init__(self, program: str, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment(FDMETRICS_DIR=directory / "store"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Asked:
        return self

    def answer(self) -> str:
        """The next line."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip()

    def ask(self, line: str) -> str:
        """Sends a line and waits for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.answer()

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._process.communicate()


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> str:
    return WAYS[request.param] + BEGINNING


def test_labels_buckets_type_and_mode_may_be_others(way: str, tmp_path: Path) -> None:
    code = """
old = p.Counter("x", "", ["model"])
old.labels("a").inc(3)
assert shown() == ['x_total{model="a"} 3.0'], shown()
p.REGISTRY.unregister(old)
assert shown() == []
new = p.Counter("x", "", ["model", "length"])
new.labels("a", "4096").inc()
old.labels("a").inc()
assert shown() == ['x_total{length="4096",model="a"} 1.0'], shown()
p.REGISTRY.unregister(new)
histogram = p.Histogram("x", "", buckets=[1, 2])
histogram.observe(1.5)
lines = shown()
assert lines[:3] == ['x_bucket{le="1.0"} 0.0', 'x_bucket{le="2.0"} 1.0', 'x_bucket{le="+Inf"} 1.0'], lines
p.REGISTRY.unregister(histogram)
other = p.Histogram("x", "", buckets=[5])
other.observe(1)
assert shown()[:2] == ['x_bucket{le="5.0"} 1.0', 'x_bucket{le="+Inf"} 1.0'], shown()
p.REGISTRY.unregister(other)
gauge = p.Gauge("x", "", multiprocess_mode="livesum")
gauge.set(4)
assert shown() == ['x 4.0'], shown()
p.REGISTRY.unregister(gauge)
most = p.Gauge("x", "", multiprocess_mode="max")
most.set(5)
assert shown() == ['x 5.0'], shown()
assert p.REGISTRY.get_sample_value("x") == 5
p.REGISTRY.unregister(most)
state = p.Enum("x", "", states=["up", "down"])
assert shown() == ['x{x="up"} 1.0', 'x{x="down"} 0.0'], shown()
p.REGISTRY.unregister(state)
p.Info("x", "").info({"version": "1"})
assert shown() == ['x_info{version="1"} 1.0'], shown()
"""
    assert run_program(way + code, FDMETRICS_DIR=tmp_path / "store") == ""


def test_what_is_still_registered_is_not_free(way: str, tmp_path: Path) -> None:
    code = """
p.Counter("x", "", ["model"])
try:
    p.Counter("x", "", ["model", "length"])
except ValueError as error:
    print(str(error).startswith("Duplicated timeseries"))
"""
    assert run_program(way + code, FDMETRICS_DIR=tmp_path / "store").split() == ["True"]


def test_what_was_declared_before_goes_on(way: str, tmp_path: Path) -> None:
    code = """
def declared(*labels):
    return p.Counter("x", "", labels)
first = declared("model")
first.labels("a").inc()
p.REGISTRY.unregister(first)
second = declared("length")
second.labels("1").inc()
p.REGISTRY.unregister(second)
third = declared("model")
third.labels("a").inc()
assert shown() == ['x_total{model="a"} 2.0'], shown()
p.REGISTRY.unregister(third)
assert shown() == []
fourth = declared("model")
assert shown() == ['x_total{model="a"} 2.0'], shown()
"""
    assert run_program(way + code, FDMETRICS_DIR=tmp_path / "store") == ""


def test_before_the_store_is_attached(way: str, tmp_path: Path) -> None:
    code = """
p.REGISTRY.unregister(p.Gauge("x", "", ["a"]))
p.Gauge("x", "", ["b"]).labels("1").set(2)
assert shown() == ['x{b="1"} 2.0'], shown()
"""
    assert run_program(way + code, FDMETRICS_DIR=tmp_path / "store") == ""


def test_processes_that_agree_add_up(way: str, tmp_path: Path) -> None:
    """And one that goes on with the former declaration disturbs nobody, nor is it disturbed."""
    code = """
import sys
old = p.Counter("x", "", ["model"])
old.labels("a").inc()
print("ready", flush=True)
for line in sys.stdin:
    if line == "again\\n":
        p.REGISTRY.unregister(old)
        new = p.Counter("x", "", ["model", "length"])
        new.labels("a", "1").inc()
    else:
        old.labels("a").inc()
    print(shown(), flush=True)
"""
    with (
        Asked(way + code, tmp_path) as first,
        Asked(way + code, tmp_path) as second,
        Asked(way + code, tmp_path) as third,
    ):
        assert [one.answer() for one in (first, second, third)] == ["ready"] * 3
        assert first.ask("again") == repr(['x_total{length="1",model="a"} 1.0'])
        assert second.ask("again") == repr(['x_total{length="1",model="a"} 2.0'])
        assert third.ask("on") == repr(['x_total{length="1",model="a"} 2.0'])
        assert third.ask("again") == repr(['x_total{length="1",model="a"} 3.0'])
        assert first.ask("on") == repr(['x_total{length="1",model="a"} 3.0'])


def test_a_name_that_another_registry_has_is_not_free(way: str, tmp_path: Path) -> None:
    code = """
other = p.CollectorRegistry()
m = p.Counter("x", "", ["a"])
m.labels("1").inc()
other.register(m)
other.unregister(m)
def refused():
    before = shown()
    n = p.Counter("x", "", ["b"], registry=p.CollectorRegistry())
    n.labels("1").inc()
    return shown() == before
assert refused()                                  # Still in the default registry.
p.REGISTRY.unregister(m)
p.REGISTRY.register(m)
assert refused()                                  # Again.
p.REGISTRY.unregister(m)
m = p.Counter("x", "", ["a"])
assert refused()                                  # Declared alike.
m.labels("1").inc()
assert shown() == ['x_total{a="1"} 2.0'], shown()
"""
    assert run_program(way + code, FDMETRICS_DIR=tmp_path / "store") == ""


def test_a_name_is_free_that_another_process_has(way: str, tmp_path: Path) -> None:
    code = """
import os
def child(program):
    process = os.fork()
    if process == 0:
        program()
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
child(lambda: p.Counter("x", "", ["a"]).labels("1").inc())
# Refused, as the service has another one; free once it is given up.
m = p.Counter("x", "", ["b"])
m.labels("1").inc()
assert p.REGISTRY.get_sample_value("x_total", {"a": "1"}) != 2
p.REGISTRY.unregister(m)
m = p.Counter("x", "", ["c"])
m.labels("1").inc()
assert shown() == ['x_total{c="1"} 1.0'], shown()
"""
    run_program(way + code, FDMETRICS_DIR=tmp_path / "store")


def test_in_another_directory(way: str, tmp_path: Path) -> None:
    code = """
import os, tempfile
first, second = tempfile.TemporaryDirectory(dir="/dev/shm"), tempfile.TemporaryDirectory(dir="/dev/shm")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = first.name
m = p.Counter("x", "", ["a"])
m.labels("1").inc(5)
shown()
first.cleanup()
os.environ["PROMETHEUS_MULTIPROC_DIR"] = second.name
shown()
m.labels("1").inc()
p.REGISTRY.unregister(m)
m = p.Counter("x", "", ["b"])
m.labels("1").inc()
assert shown() == ['x_total{b="1"} 1.0'], shown()
"""
    assert run_program(way + code) == ""


def test_a_deleted_store_forgets_no_replacement(way: str, tmp_path: Path) -> None:
    """Though a process with the former declaration is the first one in the new store."""
    code = """
import glob, os, sys
m = p.Counter("x", "", ["a"])
m.labels("1").inc(5)
print("ready", flush=True)
for line in sys.stdin:
    if line == "again\\n":
        p.REGISTRY.unregister(m)
        m = p.Counter("x", "", ["b"])
    elif line == "delete\\n":
        for name in glob.glob(os.environ["FDMETRICS_DIR"] + "/*.seg"):
            os.unlink(name)
    elif line == "look\\n":
        m.labels("9")
    else:
        m.labels("1").inc(2)
    print(shown(), flush=True)
"""
    with Asked(way + code, tmp_path) as old, Asked(way + code, tmp_path) as new:
        assert [one.answer() for one in (old, new)] == ["ready"] * 2
        new.ask("again")
        assert new.ask("record") == repr(['x_total{b="1"} 2.0'])
        old.ask("delete")
        old.ask("record")
        old.ask("look")
        new.ask("record")
        assert new.ask("record") == old.ask("record") == repr(['x_total{b="1"} 2.0'])


def test_samples_of_another_name_are_not_shown_as_ones_own(way: str, tmp_path: Path) -> None:
    """What is refused is not shown as what the store has under its samples' names."""
    code = """
c = p.Counter("x", "")
c.inc(5)
p.REGISTRY.unregister(c)
p.Gauge("x_total", "").set(2)
assert shown() == [], shown()
"""
    assert "nothing is recorded" in ended_program(way + code, FDMETRICS_DIR=tmp_path / "store").stderr
