# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A store that is deleted under the processes which use it: all of them go on in one new store, from zero."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from compiling import compiled
from fleets import Recorder, is_in, scrape, service, wait_for
from programs import HANG_SECONDS, Program, environment, run, samples


class UnderThreads(NamedTuple):
    """How often threads recorded each and looked another up, what they see of their gauge, what all stores show."""

    count: int
    looked_up: int
    value: float
    shown: dict[str, float]
    old: list[dict[str, float]]


DELETED = "was deleted while it was in use"


def delete_directory(store: Path) -> None:
    """What `rm -r` does."""
    shutil.rmtree(store)


def delete_first_segment(store: Path) -> None:
    """What a cleaner does that looks at the age of each file."""
    (store / "fdmetrics-0.seg").unlink()


def make_anew(store: Path) -> None:
    """What a start script does."""
    shutil.rmtree(store)
    store.mkdir(mode=0o700)


@pytest.fixture(scope="module")
def recorder_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("recorder", tmp_path_factory.mktemp("recorder"))


@pytest.fixture
def recorder(recorder_program: Path) -> Iterator[Callable[[Path], Recorder]]:
    started: list[Recorder] = []

    def start_recorder(directory: Path) -> Recorder:
        started.append(Recorder(recorder_program, directory))
        return started[-1]

    yield start_recorder
    for each in started:
        if each.process.poll() is None:
            each.kill()


def place(folder: Path, kind: str) -> tuple[dict[str, str], Path]:
    """Variables that put a store somewhere, and where that is."""
    if kind == "named":
        return {"FDMETRICS_DIR": str(folder / "store")}, folder / "store"
    if kind == "shared":
        shared = folder / "shared"
        shared.mkdir()
        shared.chmod(0o1777)
        return {"FDMETRICS_DIR": str(shared)}, shared / "fdmetrics-0"
    automatic = folder / f"fdmetrics-{uuid.uuid4()}"
    # A root that lives as long as the test: this process's number is not known to be one's that has ended.
    return {"FDMETRICS_AUTO_DIR": str(automatic), "FDMETRICS_AUTO_PID": "1"}, automatic


@pytest.mark.parametrize(
    ("way", "kind", "delete"),
    [
        ("native", "named", delete_directory),
        ("native", "automatic", delete_first_segment),
        ("native", "shared", make_anew),
        ("install", "automatic", delete_directory),
        ("install", "named", make_anew),
        ("drop-in", "shared", delete_directory),
        ("drop-in", "named", delete_first_segment),
    ],
)
def test_all_go_on_in_one_store(
    way: str,
    kind: str,
    delete: Callable[[Path], None],
    folder: Path,
    start: Callable[..., Program],
    recorder: Callable[[Path], Recorder],
    doctor: Callable[..., set[str]],
) -> None:
    variables, store = place(folder, kind)
    renders, looks_up, updates = (start(service(way), **variables) for _ in range(3))
    for program, amount in ((renders, 5), (looks_up, 7), (updates, 9)):
        program.ask(f"all_types({amount})")
    renders.ask("phase.state('running')")
    renders.ask("globals().update(child=Child())")
    assert renders.ask("child.ask('all_types(2)')") == "None"
    child = int(renders.ask("child.pid"))
    registers = recorder(store)
    registers.ask("count 100")
    registers.ask("busy 11")
    registers.ask("queue 3")
    before = scrape(renders)
    assert before["jobs_total"] == 5 + 7 + 9 + 2 + 100
    busy = 5 + 7 + 9 + 2 - 4 + 11
    assert before["busy"] == busy

    for deletion in (1, 2):
        delete(store)
        pids = [*(program.process.pid for program in (renders, looks_up, updates, registers)), child]
        assert not any(is_in(store, pid) for pid in pids)
        scrape(renders)
        registers.ask(f"register late{deletion} 1")

        def have_moved(pids: list[int] = pids) -> bool:
            looks_up.ask("routes.labels(str(time.monotonic())).inc(0)")
            updates.ask("update()")
            renders.ask("child.ask('update()')")
            return all(is_in(store, pid) for pid in pids)

        wait_for("all processes are in the new store", have_moved)
        new = start(service(way), **variables)
        new.ask("jobs.inc(1000)")
        for program, amount in ((renders, 1), (looks_up, 2), (updates, 3)):
            program.ask(f"all_types({amount})")
        renders.ask("child.ask('all_types(4)')")
        # A child of one that has moved.
        updates.ask("globals().update(late=Child())")
        assert updates.ask("late.ask('all_types(1)')") == "None"
        registers.ask("count 50")
        registers.ask("busy -1")
        registers.ask("queue 1")
        busy += 1 + 2 + 3 + 4 - 4 - 1
        shown = scrape(renders)
        assert shown["jobs_total"] == 1000 + 1 + 2 + 3 + 4 + 1 + 50
        assert shown['routes_total{route="kept"}'] == 11
        assert shown["wait_seconds_count"] == shown['wait_seconds_bucket{le="2.0"}'] == 11
        assert shown["wait_seconds_sum"] == 16.5
        assert (shown["size_count"], shown["size_sum"]) == (11, 110)
        assert shown["busy"] == busy
        assert shown["queue"] == 3 + deletion
        assert shown[f"late{deletion}_total"] == 1
        assert [shown[f'phase{{phase="{state}"}}'] for state in ("starting", "running", "ending")] == [0, 1, 0]
        for program in (looks_up, updates, new):
            assert scrape(program) == shown
        # An Info that nobody has given a text shows itself in prometheus_client's way alone.
        shown.pop("build_info", None)
        assert registers.scrape() == shown
        text = updates.ask("__import__('fdmetrics').REGISTRY.render(self_metrics=True).decode()")
        assert samples(text)["fdmetrics_moved_processes_total"] == len(pids)
        assert "deleted" in doctor(store)
        new.kill()
        updates.ask("late.end()")
    renders.ask("child.end()")
    for program in (renders, looks_up, updates):
        assert program.end().log.count(DELETED) == 1
    registers.end()


