# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What was refused is remembered for a second, series by series: an update costs no call of the library meanwhile."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import pytest

import fdmetrics
from fdmetrics import Counter, Enum, Gauge, Histogram, Info, Registry, Summary, _builtins, _children
from fdmetrics import registry as registries

from .failure_support import Clock, FullStore
from .support import Samples

LIMIT = 3


@pytest.fixture(params=["builtins", "ctypes"])
def narrow(request: pytest.FixtureRequest, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry of a store whose families have few series each, once by each way of recording."""
    monkeypatch.setenv(_builtins.VARIABLE, "1" if request.param == "ctypes" else "0")
    store = fdmetrics.Store(directory, series_limit=LIMIT)
    registry = Registry(directory)
    yield registry
    registry.close()
    store.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test moves."""
    return Clock(monkeypatch)


def filled(registry: Registry, kind: Any = Counter) -> Any:
    """A metric with as many series as it may have."""
    made = kind("m", "", ["a"], registry=registry)
    for number in range(LIMIT):
        made.labels(f"known {number}")
    return made


UPDATES: Dict[Any, Callable[[Any], None]] = {
    Counter: lambda series: series.inc(),
    Gauge: lambda series: series.set(1),
    Histogram: lambda series: series.observe(1),
    Summary: lambda series: series.observe(1),
}


@pytest.mark.parametrize("kind", UPDATES)
def test_a_refused_series_is_tried_once_a_second(kind: Any, narrow: Registry, clock: Clock) -> None:
    made, update = filled(narrow, kind), UPDATES[kind]
    kept = made.labels("beyond")
    for second in range(1, 4):
        for _ in range(100):
            update(made.labels("beyond"))
            update(made.labels(a="beyond"))
            update(kept)
        assert narrow.failures == {"SeriesLimitError": second}
        assert narrow.lost_updates == 300 * second
        clock.now += registries.RETRY_SECONDS


def test_a_refused_series_is_one_object_that_is_looked_up_as_quickly(narrow: Registry, clock: Clock) -> None:
    counter = filled(narrow)
    refused = counter.labels("beyond")
    assert counter.labels("beyond") is counter.labels(a="beyond") is refused
    assert counter._children["beyond",] is refused


def test_what_was_refused_is_recorded_when_there_is_room(narrow: Registry, clock: Clock) -> None:
    counter = filled(narrow)
    kept = counter.labels("beyond")
    kept.inc()
    counter.remove("known 0")
    clock.now += registries.RETRY_SECONDS
    counter.labels("beyond").inc()
    kept.inc()
    assert Samples(narrow).get("m_total", a="beyond") == 2
    assert (narrow.lost_updates, narrow.failures) == (1, {"SeriesLimitError": 1})


def test_a_removal_makes_room_at_once_for_who_looks_up(narrow: Registry, clock: Clock) -> None:
    counter = filled(narrow)
    kept = counter.labels("beyond")
    kept.inc()
    counter.remove("known 1")
    counter.labels("beyond").inc()
    counter.labels(a="beyond").inc()
    # Who keeps the object that was refused waits for its second.
    kept.inc()
    assert Samples(narrow).get("m_total", a="beyond") == 2
    assert (narrow.lost_updates, narrow.failures) == (2, {"SeriesLimitError": 1})
    counter.labels("another").inc()
    counter.labels("another").inc()
    assert (narrow.lost_updates, narrow.failures) == (4, {"SeriesLimitError": 2})
    clock.now += registries.RETRY_SECONDS
    kept.inc()
    assert Samples(narrow).get("m_total", a="beyond") == 3


def test_a_removal_by_another_object_makes_room_at_once(narrow: Registry, clock: Clock) -> None:
    counter = filled(narrow)
    counter.labels("beyond").inc()
    other = Registry(narrow.path)
    Counter("m", "", ["a"], registry=other).remove("known 2")
    other.close()
    counter.labels("beyond").inc()
    assert Samples(narrow).get("m_total", a="beyond") == 1


def test_a_removal_has_what_was_refused_tried_once_more(narrow: Registry, clock: Clock) -> None:
    counter = filled(narrow)
    other = Counter("other", "", ["a"], registry=narrow)
    counter.labels("beyond").inc()
    for _ in range(3):
        other.labels("x").inc()
        other.remove("x")
        for _ in range(10):
            counter.labels("beyond").inc()
    assert (narrow.lost_updates, narrow.failures) == (31, {"SeriesLimitError": 4})


def test_a_series_that_was_refused_first_is_removed_like_any_other(narrow: Registry, clock: Clock) -> None:
    counter = filled(narrow)
    counter.labels("beyond").inc()
    counter.remove("known 0")
    clock.now += registries.RETRY_SECONDS
    former = counter.labels("beyond")
    former.inc(5)
    counter.remove("beyond")
    former.inc()
    counter.labels("beyond").inc()
    assert counter.labels("beyond") is not former
    assert Samples(narrow).get("m_total", a="beyond") == 1


def test_a_series_that_registers_after_its_refusal_is_not_taken_for_a_refused_one(
    narrow: Registry, clock: Clock
) -> None:
    counter = filled(narrow)
    former = counter.labels("beyond")
    counter.remove("known 0")
    former.register()
    former.inc()
    counter.remove("beyond")
    counter.labels("beyond").inc()
    assert Samples(narrow).get("m_total", a="beyond") == 1


def test_ever_other_label_values_get_no_more_memory(
    narrow: Registry, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_children, "MOST_REFUSED", 10)
    counter = filled(narrow)
    forgotten = []
    for number in range(95):
        child = counter.labels(f"beyond {number}")
        child.inc()
        forgotten.append(weakref.ref(child))
        assert len(counter._children) <= LIMIT + 10
        assert len(counter._children.refused) <= 10
    del child
    gc.collect()
    assert sum(reference() is not None for reference in forgotten) <= 10
    counter.labels("known 1").inc()
    assert Samples(narrow).get("m_total", a="known 1") == 1
    assert narrow.lost_updates == narrow.failures["SeriesLimitError"] == 95


def test_a_store_that_cannot_be_had_is_tried_once_a_second_for_all(tmp_path: Path, clock: Clock) -> None:
    blocker = tmp_path / "parent"
    blocker.write_text("")
    registry = Registry(blocker / "store")
    plain = Counter("plain", "", registry=registry)
    labelled = [Counter(f"c{number}", "", ["a"], registry=registry) for number in range(5)]
    kept = labelled[0].labels("x")
    for second in range(1, 3):
        for _ in range(10):
            plain.inc()
            kept.inc()
            for counter in labelled:
                counter.labels("x").inc()
        assert sum(registry.failures.values()) == second
        assert registry.lost_updates == 70 * second
        clock.now += registries.RETRY_SECONDS
    assert labelled[0].labels("x") is kept
    blocker.unlink()
    blocker.mkdir(mode=0o700)
    kept.inc()
    labelled[0].labels("x").inc()
    labelled[1].labels("x").inc()
    plain.inc()
    labelled[0].remove("x")
    labelled[0].labels("x").inc()
    samples = Samples(registry)
    assert [samples.get(name, a="x") for name in ("c0_total", "c1_total")] == [1, 1]
    assert samples.get("plain_total") == 1
    assert registry.lost_updates == 140
    registry.close()


@pytest.mark.parametrize("function", ["fdm_register", "fdm_labels"])
def test_a_full_store_is_asked_once_a_second_and_metric(
    function: str, registry: Registry, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = FullStore(monkeypatch, registry._attach().library, function)
    plain, gauge = Counter("c", "", registry=registry), Gauge("g", "", registry=registry)
    for second in range(1, 4):
        for _ in range(50):
            plain.inc()
            gauge.dec()
        assert full.calls == registry.failures["NoSpaceError"] == 2 * second
        assert registry.lost_updates == 100 * second
        clock.now += registries.RETRY_SECONDS
    full.full = False
    plain.inc()
    gauge.dec()
    samples = Samples(registry)
    assert (samples.get("c_total"), samples.all_values("g")) == (1, [-1])


@pytest.mark.parametrize("kind", [Info, Enum])
def test_text_that_is_refused_is_tried_once_a_second(
    kind: Any, registry: Registry, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = "fdm_info_set" if kind is Info else "fdm_state_set"
    full = FullStore(monkeypatch, registry._attach().library, function)
    made = Info("t", "", registry=registry) if kind is Info else Enum("t", "", registry=registry, states=["a", "on"])

    def update() -> None:
        if isinstance(made, Info):
            made.info({"on": "yes"})
        else:
            made.state("on")

    for second in range(1, 3):
        for _ in range(20):
            update()
        assert full.calls == registry.failures["NoSpaceError"] == second
        assert registry.lost_updates == 20 * second
        clock.now += registries.RETRY_SECONDS
    full.full = False
    update()
    assert 1 in Samples(registry).values.values()


def test_a_removal_has_each_series_looked_up_once_more(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    counters = [Counter(f"c{number}", "", ["a"], registry=registry) for number in range(3)]

    def record() -> None:
        for counter in counters:
            for value in "xyz":
                counter.labels(value).inc()

    record()
    looked_up = FullStore(monkeypatch, registry._attach().library)
    looked_up.full = False
    counters[0].remove("x")
    for _ in range(5):
        record()
    assert looked_up.calls == 9


def test_a_fork_child_goes_on_trying(registry: Registry, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter("c", "", ["a"], registry=registry)
    full = FullStore(monkeypatch, registry._attach().library)
    kept = counter.labels("x")
    kept.inc()
    child = os.fork()
    if child == 0:
        full.full = False
        kept.inc()
        clock.now += registries.RETRY_SECONDS
        kept.inc()
        counter.labels("x").inc()
        os._exit(registry.lost_updates)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert Samples(registry).get("c_total", a="x") == 2
