# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A process that is given another directory, after the first was deleted, goes on there, as test suites want it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import run_program

INSTALLED = """
import fdmetrics
fdmetrics.install()
import prometheus_client as client
from prometheus_client.multiprocess import MultiProcessCollector
"""
DROPIN = """
import fdmetrics
import fdmetrics.prometheus_client as client
from fdmetrics.prometheus_client.multiprocess import MultiProcessCollector
"""
BODY = """
import gc, os, shutil, sys

def shown():
    registry = client.CollectorRegistry()
    MultiProcessCollector(registry)
    lines = client.generate_latest(registry).decode().splitlines()
    assert any(line.startswith("python_gc_collections_total") for line in lines)
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

def test(number, directory):
    # What the first one declares otherwise does not matter to the second.
    registry = client.CollectorRegistry()
    hits = client.Counter("hits", "", ["path"] if number % 2 else [], registry=registry)
    hit = hits.labels("/") if number % 2 else hits
    depth = client.Gauge("depth", "", ["q"], multiprocess_mode="livesum", registry=registry)
    seconds = client.Histogram("seconds", "", registry=registry)
    phase = client.Enum("phase", "", states=["a", "b"], registry=registry)
    build = client.Info("build", "", registry=registry)
    if number == 0:
        kept.append(client.Counter("kept", "", registry=registry))
    hit.inc(number + 1)
    depth.labels("x").set(number)
    seconds.observe(1)
    phase.state("b")
    build.info({"number": str(number)})
    kept[0].inc(5)
    child = os.fork()
    if child == 0:
        hit.inc(100)
        os._exit(0)
    os.waitpid(child, 0)
    values = shown()
    assert values['hits_total{path="/"}' if number % 2 else "hits_total"] == 101 + number, values
    assert values['depth{q="x"}'] == number and values["seconds_count"] == 1 and values["kept_total"] == 5, values
    assert values['phase{phase="b"}'] == 1 and values[f'build_info{{number="{number}"}}'] == 1, values
    assert not [name for name in values if name.startswith("hits") and ("path" in name) is (number % 2 == 0)]
    assert fdmetrics.REGISTRY.path == directory and os.listdir(directory)

kept = []
for number, directory in enumerate(sys.argv[1:]):
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
    os.makedirs(directory)
    test(number, directory)
    shutil.rmtree(directory)
"""


@pytest.mark.parametrize("client", [INSTALLED, DROPIN], ids=["install", "dropin"])
def test_each_directory_is_a_store(client: str, tmp_path: Path) -> None:
    run_program(client + BODY, *(tmp_path / str(number) for number in range(3)))


def test_a_directory_that_is_there_is_not_left(tmp_path: Path) -> None:
    run_program(
        """
        import os, sys
        import fdmetrics
        hits = fdmetrics.Counter("hits", "")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
        hits.inc()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[2]
        fdmetrics.Counter("other", "").inc()
        assert b"hits_total 1.0" in fdmetrics.generate_latest()
        assert fdmetrics.REGISTRY.path == sys.argv[1] == os.environ["FDMETRICS_DIR"]
        assert not os.path.exists(sys.argv[2])
        """,
        tmp_path / "first",
        tmp_path / "second",
    )


def test_a_directory_that_cannot_be_used_is_no_error_of_a_declaration(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run_program(
        """
        import os, shutil, sys
        import fdmetrics
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
        fdmetrics.Counter("hits", "").inc()
        shutil.rmtree(sys.argv[1])
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[2]
        fdmetrics.Counter("other", "").inc()
        assert fdmetrics.REGISTRY.failures, "counted"
        """,
        tmp_path / "first",
        tmp_path / "file" / "store",
    )
