# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Declaring one name twice: alike, otherwise in this process, otherwise in another one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from fdmetrics import ConflictError, Counter, Enum, Gauge, Histogram, Registry, Summary

from .support import Samples, run_program

DECLARATIONS: Dict[str, Callable[[Any], Any]] = {
    "type": lambda registry: Gauge("m", "", registry=registry),
    "label names": lambda registry: Histogram("m", "", ["b"], registry=registry),
    "buckets": lambda registry: Histogram("m", "", ["a"], registry=registry, buckets=(1, 2)),
}


def test_declaring_again_gives_the_same_series(registry: Registry) -> None:
    for _ in range(2):
        Counter("c", "One text.", ["a"], registry=registry).labels("x").inc()
        Counter("c_total", "Another text.", ["a"], registry=registry).labels("x").inc()
    assert Samples(registry).get("c_total", a="x") == 4


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("difference", DECLARATIONS)
def test_declaring_otherwise_in_one_process_raises(registry: Registry, difference: str, attached: bool) -> None:
    Histogram("m", "", ["a"], registry=registry)
    if attached:
        registry.attach()
    with pytest.raises(ConflictError, match=f"already declared in this process with {difference}") as caught:
        DECLARATIONS[difference](registry)
    assert isinstance(caught.value, ValueError)


def test_modes_and_states_belong_to_the_declaration(registry: Registry) -> None:
    Gauge("g", "", registry=registry)
    with pytest.raises(ConflictError, match="gauge mode"):
        Gauge("g", "", registry=registry, multiprocess_mode="sum")
    Enum("e", "", registry=registry, states=["a"])
    with pytest.raises(ConflictError, match="states"):
        Enum("e", "", registry=registry, states=["b"])


@pytest.mark.parametrize("difference", DECLARATIONS)
def test_another_process_s_declaration_is_kept(
    registry: Registry, directory: Path, difference: str, caplog: pytest.LogCaptureFixture
) -> None:
    run_program(
        """
        import sys, fdmetrics
        metric = fdmetrics.Histogram("m", "", ["a"], registry=fdmetrics.Registry(sys.argv[1]))
        metric.labels("x").observe(1)
        """,
        directory,
    )
    metric = DECLARATIONS[difference](registry)
    series = metric.labels("x") if metric._family.descriptor.label_names else metric
    with caplog.at_level(logging.ERROR, logger="fdmetrics"):
        for _ in range(3):
            update = getattr(series, "observe", None) or series.set
            update(5)
    samples = Samples(registry)
    assert (samples.get("m_count", a="x"), samples.get("m_sum", a="x")) == (1, 1)
    assert len(samples.values) == 15 + 2
    assert registry.failures == {"ConflictError": 1}
    assert registry.lost_updates == 3
    with pytest.raises(ConflictError, match="m"):
        metric.register()
    with pytest.raises(ConflictError, match="m"):
        registry.attach()


def test_a_conflict_is_logged_once_and_harms_no_other_metric(
    registry: Registry, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Registry(directory)
    Counter("m", "", registry=other).inc()
    wrong = Summary("m", "", registry=registry)
    right = Counter("right", "", registry=registry)
    with caplog.at_level(logging.ERROR, logger="fdmetrics"):
        for _ in range(3):
            wrong.observe(1)
            right.inc()
    assert [record.name for record in caplog.records] == ["fdmetrics"]
    assert "metric m" in caplog.text
    samples = Samples(registry)
    assert (samples.get("m_total"), samples.get("right_total")) == (1, 3)
    other.close()