def test_a_cleaner_that_takes_a_later_segment(folder: Path, start: Callable[..., Program]) -> None:
    store = folder / "store"
    setup = """
        import fdmetrics
        many = fdmetrics.Counter("many", "Enough for a second segment", ["n"])
        kept = [many.labels(str(number)) for number in range(3500)]

        def count(amount):
            for each in kept:
                each.inc(amount)
        """
    programs = [start(setup, FDMETRICS_DIR=str(store)) for _ in range(2)]
    for program in programs:
        program.ask("count(1)")
    (store / "fdmetrics-1.seg").unlink()
    # One that comes before anybody has noticed finds a store that is not whole, and goes with the others.
    programs.append(start(setup, FDMETRICS_DIR=str(store)))
    assert set(programs[0].scrape().values()) <= {0.0}
    for program in programs:
        program.scrape()
        assert is_in(store, program.process.pid)
    for program, amount in zip(programs, (10, 20, 30)):
        program.ask(f"count({amount})")
    shown = programs[2].scrape()
    assert len(shown) == 3500 and set(shown.values()) == {60.0}
    assert programs[0].scrape() == programs[1].scrape() == shown


#: Ways to record in a loop that registers nothing and renders nothing.
LOOPS = {
    "a store by its path": (
        "registry = f.Registry(sys.argv[1]); jobs = f.Counter('jobs', '', registry=registry)",
        "jobs.inc()",
    ),
    "labels of it": (
        "registry = f.Registry(sys.argv[1]); jobs = f.Counter('jobs', '', ['a'], registry=registry)",
        "jobs.labels('x').inc()",
    ),
    "a state set": ("phase = f.Enum('phase', '', states=['on', 'off'])", "phase.state('on')"),
    "an info": ("version = f.Info('build', '')", "version.info({'version': '1'})"),
}


@pytest.mark.parametrize("way", LOOPS)
def test_a_loop_that_only_records_notices(folder: Path, way: str) -> None:
    store = folder / "store"
    setup, update = LOOPS[way]
    program = f"""
        import os, shutil, sys, time
        import fdmetrics as f
        {setup}
        def record(until):
            deadline = time.monotonic() + {HANG_SECONDS}
            while not until():
                assert time.monotonic() < deadline
                for _ in range(100):
                    {update}
        there = lambda: os.path.exists(sys.argv[1] + "/fdmetrics-0.seg")
        record(there)
        shutil.rmtree(sys.argv[1])
        record(there)
        """
    assert run(program, store, FDMETRICS_DIR=str(store)).log.count(DELETED) == 1


@pytest.mark.parametrize("first", [0, 1])
def test_infos_stay(first: int, folder: Path, start: Callable[..., Program]) -> None:
    store = folder / "store"
    programs = [start(service("native"), FDMETRICS_DIR=str(store)) for _ in range(2)]
    for program in programs:
        program.ask("jobs.inc()")
    programs[0].ask("version.info({'version': '1'})")

    def infos(program: Program) -> list[str]:
        return [name for name in scrape(program) if name.startswith("build_info")]

    for number, changes in enumerate((False, True, False)):
        delete_directory(store)
        # Whoever comes first brings the info along, also one that another process has set.
        assert infos(programs[first]) == [f'build_info{{version="{max(1, number)}"}}']
        assert infos(programs[1 - first]) == [f'build_info{{version="{max(1, number)}"}}']
        if changes:
            programs[0].ask("version.info({'version': '2'})")
            assert infos(programs[1]) == ['build_info{version="2"}']


