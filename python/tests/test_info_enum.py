# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Info and Enum."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

import pytest

from fdmetrics import Enum, Info, Registry

from .support import Samples, run_program


def test_an_info_shows_its_latest_text(registry: Registry) -> None:
    info = Info("build", "Build.", registry=registry)
    info.info({"version": "1", "host": 'a "quoted" one'})
    info.info({"version": "2"})
    assert Samples(registry).named("build_info") == {frozenset({("version", "2")}): 1}


def test_an_info_has_labels(registry: Registry) -> None:
    info = Info("build_info", "Build.", ["part"], registry=registry)
    info.labels("engine").info({"version": "1"})
    info.labels("api").info({"version": "2"})
    assert Samples(registry).named("build_info").keys() == {
        frozenset({("part", "engine"), ("version", "1")}),
        frozenset({("part", "api"), ("version", "2")}),
    }


@pytest.mark.parametrize("text", [{"part": "x"}, {"a-b": "x"}, {"__a": "x"}, {"version": None}])
def test_a_wrong_text_is_refused(registry: Registry, text: dict[str, str]) -> None:
    info = Info("build", "Build.", ["part"], registry=registry)
    with pytest.raises(ValueError):
        info.labels("engine").info(text)


def test_an_info_has_no_unit(registry: Registry) -> None:
    with pytest.raises(ValueError, match="cannot have a unit"):
        Info("build", "Build.", unit="seconds", registry=registry)


def states(registry: Registry, **labels: str) -> dict[str, float]:
    return {
        dict(key)["task"]: value
        for key, value in Samples(registry).named("task").items()
        if labels.items() <= dict(key).items()
    }


def test_an_enum_starts_in_its_first_state(registry: Registry) -> None:
    task = Enum("task", "Task.", registry=registry, states=["starting", "running", "stopped"])
    assert states(registry) == {"starting": 1, "running": 0, "stopped": 0}
    task.state("stopped")
    assert states(registry) == {"starting": 0, "running": 0, "stopped": 1}
    with pytest.raises(ValueError, match="'lost' is not a state of task"):
        task.state("lost")
    assert states(registry) == {"starting": 0, "running": 0, "stopped": 1}


def test_an_enum_has_labels(registry: Registry) -> None:
    task = Enum("task", "Task.", ["queue"], registry=registry, states=["on", "off"])
    task.labels("a").state("off")
    task.labels("b")
    assert states(registry, queue="a") == {"on": 0, "off": 1}
    assert states(registry, queue="b") == {"on": 1, "off": 0}


def test_the_latest_process_has_the_word(registry: Registry, directory: Path) -> None:
    task = Enum("task", "Task.", registry=registry, states=["on", "off"])
    info = Info("build", "Build.", registry=registry)
    info.info({"version": "1"})
    task.state("on")
    run_program(
        """
        import sys, fdmetrics
        registry = fdmetrics.Registry(sys.argv[1])
        fdmetrics.Enum("task", "Task.", registry=registry, states=["on", "off"]).state("off")
        fdmetrics.Info("build", "Build.", registry=registry).info({"version": "2"})
        """,
        directory,
    )
    assert states(registry) == {"on": 0, "off": 1}
    assert Samples(registry).named("build_info").keys() == {frozenset({("version", "2")})}


@pytest.mark.parametrize("wrong", [None, [], ["a", "a"], ["a", ""], ["a", 1]])
def test_wrong_states_are_refused(registry: Registry, wrong: list[str]) -> None:
    with pytest.raises(ValueError, match=r"[Ss]tates"):
        Enum("task", "Task.", registry=registry, states=wrong)


@pytest.mark.parametrize("removal", ["remove", "clear", "remove_by_labels"])
def test_a_child_that_was_removed_shows_nothing(registry: Registry, removal: str) -> None:
    """As one of a counter does, also where other series were removed after it was looked up."""
    info = Info("build", "", ["part"], registry=registry)
    task = Enum("task", "", ["part"], registry=registry, states=["starting", "running"])
    text, state = info.labels("engine"), task.labels("engine")
    text.info({"version": "1"})
    metrics: List[Any] = [info, task]
    for metric in metrics:
        metric.labels("other")
        metric.remove("other")
        metric.labels("third")
        arguments: Any = {"remove": ["engine"], "clear": [], "remove_by_labels": [{"part": "engine"}]}[removal]
        getattr(metric, removal)(*arguments)
    text.info({"version": "2"})
    state.state("running")
    samples = Samples(registry)
    assert "engine" not in samples.text
    with pytest.raises(ValueError, match="'lost' is not a state"):
        state.state("lost")
    info.labels("engine").info({"version": "3"})
    task.labels("engine").state("running")
    samples = Samples(registry)
    assert samples.get("build_info", part="engine", version="3") == 1
    assert samples.get("task", part="engine", task="running") == 1
