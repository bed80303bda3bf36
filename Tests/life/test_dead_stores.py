# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A store that cannot be attached any more makes room for a new one, unless somebody holds it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import Program, after_reboot, run, samples
from stores import (
    DAMAGE,
    LOCKED_BYTES,
    NAMES,
    SET_ASIDE,
    contents,
    counting,
    holding,
    kill_store,
    make_store,
    own_directory,
    patch,
    segment,
)

ASIDE = "fdmetrics-set-aside"
#: What is left of a store of two segments.
MANY_SERIES = """
    import fdmetrics
    family = fdmetrics.Counter("many", "Enough for a second segment", ["n"])
    for number in range(3500):
        family.labels(n=str(number)).inc()
    """
TRY = """
    import fdmetrics
    fdmetrics.Counter("jobs", "Jobs").inc()
    print(fdmetrics.REGISTRY.lost_updates)
    try:
        fdmetrics.generate_latest()
    except fdmetrics.ForeignStoreError as error:
        print(error)
    """


@pytest.mark.parametrize("how", DAMAGE)
def test_a_new_store_takes_the_place(folder: Path, how: str) -> None:
    store = own_directory(folder / "store")
    old = kill_store(store, how)
    first = run(counting(), FDMETRICS_DIR=str(store))
    assert first.output == f"jobs_total 10.0 {store}"
    assert len(first.lines) == 1
    assert first.lines[0].startswith(f"{SET_ASIDE}{segment(store)} ")
    assert DAMAGE[how][1] in first.lines[0]
    assert first.lines[0].endswith(f"it is kept in {store}/{ASIDE}")
    assert {path.name for path in store.iterdir()} == {"fdmetrics-0.seg", ASIDE}
    assert [path.name for path in (store / ASIDE).iterdir()] == ["fdmetrics-0.seg"]
    assert (store / ASIDE / "fdmetrics-0.seg").read_bytes() == old
    assert (store / ASIDE).stat().st_mode & 0o777 == 0o700
    second = run(counting(), FDMETRICS_DIR=str(store))
    assert (second.output, second.lines) == (f"jobs_total 20.0 {store}", [])


@pytest.mark.parametrize("names", NAMES)
def test_after_a_reboot(folder: Path, names: str, fdmctl: Callable[..., str]) -> None:
    store = own_directory(folder / "store")
    for total in (10, 20):
        outcome = run(counting(names), PROMETHEUS_MULTIPROC_DIR=str(store))
        assert (outcome.output, outcome.lines) == (f"jobs_total {total}.0 {store}", [])
    first = run(counting(names), prefix=after_reboot(folder), PROMETHEUS_MULTIPROC_DIR=str(store))
    assert first.output == f"jobs_total 10.0 {store}"
    assert len([line for line in first.log.splitlines() if "made before this host's last boot" in line]) == 1
    second = run(counting(names), prefix=after_reboot(folder), PROMETHEUS_MULTIPROC_DIR=str(store))
    assert (second.output, second.lines) == (f"jobs_total 20.0 {store}", [])
    # What it counted before can still be looked at.
    assert samples(fdmctl("dump", "--prometheus", store / ASIDE))["jobs_total"] == 20


def test_the_one_that_was_set_aside_before_goes(folder: Path) -> None:
    store = own_directory(folder / "store")
    run(MANY_SERIES, FDMETRICS_DIR=str(store))
    names = {"fdmetrics-0.seg", "fdmetrics-1.seg"}
    assert {path.name for path in store.iterdir()} == names
    patch(segment(store), 0, b"GARBAGE!")
    run(counting(), FDMETRICS_DIR=str(store))
    assert {path.name for path in (store / ASIDE).iterdir()} == names
    patch(segment(store), 0, b"RUBBISH!")
    run(counting(), FDMETRICS_DIR=str(store))
    assert [path.name for path in (store / ASIDE).iterdir()] == ["fdmetrics-0.seg"]
    assert segment(store / ASIDE).read_bytes().startswith(b"RUBBISH!")


