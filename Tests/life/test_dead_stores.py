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
from programs import NOBODY, Program, after_reboot, as_user, run, samples
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
def test_a_new_store_takes_the_place(folder: Path, how: str, doctor: Callable[..., set[str]]) -> None:
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
    assert doctor(store) == {"no-process"}


#: What can become of the second file of a store, and what the line says of it.
LATER_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "missing"),
    "empty": (lambda path: os.truncate(path, 0), "truncated"),
    "cut": (lambda path: os.truncate(path, 5000), "truncated"),
    "garbage": (lambda path: patch(path, 0, os.urandom(4096)), "not a store"),
}


@pytest.mark.parametrize("how", LATER_DAMAGE)
def test_a_later_segment(folder: Path, how: str, fdmctl: Callable[..., str]) -> None:
    store = own_directory(folder / "store")
    run(MANY_SERIES, FDMETRICS_DIR=str(store))
    damage, words = LATER_DAMAGE[how]
    damage(store / "fdmetrics-1.seg")
    # Who only reads says that something is missing.
    assert f"fdmctl: {store}/fdmetrics-1.seg " in fdmctl("dump", "--json", store)
    first = run(counting(), FDMETRICS_DIR=str(store))
    assert first.output == f"jobs_total 10.0 {store}"
    assert len(first.lines) == 1
    assert first.lines[0].startswith(f"{SET_ASIDE}{store}/fdmetrics-1.seg ")
    assert words in first.lines[0]
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


def test_in_a_directory_of_several_users(folder: Path) -> None:
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    before, since = as_user(NOBODY), (*after_reboot(folder), *as_user(NOBODY))
    for prefix, total, lines in ((before, 10, 0), (since, 10, 1), (since, 20, 0)):
        outcome = run(counting(), prefix=prefix, FDMETRICS_DIR=str(shared))
        assert outcome.output == f"jobs_total {total}.0 {shared}/fdmetrics-{NOBODY}"
        assert len(outcome.lines) == lines
    assert segment(shared / f"fdmetrics-{NOBODY}" / ASIDE).stat().st_uid == NOBODY


def test_where_nothing_can_be_moved(folder: Path) -> None:
    """The directory has become one that may not be written to: so has that of the service, which goes on elsewhere."""
    store = own_directory(folder / "store")
    os.chown(store, NOBODY, NOBODY)
    other = as_user(NOBODY)
    run(counting(), prefix=other, FDMETRICS_DIR=str(store))
    patch(segment(store), 0, b"GARBAGE!")
    store.chmod(0o500)
    before = contents(folder)
    outcome = run(counting(), prefix=other, FDMETRICS_DIR=str(store))
    assert outcome.output.startswith("jobs_total 10.0 /dev/shm/fdmetrics-")
    assert len(outcome.lines) == 1
    assert outcome.lines[0].startswith("fdmetrics: metrics go to ")
    assert str(segment(store)) in outcome.lines[0]
    assert contents(folder) == before


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
    for number in range(stress):
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


#: In each round a dead store, on which processes start: some are killed at random moments, the others live.
STARTERS = """
    import json, os, random, signal, sys, time
    import fdmetrics
    directory, rounds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    choose = random.Random(seed)

    class Starter:
        def __init__(self, act, go):
            self.answer, tell = os.pipe()
            self.process = os.fork()
            if self.process == 0:
                os.read(go, 1)
                act(tell)
                os._exit(0)
            os.close(tell)

        def rest(self):
            text = b"".join(iter(lambda: os.read(self.answer, 4096), b""))
            os.close(self.answer)
            os.waitpid(self.process, 0)
            return text.decode()

    def count(tell):
        fdmetrics.Counter("jobs", "Jobs").inc()
        os.write(tell, json.dumps([fdmetrics.REGISTRY.path, fdmetrics.REGISTRY.lost_updates]).encode())

    def show(tell):
        os.write(tell, fdmetrics.generate_latest())

    for _ in range(rounds):
        go, start = os.pipe()
        killed = [Starter(count, go) for _ in range(4)]
        alive = [Starter(count, go) for _ in range(4)]
        os.write(start, b"." * 8)
        for starter in killed:
            # The moment is random, and nothing waits for it.
            time.sleep(choose.uniform(0, 0.004))
            os.kill(starter.process, signal.SIGKILL)
        counted = sum(starter.rest() != "" for starter in killed)
        answers = [json.loads(starter.rest() or "null") for starter in alive]
        os.write(start, b".")
        text = Starter(show, go).rest()
        print(json.dumps([counted, answers, text, sorted(os.listdir(directory))]))
        os.close(go)
        os.close(start)
        # Dead again.
        with open(f"{directory}/fdmetrics-0.seg", "r+b") as file:
            file.write(b"GARBAGE!")
    """


