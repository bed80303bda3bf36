# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python_gc_* and python_info of all processes, without prometheus_client."""

from __future__ import annotations

import gc
import os
import platform
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

import fdmetrics
from fdmetrics import _variables, python_metrics

from .support import Samples, run_program


@pytest.fixture
def no_automatic_collection() -> Iterator[None]:
    """Collections only where the test asks for one."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def collections(registry: fdmetrics.Registry) -> List[float]:
    samples = Samples(registry)
    return [
        samples.get("python_gc_collections_total", generation=str(generation)) or 0
        for generation in range(len(gc.get_stats()))
    ]


def in_child(body: str, registry: fdmetrics.Registry) -> None:
    """Runs a body in a fork child, which must end well."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            exec(body, {"gc": gc, "registry": registry, "os": os})
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_installing_attaches_nothing(registry: fdmetrics.Registry) -> None:
    first = python_metrics.install(registry)
    assert not registry.attached
    assert first._collection not in gc.callbacks
    assert python_metrics.install(registry) is first


def test_a_process_counts_from_its_start(registry: fdmetrics.Registry, no_automatic_collection: None) -> None:
    python_metrics.install(registry)
    before = [stats["collections"] for stats in gc.get_stats()]
    assert collections(registry) == before
    cycle: List[object] = []
    cycle.append(cycle)
    collected = Samples(registry).get("python_gc_objects_collected_total", generation="0") or 0
    del cycle
    gc.collect(0)
    gc.collect(0)
    gc.collect(1)
    assert collections(registry) == [before[0] + 2, before[1] + 1, *before[2:]]
    assert (Samples(registry).get("python_gc_objects_collected_total", generation="0") or 0) >= collected + 1
    assert Samples(registry).get("python_gc_objects_uncollectable_total", generation="0") == 0


def test_fork_children_add_what_they_collect_themselves(
    registry: fdmetrics.Registry, no_automatic_collection: None
) -> None:
    python_metrics.install(registry)
    before = collections(registry)
    for _ in range(3):
        in_child("gc.collect(0); gc.collect(2)", registry)
    gc.collect(2)
    assert collections(registry) == [before[0] + 3, *before[1:-1], before[-1] + 4]


def test_a_child_that_attaches_first_leaves_out_what_its_parent_collected(
    registry: fdmetrics.Registry, no_automatic_collection: None
) -> None:
    python_metrics.install(registry)
    of_parent = [stats["collections"] for stats in gc.get_stats()]
    in_child("gc.collect(0); registry.attach()", registry)
    assert collections(registry) == [of_parent[0] + 1, *of_parent[1:]]


def test_python_info_is_that_of_live_processes(registry: fdmetrics.Registry) -> None:
    labels: Dict[str, str] = {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        **dict(zip(("major", "minor", "patchlevel"), platform.python_version_tuple())),
    }
    python_metrics.install(registry)
    in_child("registry.attach()", registry)
    # The child is gone, and this process has not attached yet.
    store = fdmetrics.Registry(Path(registry._directory or ""))
    assert Samples(store).named("python_info") == {}
    store.close()
    assert Samples(registry).get("python_info", **labels) == 1


def test_a_child_holds_python_info_when_its_parent_is_gone(directory: Path) -> None:
    run_program(
        """
        import os, sys
        import fdmetrics
        from fdmetrics import python_metrics

        python_metrics.install()
        ready, go = os.pipe(), os.pipe()
        parent = os.fork()
        if parent == 0:
            fdmetrics.attach()
            if os.fork():
                os._exit(0)
            os.write(ready[1], b"x")
            os.close(go[1])
            os.read(go[0], 1)
            os._exit(0)
        os.waitpid(parent, 0)
        os.read(ready[0], 1)
        text = fdmetrics.render_directory(os.environ["FDMETRICS_DIR"]).decode()
        assert "\\npython_info{" in text, text
        os.close(go[1])
        """,
        FDMETRICS_DIR=directory,
    )


def test_closing_the_registry_ends_it(registry: fdmetrics.Registry) -> None:
    installed = python_metrics.install(registry)
    registry.attach()
    assert installed._collection in gc.callbacks
    registry.close()
    assert installed._collection not in gc.callbacks
    gc.collect()


def test_another_declaration_of_a_name_is_an_error(registry: fdmetrics.Registry) -> None:
    fdmetrics.Gauge("python_info", "", registry=registry)
    with pytest.raises(fdmetrics.ConflictError, match="python_info"):
        python_metrics.install(registry)


def test_by_worker_where_the_environment_asks_for_it(
    registry: fdmetrics.Registry, no_automatic_collection: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_variables.PROCESS_METRICS, "worker")
    python_metrics.install(registry)
    before = [stats["collections"] for stats in gc.get_stats()]
    registry.attach()
    in_child("gc.collect(0); gc.collect(0)", registry)
    in_child("gc.collect(0)", registry)
    gc.collect(1)
    samples = Samples(registry)
    shown = [
        [
            samples.get("python_gc_collections_total", generation=str(generation), worker=str(worker))
            for generation in (0, 1)
        ]
        for worker in (0, 1)
    ]
    # The second child had the number of the first, which had ended.
    assert shown == [[before[0], before[1] + 1], [3, 0]]
    assert [dict(labels)["worker"] for labels in samples.named("python_info")] == ["0"]
