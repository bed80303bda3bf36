# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that change their user, have no descriptor left, lose their directory, or cannot ask who is alive."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from compiling import compiled, preloaded, run_program
from fleets import wait_for
from programs import HANG_SECONDS, NOBODY, Program, as_user, environment, run, samples
from test_left_behind import ALONE

NO_GROWTH = "takes no new series from this process"

#: Metrics, a fork child under another user that does something and ends, and series until the first segment is full.
SETUP = f"""
import os, resource, sys
import fdmetrics as f
jobs = f.Counter("jobs", "Jobs")
routes = f.Counter("routes", "Routes", ["route"])
busy = f.Gauge("busy", "Busy", multiprocess_mode="livesum")

def become(user={NOBODY}):
    os.setgid(user)
    os.setuid(user)

def child(expression):
    pid = os.fork()
    if pid == 0:
        become()
        print(eval(expression), file=sys.stderr, flush=True)
        os._exit(0)
    return os.waitpid(pid, 0)[1]

def grow(prefix, count=9000):
    for number in range(count):
        routes.labels(prefix + str(number)).inc()

def grown():
    return sum(line.startswith("routes_total{{") for line in f.generate_latest().decode().splitlines())

def all_numbers_taken():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return taken

def own(names="fdmetrics_"):
    text = f.REGISTRY.render(self_metrics=True).decode()
    return {{name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines())
            if name.startswith(names)}}
"""


def own(program: Program, name: str) -> float:
    """A metric of what the store says of itself."""
    return float(program.ask(f"own()['fdmetrics_{name}']"))


@pytest.mark.parametrize("kind", ["named", "automatic"])
def test_a_user_that_changes_after_attaching(kind: str, folder: Path, start: Callable[..., Program]) -> None:
    store = folder / "store"
    variables = {"FDMETRICS_DIR": str(store)} if kind == "named" else {"FDMETRICS_AUTO_DIR": str(store)}
    parent = start(SETUP, **variables)
    parent.ask("jobs.inc(1), routes.labels('old').inc(1), busy.set(1)")
    # It goes on with what it has, makes series, is one of those alive, and sees what the others see.
    did = "(jobs.inc(10), routes.labels('old').inc(10), routes.labels('new').inc(10), busy.set(5), f.generate_latest())"
    assert parent.ask(f"child({did!r})") == "0"
    shown = parent.scrape()
    assert shown["jobs_total"] == 11
    assert shown['routes_total{route="old"}'] == 11
    assert shown['routes_total{route="new"}'] == 10
    assert shown["busy"] == 1
    assert float(parent.ask("f.REGISTRY.lost_updates")) == 0
    outcome = parent.end()
    assert r"\nbusy 6.0\n" in outcome.log
    assert outcome.lines == []


def test_a_process_that_changes_its_own_user(folder: Path, start: Callable[..., Program]) -> None:
    store = folder / "store"
    changed, beside = (start(SETUP, FDMETRICS_DIR=str(store)) for _ in range(2))
    beside.ask("busy.set(3)")
    changed.ask("jobs.inc(), busy.set(4)")
    changed.ask("become()")
    changed.ask("jobs.inc(), busy.inc(2), routes.labels('new').inc()")
    for program in (changed, beside):
        shown = program.scrape()
        assert (shown["jobs_total"], shown["busy"], shown['routes_total{route="new"}']) == (2, 9, 1)
    # It can make no file in the directory: what it has goes on, and the rest is said once and counted.
    changed.ask("grow('a')")
    missing = 9001 - int(changed.ask("grown()"))
    assert 0 < missing < 9000
    assert own(changed, "growth_failures_total") > 0
    changed.ask("jobs.inc(), busy.inc(1), routes.labels('new').inc()")
    assert beside.scrape()["busy"] == 10
    # Another process of the service can.
    beside.ask("grow('a')")
    assert int(beside.ask("grown()")) == 9001
    changed.ask("grow('a')")
    shown = beside.scrape()
    assert (shown["jobs_total"], shown['routes_total{route="new"}']) == (3, 2)
    # There are numbers now that it cannot see: it shows none, rather than too few.
    assert "fdmetrics-1.seg: Permission denied" in changed.ask("f.generate_latest()")
    assert sum(NO_GROWTH in line for line in changed.end().log.splitlines()) == 1


@pytest.mark.parametrize("kind", ["named", "missing", "automatic"])
def test_a_user_that_changes_before_attaching(kind: str, folder: Path) -> None:
    if kind == "named":
        (folder / "store").mkdir(mode=0o700)
    source = (
        SETUP
        + """
first_reads, first_writes = os.pipe()
second_reads, second_writes = os.pipe()
for number in range(2):
    if os.fork() == 0:
        become()
        jobs.inc(10)
        busy.set(2)
        if number == 0:
            os.write(first_writes, b".")
            os.read(second_reads, 1)
        else:
            os.read(first_reads, 1)
            print(f.generate_latest().decode(), flush=True)
            os.write(second_writes, b".")
        raise SystemExit(f.REGISTRY.lost_updates)
print([os.wait()[1] for _ in range(2)])
"""
    )
    variables = {} if kind == "automatic" else {"FDMETRICS_DIR": str(folder / "store")}
    outcome = run(source, **variables)
    shown = samples(outcome.output.rpartition("\n")[0])
    assert (shown["jobs_total"], shown["busy"]) == (20, 4)
    assert outcome.output.endswith("[0, 0]")
    assert len(outcome.lines) == (0 if kind == "automatic" else 2)
    assert all("metrics go to /dev/shm/fdmetrics-" in line for line in outcome.lines)


