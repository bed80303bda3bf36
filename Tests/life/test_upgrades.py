# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of two layouts of a store: one after the other, and at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from layout_fixture import unpack
from programs import Program, after_reboot, run, samples
from stores import LOCKED_BYTES, NAMES, SET_ASIDE, counting, holding, kill_store, make_store, own_directory, segment
from test_dead_stores import ASIDE, HERD

OTHER_LAYOUT = "fdmetrics: processes of another version of the library are alive; until they end, "


@pytest.fixture
def store(folder: Path) -> Path:
    """A directory with a store of an earlier layout."""
    directory = own_directory(folder / "store")
    unpack(directory)
    return directory


class Rolling:
    """A directory with a store of an earlier layout that a process holds."""

    def __init__(self, folder: Path, holder: Program, old: bytes) -> None:
        self.store = folder
        self.own = folder / "fdmetrics-layout-1"
        self.holder = holder
        self.old = old

    def check_old(self) -> None:
        """What the processes of the other layout use is as it was."""
        assert segment(self.store).read_bytes() == self.old
        assert not (self.store / ASIDE).exists()


@pytest.fixture(params=LOCKED_BYTES)
def rolling(store: Path, request: pytest.FixtureRequest, start: Callable[..., Program]) -> Iterator[Rolling]:
    """A process of the earlier layout lives: one that has attached, or whose lease alone is there."""
    holder = start(holding(segment(store), LOCKED_BYTES[request.param]))
    assert holder.ask("held.read(0)") == "b''"
    pair = Rolling(store, holder, segment(store).read_bytes())
    yield pair
    pair.check_old()


@pytest.mark.parametrize("names", NAMES)
def test_where_nobody_is_left(store: Path, names: str) -> None:
    old = segment(store).read_bytes()
    first = run(counting(names), PROMETHEUS_MULTIPROC_DIR=str(store))
    assert first.output == f"jobs_total 10.0 {store}"
    assert len([line for line in first.log.splitlines() if "has layout version 0, " in line]) == 1
    assert {path.name for path in store.iterdir()} == {"fdmetrics-0.seg", ASIDE}
    assert segment(store / ASIDE).read_bytes() == old
    second = run(counting(names), PROMETHEUS_MULTIPROC_DIR=str(store))
    assert (second.output, second.log) == (f"jobs_total 20.0 {store}", "")


def test_back_to_the_version_before(folder: Path, doctor: Callable[..., set[str]]) -> None:
    store = own_directory(folder / "store")
    old = kill_store(store, "later version")
    outcome = run(counting(), FDMETRICS_DIR=str(store))
    assert outcome.output == f"jobs_total 10.0 {store}"
    assert [line.startswith(SET_ASIDE) for line in outcome.lines] == [True]
    assert segment(store / ASIDE).read_bytes() == old
    assert "layouts" not in doctor(store)


@pytest.mark.parametrize("names", NAMES)
def test_while_the_others_live(rolling: Rolling, names: str) -> None:
    for total in (10, 20):
        outcome = run(counting(names), PROMETHEUS_MULTIPROC_DIR=str(rolling.store))
        assert outcome.output == f"jobs_total {total}.0 {rolling.own}"
        # Only who makes the directory has to say so.
        said = [line for line in outcome.log.splitlines() if "another version of the library" in line]
        assert len(said) == (1 if total == 10 else 0)
    assert rolling.own.stat().st_mode & 0o777 == 0o700
    assert segment(rolling.own).stat().st_mode & 0o777 == 0o600


def test_what_is_shown_while_the_others_live(
    rolling: Rolling, fdmctl: Callable[..., str], doctor: Callable[..., set[str]], start: Callable[..., Program]
) -> None:
    service = start("import fdmetrics; jobs = fdmetrics.Counter('jobs', 'Jobs')", FDMETRICS_DIR=str(rolling.store))
    assert service.ask("jobs.inc(10)") == "None"
    assert "layouts" in doctor(rolling.store)
    assert samples(fdmctl("dump", "--prometheus", rolling.store)) == {"jobs_total": 10}
    # A directory that is named is no other one than the default.
    source = """
        import sys, fdmetrics
        registry = fdmetrics.Registry(sys.argv[1])
        fdmetrics.Counter("jobs", "Jobs", registry=registry).inc()
        print(fdmetrics.generate_latest(registry).decode().splitlines()[-1], registry.path)
        """
    assert run(source, rolling.store).output == f"jobs_total 11.0 {rolling.own}"
    assert service.scrape() == {"jobs_total": 11}


def test_many_that_start_while_the_others_live(rolling: Rolling) -> None:
    outcome = run(HERD, 100, FDMETRICS_DIR=str(rolling.store))
    assert outcome.output == f"jobs_total 100.0 {rolling.own}", outcome.log
    assert {path.name for path in rolling.store.iterdir()} == {"fdmetrics-0.seg", "fdmetrics-layout-1"}


def test_when_the_others_have_ended(
    store: Path, start: Callable[..., Program], doctor: Callable[..., set[str]], fdmctl: Callable[..., str]
) -> None:
    """The processes of a service that has been replaced one by one go on in one store, whenever they came."""
    holder = start(holding(segment(store), LOCKED_BYTES["presence"]))
    assert holder.ask("held.read(0)") == "b''"
    own = store / "fdmetrics-layout-1"
    service = start("import fdmetrics; jobs = fdmetrics.Counter('jobs', 'Jobs')", FDMETRICS_DIR=str(store))
    assert service.ask("jobs.inc(10)") == "None"
    holder.kill()
    outcome = run(counting(), FDMETRICS_DIR=str(store))
    assert (outcome.output, outcome.lines) == (f"jobs_total 20.0 {own}", [])
    assert service.ask("jobs.inc(10)") == "None"
    assert service.scrape() == samples(fdmctl("dump", "--prometheus", store)) == {"jobs_total": 30}
    # A restart of all of them goes on there as well.
    assert service.end().lines[0].startswith(OTHER_LAYOUT)
    assert run(counting(), FDMETRICS_DIR=str(store)).output == f"jobs_total 40.0 {own}"
    assert samples(fdmctl("dump", "--prometheus", store)) == {"jobs_total": 40}


def test_a_reboot_after_an_upgrade(folder: Path, store: Path, start: Callable[..., Program]) -> None:
    """Neither of the two stores can be used any more, and nobody has either."""
    holder = start(holding(segment(store), LOCKED_BYTES["presence"]))
    assert holder.ask("held.read(0)") == "b''"
    run(counting(), FDMETRICS_DIR=str(store))
    holder.kill()
    totals = []
    for _ in range(3):
        outcome = run(counting(), prefix=after_reboot(folder), FDMETRICS_DIR=str(store))
        totals.append(outcome.output.split()[1])
        assert len(outcome.lines) == (1 if len(totals) == 1 else 0), outcome.log
    assert totals == ["10.0", "20.0", "30.0"]


def test_a_directory_of_this_layout_beside_a_store_of_it(store: Path, start: Callable[..., Program]) -> None:
    old = segment(store).read_bytes()
    present = start("import fdmetrics; jobs = fdmetrics.Counter('jobs', 'Jobs')", FDMETRICS_DIR=str(store))
    assert present.ask("jobs.inc(10)") == "None"
    assert segment(store / ASIDE).read_bytes() == old
    # Somebody else may bring one, as from a copy of the directory; the processes that are there decide.
    make_store(own_directory(store / "fdmetrics-layout-1"))
    assert run(counting(), FDMETRICS_DIR=str(store)).output == f"jobs_total 20.0 {store}"
    assert present.scrape() == {"jobs_total": 20}