def test_a_directory_that_is_opened_by_name(folder: Path) -> None:
    store = own_directory(folder / "store")
    kill_store(store, "boot")
    source = """
        import sys, fdmetrics
        registry = fdmetrics.Registry(sys.argv[1])
        fdmetrics.Counter("jobs", "Jobs", registry=registry).inc()
        print(fdmetrics.generate_latest(registry).decode().splitlines()[-1])
        """
    outcome = run(source, store)
    assert outcome.output == "jobs_total 1.0"
    assert [line.startswith(SET_ASIDE) for line in outcome.lines] == [True]


@pytest.mark.parametrize("how", ["boot", "garbage"])
@pytest.mark.parametrize("lock", LOCKED_BYTES)
def test_a_store_that_is_held_stays(folder: Path, how: str, lock: str, start: Callable[..., Program]) -> None:
    store = own_directory(folder / "store")
    kill_store(store, how)
    holder = start(holding(segment(store), LOCKED_BYTES[lock]))
    assert holder.ask("held.read(0)") == "b''"
    before = contents(store)
    refused = run(TRY, FDMETRICS_DIR=str(store))
    assert refused.output.startswith("1\n")
    for text in (refused.output, *refused.lines):
        assert f"{segment(store)} " in text
        assert DAMAGE[how][1] in text
        assert "a process that is alive holds it" in text
    assert len(refused.lines) == 1
    assert contents(store) == before
    holder.kill()
    assert run(counting(), FDMETRICS_DIR=str(store)).output == f"jobs_total 10.0 {store}"