def test_no_descriptor_left_before_attaching(folder: Path, start: Callable[..., Program]) -> None:
    program = start(SETUP, FDMETRICS_DIR=str(folder / "store"))
    program.ask("globals().update(taken=all_numbers_taken())")
    assert program.ask("jobs.inc()") == "None"
    assert program.ask("routes.labels('a').inc()") == "None"
    assert program.ask("busy.set(1)") == "None"
    assert program.ask("f.REGISTRY.lost_updates") == "3"
    assert program.ask("f.REGISTRY.attached") == "False"
    program.ask("[os.close(number) for number in taken]")
    # It tries again by itself after a second.
    wait_for("the store is attached", lambda: program.ask("jobs.inc(0) or f.REGISTRY.attached") == "True")
    program.ask("jobs.inc(5)")
    assert program.scrape()["jobs_total"] == 5


def test_no_descriptor_left_after_attaching(folder: Path, start: Callable[..., Program]) -> None:
    program, beside = (start(SETUP, FDMETRICS_DIR=str(folder / "store")) for _ in range(2))
    beside.ask("busy.set(3)")
    program.ask("jobs.inc(), busy.set(4), routes.labels('old').inc(7)")
    program.ask("f.generate_latest() and None")
    program.ask("globals().update(taken=all_numbers_taken())")
    assert program.ask("grow('a')") == "None"
    recorded = int(program.ask("grown()")) - 1
    assert 0 < recorded < 9000
    program.ask("jobs.inc(), busy.inc(1), routes.labels('old').inc(1)")
    shown = program.scrape()
    assert (shown["jobs_total"], shown["busy"], shown['routes_total{route="old"}']) == (2, 8, 8)
    assert own(program, "growth_failures_total") > 0
    assert beside.scrape() == shown
    beside.kill()
    assert program.scrape()["busy"] == 5
    program.ask("[os.close(number) for number in taken]")
    wait_for("the store grows", lambda: program.ask("grow('a') or grown()") == "9001")
    assert sum(NO_GROWTH in line for line in program.end().log.splitlines()) == 1


def test_descriptors_that_the_program_has_closed(folder: Path, start: Callable[..., Program]) -> None:
    files = folder / "files"
    files.mkdir()
    for number in range(3, 200):
        (files / str(number)).write_text(f"{number}")
    setup = (
        SETUP
        + """
def close_all():
    os.closerange(3, 1000)

def take_all(folder):
    global taken
    taken = {}
    for number in range(3, 200):
        descriptor = os.open(f"{folder}/{number}", os.O_RDWR)
        assert descriptor == number, (descriptor, number)
        taken[descriptor] = os.fstat(descriptor).st_ino

def changed():
    return [number for number, inode in taken.items() if os.fstat(number).st_ino != inode]
"""
    )
    program, beside = (start(setup, FDMETRICS_DIR=str(folder / "store")) for _ in range(2))
    beside.ask("busy.set(3)")
    program.ask("jobs.inc(), busy.set(4)")
    program.ask("close_all()")
    program.ask("jobs.inc(), busy.inc(1), grow('a')")
    assert program.ask("grown()") == "9000"
    assert (program.scrape()["jobs_total"], program.scrape()["busy"]) == (2, 8)
    program.ask("close_all()")
    assert program.ask(f"take_all({str(files)!r})") == "None"
    # Three families of it: the third segment is needed too.
    program.ask("jobs.inc(), busy.inc(1), globals().update(more=f.Counter('more', 'More', ['item']))")
    program.ask("[more.labels(str(number)).inc() for number in range(9000)] and None")
    shown = program.scrape()
    assert (shown["jobs_total"], shown["busy"]) == (3, 9)
    assert sum(name.startswith("more_total") for name in shown) == 9000
    assert beside.scrape() == shown
    assert program.ask("child('jobs.inc(), busy.set(100)')") == "0"
    shutil.rmtree(folder / "store")
    program.scrape()
    program.ask("jobs.inc(2)")
    assert program.scrape()["jobs_total"] == 2
    assert program.ask("changed()") == "[]"
    assert all(path.read_text() == path.name for path in files.iterdir())
    program.end()
    assert all(path.read_text() == path.name for path in files.iterdir())


@pytest.fixture
def their_store(folder: Path) -> Path:
    """A directory of a user that may not make another one beside it."""
    store = folder / "theirs"
    store.mkdir(mode=0o700)
    os.chown(store, NOBODY, NOBODY)
    return store