def test_who_is_killed_among_others_leaves_no_harm(folder: Path, seed: int, stress: int) -> None:
    store = own_directory(folder / "store")
    patch(make_store(store), 0, b"GARBAGE!")
    outcome = run(STARTERS, store, 10 * stress, seed, FDMETRICS_DIR=str(store))
    rounds = [json.loads(line) for line in outcome.output.splitlines()]
    assert len(rounds) == 10 * stress
    for counted, answers, text, names in rounds:
        assert answers == [[str(store), 0]] * 4, outcome.log
        # One that was killed may have counted, and not have said so.
        assert counted + 4 <= samples(text)["jobs_total"] <= 8
        assert names == ["fdmetrics-0.seg", ASIDE]


#: Counts the changes to what is in the directory, and ends the process by kill -9 in place of the one of a number.
KILLER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static int count;
static void step(const char *path) {
  const char *last = getenv("KILL_AT");
  const size_t length = strlen(path);
  if (!last || length < 10) return;
  const char *end = path + length;
  const int changes = !strcmp(end - 6, "-0.seg") || !strcmp(end - 6, "-1.seg") || !strcmp(end - 10, "-set-aside");
  if (changes && ++count == atoi(last)) kill(getpid(), SIGKILL);
}
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
int rename(const char *from, const char *to) { step(from); return REAL(rename)(from, to); }
int unlink(const char *path) { step(path); return REAL(unlink)(path); }
int mkdir(const char *path, mode_t mode) { step(path); return REAL(mkdir)(path, mode); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
  step(to);
  return REAL(linkat)(a, from, b, to, flags);
}
"""
#: In each round one process ends at its next change of the directory, and another one comes.
ONE_BY_ONE = """
    import os, signal, sys
    import fdmetrics
    directory = sys.argv[1]

    def child(act):
        process = os.fork()
        if process == 0:
            act()
            os._exit(0)
        return os.waitpid(process, 0)[1]

    def count():
        fdmetrics.Counter("jobs", "Jobs").inc()

    def show():
        count()
        line = fdmetrics.generate_latest().decode().splitlines()[-1]
        os.write(1, f"{line} {fdmetrics.REGISTRY.lost_updates} {sorted(os.listdir(directory))}\\n".encode())

    status = signal.SIGKILL
    number = 0
    while status == signal.SIGKILL:
        number += 1
        os.environ["KILL_AT"] = str(number)
        status = child(count)
        del os.environ["KILL_AT"]
        assert child(show) == 0
        for name in ("fdmetrics-1.seg", "fdmetrics-0.seg"):
            with open(f"{directory}/{name}", "a+b") as file:
                os.pwrite(file.fileno(), b"GARBAGE!", 0)
    assert status == 0
    """


def test_who_is_killed_at_any_step_leaves_no_harm(folder: Path) -> None:
    store = own_directory(folder / "store")
    run(MANY_SERIES, FDMETRICS_DIR=str(store))
    patch(segment(store), 0, b"GARBAGE!")
    library = folder / "killer.so"
    (folder / "killer.c").write_text(KILLER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(folder / "killer.c"), "-ldl"], check=True)
    outcome = run(ONE_BY_ONE, store, FDMETRICS_DIR=str(store), LD_PRELOAD=str(library))
    rounds = outcome.output.splitlines()
    # The directory, two segments that were kept there, two that go there, a new one: all of them are steps.
    assert len(rounds) >= 6
    left = f"['fdmetrics-0.seg', '{ASIDE}']"
    # The last one lives.
    assert set(rounds[:-1]) <= {f"jobs_total 1.0 0 {left}"}, outcome.log
    assert rounds[-1] == f"jobs_total 2.0 0 {left}"


@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "a link to nothing", "a link to a file"])
def test_what_is_no_segment_is_named_and_stays(folder: Path, kind: str) -> None:
    store = own_directory(folder / "store")
    (folder / "victim").write_bytes(b"precious")
    if kind == "a FIFO":
        os.mkfifo(segment(store))
    elif kind == "a directory":
        segment(store).mkdir()
    else:
        segment(store).symlink_to(folder / ("nothing" if kind == "a link to nothing" else "victim"))
    before = contents(folder)
    outcome = run(TRY.replace("ForeignStoreError", "FDMetricsError"), FDMETRICS_DIR=str(store))
    assert len(outcome.lines) == 1
    assert str(segment(store)) in outcome.lines[0]
    assert contents(folder) == before