def test_what_the_doctor_says_of_a_process(
    folder: Path, start: Callable[..., Program], doctor: Callable[..., set[str]]
) -> None:
    store = folder / "store"
    program = start(service("native"), FDMETRICS_DIR=str(store))
    program.ask("jobs.inc()")
    pid = program.process.pid
    assert "process" not in doctor("--pid", pid)
    delete_directory(store)
    assert "process" in doctor("--pid", pid)
    scrape(program)
    # What it has of the deleted store it does not use any more.
    assert "process" not in doctor("--pid", pid)
    assert "deleted" in doctor("--pid", pid)


def test_moves_keep_no_descriptors(folder: Path, start: Callable[..., Program]) -> None:
    store = folder / "store"
    program = start(service("native"), FDMETRICS_DIR=str(store))
    program.ask("jobs.inc(), busy.set(7)")

    def descriptors() -> int:
        return len(list(Path(f"/proc/{program.process.pid}/fd").iterdir()))

    def after_a_while() -> int:
        # A thread may be on its way in a store that was just left: its descriptors are closed by a later look.
        program.ask("time.sleep(2.1)")
        assert scrape(program)["busy"] == 7
        return descriptors()

    delete_directory(store)
    after_a_while()
    before = after_a_while()
    for _ in range(10):
        delete_directory(store)
        assert scrape(program)["busy"] == 7
    after_a_while()
    assert after_a_while() == before


def test_many_series(folder: Path, start: Callable[..., Program]) -> None:
    store = folder / "store"
    setup = """
        import fdmetrics as p
        families = [p.Counter(f"many{number}", "Many", ["item"]) for number in range(4)]
        kept = [family.labels(str(item)) for family in families for item in range(5000)]

        def count(amount):
            for each in kept:
                each.inc(amount)
        """
    first, second = (start(setup, FDMETRICS_DIR=str(store)) for _ in range(2))
    first.ask("count(1)")
    second.ask("count(2)")
    assert len(list(store.glob("fdmetrics-*.seg"))) > 1
    before = first.scrape()
    assert len(before) == 20_000 and set(before.values()) == {3.0}
    delete_directory(store)
    assert set(first.scrape().values()) <= {0.0}
    second.scrape()
    first.ask("count(10)")
    second.ask("count(20)")
    after = second.scrape()
    assert after.keys() == before.keys() and set(after.values()) == {30.0}
    assert first.scrape() == after


def test_a_server_beside_follows(folder: Path, start: Callable[..., Program], tool: Path) -> None:
    store = folder / "store"
    program = start(service("native"), FDMETRICS_DIR=str(store))
    program.ask("jobs.inc(3)")
    socket_path = folder / "socket"
    server = subprocess.Popen(
        [str(tool), "serve", "--quiet", "--unix", str(socket_path), str(store)], env=environment(), text=True
    )

    def served() -> dict[str, float]:
        done = subprocess.run(
            ["curl", "--silent", "--fail", "--unix-socket", str(socket_path), "http://localhost/metrics"],
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        return samples(done.stdout)

    try:
        wait_for("the server answers", lambda: served().get("jobs_total") == 3)
        for total in (100, 200):
            delete_directory(store)
            scrape(program)
            program.ask(f"jobs.inc({total})")
            wait_for("the server shows the new store", lambda total=total: served().get("jobs_total") == total)
    finally:
        server.terminate()
        server.wait(HANG_SECONDS)


@pytest.fixture
def under_threads(folder: Path, tmp_path: Path, fdmctl: Callable[..., str], stress: int) -> Iterator[UnderThreads]:
    """What eight threads recorded while their store was deleted twenty times, and what became of it."""
    store, kept = folder / "store", folder / "kept"
    kept.mkdir()
    times = 20 * stress
    process = subprocess.Popen(
        [str(compiled("deletions", tmp_path)), str(store), "8", str(times), str(kept)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"ended with {process.wait()}: {process.communicate()[1]}"
    shown = samples(fdmctl("dump", "--prometheus", store))
    _, log = process.communicate("\n", timeout=HANG_SECONDS)
    assert process.returncode == 0
    assert log.count(DELETED) == 1
    count, looked_up, value = line.split()
    old = [samples(fdmctl("dump", "--prometheus", kept / str(number))) for number in range(times)]
    yield UnderThreads(int(count), int(looked_up), float(value), shown, old)


def test_each_count_of_threads_is_in_one_store(under_threads: UnderThreads) -> None:
    stores = [under_threads.shown, *under_threads.old]
    assert all(each["jobs_total"] > 0 for each in stores)
    assert sum(each["jobs_total"] for each in stores) == under_threads.count
    assert sum(each["wait_count"] for each in stores) == under_threads.count
    assert sum(each["wait_sum"] for each in stores) == under_threads.count / 4
    routes = [value for each in stores for name, value in each.items() if name.startswith("routes_total{")]
    assert sum(routes) == under_threads.looked_up


def test_a_gauge_of_threads_stays_exact(under_threads: UnderThreads) -> None:
    # As many increments as decrements, some of them at the very moments of the moves.
    assert under_threads.value == under_threads.shown["busy"] == 1000
