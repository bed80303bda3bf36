# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""time(), count_exceptions() and track_inprogress(), as context managers and as decorators."""

from __future__ import annotations

import asyncio
from typing import Iterator

import pytest

from fdmetrics import Counter, Gauge, Histogram, Registry, Summary, context_managers

from .support import Samples


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock that goes on by two seconds each time it is read."""
    ticks = iter(range(0, 1000, 2))
    monkeypatch.setattr(context_managers, "perf_counter", lambda: float(next(ticks)))
    yield


@pytest.mark.usefixtures("clock")
def test_a_block_is_timed(registry: Registry) -> None:
    histogram = Histogram("wait", "", registry=registry)
    summary = Summary("read", "", registry=registry)
    gauge = Gauge("latest", "", registry=registry, multiprocess_mode="max")
    with histogram.time() as timer, summary.time(), gauge.time():
        pass
    assert timer.duration == 10
    samples = Samples(registry)
    assert (samples.get("wait_sum"), samples.get("read_sum"), samples.get("latest")) == (10, 6, 2)


@pytest.mark.usefixtures("clock")
def test_a_function_is_timed_at_each_call(registry: Registry) -> None:
    summary = Summary("read", "", registry=registry)

    @summary.time()
    def read(depth: int) -> int:
        """Reads."""
        return read(depth - 1) + 1 if depth else 0

    assert read(1) == 1
    assert (read.__name__, read.__doc__) == ("read", "Reads.")
    samples = Samples(registry)
    assert (samples.get("read_count"), samples.get("read_sum")) == (2, 6 + 2)


@pytest.mark.usefixtures("clock")
def test_a_coroutine_is_timed_to_its_end(registry: Registry) -> None:
    summary = Summary("read", "", registry=registry)
    order = []

    @summary.time()
    async def read() -> str:
        await asyncio.sleep(0)
        order.append(Samples(registry).get("read_count"))
        return "done"

    assert asyncio.run(read()) == "done"
    assert order == [0]
    assert Samples(registry).get("read_count") == 1


@pytest.mark.usefixtures("clock")
def test_labels_may_be_chosen_inside_the_block(registry: Registry) -> None:
    histogram = Histogram("wait", "", ["status"], registry=registry)
    with histogram.time() as timer:
        timer.labels("200")
    with histogram.time() as timer:
        timer.labels(status="500")
    samples = Samples(registry)
    assert (samples.get("wait_sum", status="200"), samples.get("wait_count", status="500")) == (2, 1)
    with pytest.raises(ValueError, match="missing label values"), histogram.time():
        pass


def test_time_never_runs_backwards(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter((5.0, 3.0))
    monkeypatch.setattr(context_managers, "perf_counter", lambda: next(ticks))
    with Summary("read", "", registry=registry).time():
        pass
    assert Samples(registry).get("read_sum") == 0


def test_exceptions_are_counted(registry: Registry) -> None:
    every = Counter("every", "", registry=registry)
    some = Counter("some", "", registry=registry)

    @every.count_exceptions()
    def fail(error: BaseException) -> None:
        with some.count_exceptions((KeyError, OSError)):
            raise error

    for error in (KeyError(), FileNotFoundError(), ValueError(), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            fail(error)
    with every.count_exceptions():
        pass
    samples = Samples(registry)
    assert (samples.get("every_total"), samples.get("some_total")) == (3, 2)


def test_what_is_in_progress_is_tracked(registry: Registry) -> None:
    gauge = Gauge("running", "", registry=registry, multiprocess_mode="livesum")
    seen = []

    @gauge.track_inprogress()
    def run(depth: int) -> None:
        seen.append(Samples(registry).get("running"))
        if depth:
            run(depth - 1)
        else:
            raise OSError

    with pytest.raises(OSError):
        run(2)
    with gauge.track_inprogress():
        seen.append(Samples(registry).get("running"))
    assert seen == [1, 2, 3, 1]
    assert Samples(registry).get("running") == 0