def test_a_directory_that_becomes_unreadable(their_store: Path, start: Callable[..., Program]) -> None:
    program, beside = (start(SETUP, as_user(NOBODY), FDMETRICS_DIR=str(their_store)) for _ in range(2))
    beside.ask("busy.set(3)")
    program.ask("jobs.inc(), busy.set(4)")
    their_store.chmod(0)
    program.ask("jobs.inc(), busy.inc(1), routes.labels('new').inc()")
    shown = program.scrape()
    assert (shown["jobs_total"], shown["busy"], shown['routes_total{route="new"}']) == (2, 8, 1)
    assert beside.scrape() == shown
    beside.kill()
    assert program.scrape()["busy"] == 5
    assert program.end().log == ""


def test_a_directory_that_is_gone_for_a_while(their_store: Path, start: Callable[..., Program]) -> None:
    program, beside = (start(SETUP, as_user(NOBODY), FDMETRICS_DIR=str(their_store)) for _ in range(2))
    beside.ask("busy.set(3), jobs.inc(1)")
    program.ask("jobs.inc(1), busy.set(4), routes.labels('old').inc()")
    shutil.rmtree(their_store)
    # Nowhere to go: what is there goes on, and the log says what is wrong.
    for _ in range(2):
        program.scrape()
        program.ask("jobs.inc(), busy.inc(), routes.labels('old').inc(), routes.labels('new').inc()")
    their_store.mkdir(mode=0o700)
    os.chown(their_store, NOBODY, NOBODY)
    for each in (program, beside):
        wait_for("the process is in the new store", lambda each=each: each.scrape()["jobs_total"] == 0)
    program.ask("jobs.inc(10), routes.labels('old').inc(10)")
    beside.ask("jobs.inc(10)")
    shown = program.scrape()
    assert (shown["jobs_total"], shown["busy"], shown['routes_total{route="old"}']) == (20, 9, 10)
    assert beside.scrape() == shown
    assert program.end().log.count("no other can be had") == 1


FORMATS = {
    "text": "text/plain",
    "openmetrics": "application/openmetrics-text; version=1.0.0",
    "protobuf": "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
}


def test_a_scrape_fails_where_nobody_can_be_asked_for(
    folder: Path, tmp_path: Path, start: Callable[..., Program], tool: Path
) -> None:
    switch, socket = tmp_path / "refused", folder / "socket"
    variables = {
        "FDMETRICS_DIR": str(folder / "store"),
        "LD_PRELOAD": str(preloaded("refusing", tmp_path)),
        "REFUSE_QUESTIONS": str(switch),
    }
    program, beside = (start(SETUP, **variables) for _ in range(2))
    beside.ask("busy.set(3)")
    program.ask("jobs.inc(), busy.set(4)")
    server = subprocess.Popen(
        [str(tool), "serve", "--quiet", "--unix", str(socket), str(folder / "store")], env=environment(**variables)
    )

    def status(accept: str) -> str:
        return subprocess.run(
            [
                *("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}"),
                *("--header", f"Accept: {accept}", "--unix-socket", str(socket), "http://localhost/metrics"),
            ],
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        ).stdout

    try:
        wait_for("the server answers", lambda: status("text/plain") == "200")
        for _ in range(2):
            switch.touch()
            for name, accept in FORMATS.items():
                assert program.ask(f"f.REGISTRY.render(format={name!r})").startswith("SystemCallError: ")
                assert status(accept).startswith("5")
            # Recording goes on meanwhile.
            program.ask("jobs.inc(), busy.inc(1)")
            switch.unlink()
            for name, accept in FORMATS.items():
                assert program.ask(f"len(f.REGISTRY.render(format={name!r})) > 0") == "True"
                assert status(accept) == "200"
        shown = program.scrape()
        assert (shown["jobs_total"], shown["busy"]) == (3, 9)
    finally:
        server.terminate()
        server.wait(HANG_SECONDS)


def test_the_environment_may_be_read_meanwhile(tmp_path: Path, stress: int) -> None:
    run_program(compiled("environments", tmp_path), 200 * stress, prefix=ALONE)


@pytest.mark.parametrize("options", ["self_metrics=True", "process_metrics=True", "process_metrics='worker'"])
def test_own_numbers_fail_where_nobody_can_be_asked_for(
    options: str, folder: Path, tmp_path: Path, start: Callable[..., Program]
) -> None:
    # Without a gauge nobody is asked for, but for these.
    switch = tmp_path / "refused"
    refusing = {"LD_PRELOAD": str(preloaded("refusing", tmp_path)), "REFUSE_QUESTIONS": str(switch)}
    program, beside = (start(SETUP, FDMETRICS_DIR=str(folder / "store"), **refusing) for _ in range(2))
    beside.ask("jobs.inc()")
    program.ask("jobs.inc()")
    assert "jobs_total 2" in program.ask(f"f.REGISTRY.render({options}).decode()")
    switch.touch()
    assert program.ask(f"f.REGISTRY.render({options})").startswith("SystemCallError: ")
    assert "jobs_total 2" in program.ask("f.REGISTRY.render().decode()")