def test_on_a_network_file_system_it_stays(folder: Path) -> None:
    store = own_directory(folder / "store")
    kill_store(store, "boot")
    source, library = folder / "nfs.c", folder / "nfs.so"
    source.write_text(
        "#include <string.h>\n#include <sys/vfs.h>\n"
        "int fstatfs(int fd, struct statfs *info) "
        "{ (void)fd; memset(info, 0, sizeof *info); info->f_type = 0x6969; return 0; }\n"
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    before = contents(store)
    changes = {"LD_PRELOAD": str(library), "FDMETRICS_ALLOW_NETWORK_FS": "1"}
    refused = run(TRY, FDMETRICS_DIR=str(store), **changes)
    assert refused.output.startswith("1\n")
    for text in (refused.output, *refused.lines):
        assert "made before this host's last boot" in text
        assert "it is on NFS, where a process of another host may hold it" in text
    assert len(refused.lines) == 1
    assert contents(store) == before
    # Once somebody has looked after it, the file system is as good as any.
    segment(store).unlink()
    assert run(counting(), FDMETRICS_DIR=str(store), **changes).output == f"jobs_total 10.0 {store}"


#: Forks processes that attach at the same moment, and prints the total.
HERD = """
    import os, sys
    import fdmetrics
    ready, go = os.pipe()
    processes = []
    for _ in range(int(sys.argv[1])):
        process = os.fork()
        if process == 0:
            os.close(go)
            os.read(ready, 1)
            fdmetrics.Counter("jobs", "Jobs").inc()
            os._exit(0)
        processes.append(process)
    os.close(go)
    assert all(os.waitpid(process, 0)[1] == 0 for process in processes)
    print(fdmetrics.generate_latest().decode().splitlines()[-1], fdmetrics.REGISTRY.path)
    """


@pytest.mark.parametrize("how", ["boot", "earlier version"])
def test_many_that_start_at_once_agree_on_one_store(folder: Path, how: str, stress: int) -> None:
    for number in range(2 * stress):
        store = own_directory(folder / f"store{number}")
        old = kill_store(store, how)
        outcome = run(HERD, 200, FDMETRICS_DIR=str(store))
        assert outcome.output == f"jobs_total 200.0 {store}", outcome.log
        assert [line.startswith(SET_ASIDE) for line in outcome.lines] == [True]
        assert {path.name for path in store.iterdir()} == {"fdmetrics-0.seg", ASIDE}
        assert segment(store / ASIDE).read_bytes() == old


@pytest.mark.parametrize("how", ["boot", "earlier version"])
def test_who_comes_while_it_is_set_aside_waits(folder: Path, how: str, start: Callable[..., Program]) -> None:
    store = own_directory(folder / "store")
    kill_store(store, how)
    newcomer = start("import fdmetrics", FDMETRICS_DIR=str(store))
    assert newcomer.ask("1") == "1"
    # Who sets it aside has the byte of all that attached it for itself, and then renames the file.
    mover = start("import os" + holding(segment(store), LOCKED_BYTES["presence"], alone=True))
    assert mover.ask("held.read(0)") == "b''"
    assert newcomer.process.stdin is not None and newcomer.process.stdout is not None
    newcomer.process.stdin.write("f.Counter('jobs', 'Jobs').inc() or f.REGISTRY.lost_updates\n")
    # Long enough for it to find the lock; if it is slower than that, there is nothing to wait for.
    time.sleep(0.3)
    assert mover.ask(f"os.rename('{segment(store)}', '{folder}/moved') or held.close()") == "None"
    assert newcomer.process.stdout.readline() == "0\n"
    assert newcomer.scrape() == {"jobs_total": 1}
    assert newcomer.end().lines == []
    assert {path.name for path in store.iterdir()} == {"fdmetrics-0.seg"}


#: In each round some processes start on a dead store and are killed, each at another moment; then one comes that lives.
KILLED_STARTERS = """
    import json, os, random, signal, sys, time
    import fdmetrics
    directory, rounds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    choose = random.Random(seed)

    def started(act):
        answer, tell = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(answer)
            os.write(tell, b".")
            act(tell)
            os._exit(0)
        os.close(tell)
        assert os.read(answer, 1) == b"."
        return process, answer

    def count(tell):
        fdmetrics.Counter("jobs", "Jobs").inc()
        os.write(tell, b"counted")

    def report(tell):
        fdmetrics.Counter("jobs", "Jobs").inc()
        line = fdmetrics.generate_latest().decode().splitlines()[-1]
        os.write(tell, json.dumps([line, fdmetrics.REGISTRY.path, fdmetrics.REGISTRY.lost_updates]).encode())

    def rest(process, answer):
        text = b"".join(iter(lambda: os.read(answer, 4096), b""))
        os.close(answer)
        os.waitpid(process, 0)
        return text

    for _ in range(rounds):
        counted = 0
        for _ in range(4):
            process, answer = started(count)
            # The moment is random, and nothing waits for it.
            time.sleep(choose.uniform(0, 0.004))
            os.kill(process, signal.SIGKILL)
            counted += rest(process, answer) == b"counted"
        survivor = rest(*started(report)).decode()
        print(json.dumps([counted, sorted(os.listdir(directory)), survivor]))
        # Dead again.
        with open(f"{directory}/fdmetrics-0.seg", "r+b") as file:
            file.write(b"GARBAGE!")
    """


def test_who_is_killed_while_setting_it_aside_leaves_no_harm(folder: Path, seed: int, stress: int) -> None:
    store = own_directory(folder / "store")
    run(MANY_SERIES, FDMETRICS_DIR=str(store))
    patch(make_store(store), 0, b"GARBAGE!")
    outcome = run(KILLED_STARTERS, store, 20 * stress, seed, FDMETRICS_DIR=str(store))
    rounds = [json.loads(line) for line in outcome.output.splitlines()]
    assert len(rounds) == 20 * stress
    for counted, names, survivor in rounds:
        assert survivor, outcome.log
        line, path, lost = json.loads(survivor)
        assert (path, lost) == (str(store), 0)
        # One that was killed may have counted, and not have said so.
        assert counted + 1 <= float(line.removeprefix("jobs_total ")) <= 5
        assert names == ["fdmetrics-0.seg", ASIDE]


@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "a link to nothing", "a link to a file"])
def test_what_is_no_segment_is_named_and_stays(folder: Path, kind: str) -> None:
    store = own_directory(folder / "store")
    (folder / "victim").write_bytes(b"precious")
    {
        "a FIFO": lambda path: os.mkfifo(path),
        "a directory": lambda path: path.mkdir(),
        "a link to nothing": lambda path: path.symlink_to(folder / "nothing"),
        "a link to a file": lambda path: path.symlink_to(folder / "victim"),
    }[kind](segment(store))
    before = contents(folder)
    outcome = run(TRY.replace("fdmetrics.ForeignStoreError", "fdmetrics.FDMetricsError"), FDMETRICS_DIR=str(store))
    assert len(outcome.lines) == 1
    assert str(segment(store)) in outcome.lines[0]
    assert contents(folder) == before
