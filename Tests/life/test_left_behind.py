# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Automatic stores leave nothing behind, however the processes that share one end; what is held stays."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from pathlib import Path

import pytest
from compiling import compiled, preloaded, run_program
from programs import HANG_SECONDS, NOBODY, environment, run

#: A prefix of a command line that runs it with an empty /dev/shm of its own.
ALONE = (
    *("unshare", "--mount", "--propagation", "private"),
    *("sh", "-c", 'mount -t tmpfs none /dev/shm && chmod 1777 /dev/shm && exec "$@"', "sh"),
)

#: Runs the programs that are its arguments one after the other and says after each how many directories of automatic
#: stores are in /dev/shm, and what else is there or was printed. The end of standard input tells what a program has
#: left running that the program itself has ended and was waited for.
ONE_AFTER_THE_OTHER = """
    import os, subprocess, sys
    for source in sys.argv[1:]:
        program = subprocess.Popen([sys.executable, "-c", source], stdin=-1, stdout=-1, stderr=-2, text=True)
        program.wait()
        program.stdin.close()
        said = program.stdout.read().split()
        names = os.listdir("/dev/shm")
        directories = [name for name in names if len(name) == 46 and name.startswith("fdmetrics-")]
        others = sorted(set(names) - set(directories))
        print(len(directories), *others, *said)
    """

NEXT = "import fdmetrics\nfdmetrics.Counter('jobs', 'Jobs').inc()"

KILLED = """
import os, fdmetrics
fdmetrics.Counter("jobs", "Jobs").inc()
os.kill(os.getpid(), 9)
"""

#: The root has gone before anybody attaches.
DAEMON = """
import os, sys, fdmetrics
jobs = fdmetrics.Counter("jobs", "Jobs")
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
sys.stdin.read()
jobs.inc()
print(os.path.isdir(fdmetrics.REGISTRY.path))
"""

#: The same, of a process that ends without its exit handlers.
HARD_DAEMON = DAEMON + "\nsys.stdout.flush()\nos._exit(0)\n"

#: A child makes the store; neither it nor the root has exit handlers.
HARD_ROOT = """
import os, fdmetrics
jobs = fdmetrics.Counter("jobs", "Jobs")
if os.fork() == 0:
    jobs.inc()
    os._exit(0)
os.wait()
os._exit(0)
"""

#: A master of root that never attaches, with workers of another user.
MASTER = f"""
import os, fdmetrics
jobs = fdmetrics.Counter("jobs", "Jobs")
for _ in range(2):
    if os.fork() == 0:
        os.setgid({NOBODY})
        os.setuid({NOBODY})
        jobs.inc()
        raise SystemExit(fdmetrics.REGISTRY.lost_updates)
statuses = [os.wait()[1] for _ in range(2)]
print(statuses)
"""

#: A program of that other user that makes an automatic store.
NEXT_OF_OTHER = f"import os, fdmetrics\nos.setgid({NOBODY})\nos.setuid({NOBODY})\n" + NEXT


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        pytest.param([NEXT, NEXT], ["0", "0"], id="ordinary"),
        pytest.param([DAEMON], ["0 True"], id="daemon"),
        pytest.param([HARD_DAEMON, NEXT], ["1 True", "0"], id="daemon without exit handlers"),
        pytest.param([KILLED, KILLED, NEXT], ["1", "1", "0"], id="killed"),
        pytest.param([HARD_ROOT, NEXT], ["1", "0"], id="root without exit handlers"),
        # The master is alive when its workers end, so the last store stays until there is another of this user.
        pytest.param([MASTER] * 3 + [NEXT_OF_OTHER], ["1 [0, 0]"] * 3 + ["0"], id="workers of another user"),
    ],
)
def test_nothing_is_left(programs: list[str], expected: list[str]) -> None:
    assert run(ONE_AFTER_THE_OTHER, *programs, prefix=ALONE).output.splitlines() == expected


def test_empty_directories_and_those_of_others() -> None:
    source = """
        import os, subprocess, sys, uuid
        made = {kind: f"/dev/shm/fdmetrics-{uuid.uuid4()}" for kind in ("empty", "file", "theirs", "foreign", "link")}
        for kind in ("empty", "theirs", "foreign"):
            os.mkdir(made[kind], 0o700)
        os.chown(made["theirs"], 65534, 65534)
        open(made["file"], "w").close()
        open(made["foreign"] + "/note", "w").close()
        os.mkdir("/dev/shm/elsewhere", 0o700)
        os.symlink("/dev/shm/elsewhere", made["link"])
        subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
        print(*(kind for kind in made if os.path.lexists(made[kind])), os.path.isdir("/dev/shm/elsewhere"))
        """
    assert run(source, NEXT, prefix=ALONE).output == "file theirs foreign link True"


def test_what_is_held_stays() -> None:
    # A fork child that only has what its parent attached, and a process that never attached by itself, hold it too.
    source = """
        import os, subprocess, sys
        program = '''
        import os, fdmetrics
        jobs = fdmetrics.Counter("jobs", "Jobs")
        jobs.inc()
        if os.fork():
            os.kill(os.getpid(), 9)
        print(fdmetrics.REGISTRY.path, flush=True)
        input()
        jobs.inc()
        print(fdmetrics.generate_latest().decode().splitlines()[-1], flush=True)
        '''
        held = subprocess.Popen([sys.executable, "-c", program.replace("\\n        ", "\\n")], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        path = held.stdout.readline().strip()
        held.wait()
        for _ in range(3):
            subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
        print(os.listdir(path))
        held.stdin.write("\\n")
        held.stdin.close()
        print(held.stdout.read().strip())
        print(os.path.exists(path))
        """
    assert run(source, NEXT, prefix=ALONE).output.splitlines() == ["['fdmetrics-0.seg']", "jobs_total 2.0", "False"]


def test_attaching_against_removal(folder: Path, tmp_path: Path, stress: int) -> None:
    directory = folder / f"fdmetrics-{uuid.uuid4()}"
    ended = subprocess.Popen(["true"])
    ended.wait()
    program = compiled("attaching", tmp_path)
    outcome = run_program(program, 80 * stress, 6, FDMETRICS_AUTO_DIR=str(directory), FDMETRICS_AUTO_PID=str(ended.pid))
    assert outcome.log == ""
    assert list(folder.iterdir()) == []


def test_a_root_that_nobody_has_waited_for(folder: Path) -> None:
    directory = folder / f"fdmetrics-{uuid.uuid4()}"
    root = subprocess.Popen(["true"])
    os.waitid(os.P_PID, root.pid, os.WEXITED | os.WNOWAIT)
    run(NEXT, FDMETRICS_AUTO_DIR=str(directory), FDMETRICS_AUTO_PID=str(root.pid))
    assert list(folder.iterdir()) == []
    root.wait()


def kill_at(call: str, program: Path, **changes: str) -> None:
    """Runs a program that is killed at its first call of that name, before the call has done anything."""
    inject = f"inject={call}:signal=KILL:when=1"
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, str(program)],
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == -signal.SIGKILL, f"{call} was not called: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("call", ["ftruncate", "fallocate", "linkat"])
def test_killed_while_making_a_store(call: str, folder: Path, tmp_path: Path) -> None:
    program = compiled("attaching", tmp_path)
    kill_at(call, program, FDMETRICS_DIR=str(folder / "store"))
    assert list((folder / "store").iterdir()) == []
    run_program(program, FDMETRICS_DIR=str(folder / "store"))


@pytest.mark.parametrize("kind", ["named", "automatic"])
@pytest.mark.parametrize("call", ["fallocate", "link"])
def test_killed_where_a_file_must_have_a_name(kind: str, call: str, folder: Path, tmp_path: Path) -> None:
    program = compiled("attaching", tmp_path)
    refusing = {"LD_PRELOAD": str(preloaded("refusing", tmp_path)), "REFUSE_NAMELESS": "1"}
    directory = folder / f"fdmetrics-{uuid.uuid4()}"
    variable = "FDMETRICS_DIR" if kind == "named" else "FDMETRICS_AUTO_DIR"
    kill_at(call, program, **refusing, **{variable: str(directory)})
    (draft,) = directory.iterdir()
    # What is new may belong to a process that is just making a store.
    two_minutes_ago = time.time() - 120
    os.utime(draft, (two_minutes_ago, two_minutes_ago))
    if kind == "named":
        run_program(program, FDMETRICS_DIR=str(directory), **refusing)
        assert [path.name for path in directory.iterdir()] == ["fdmetrics-0.seg"]
    else:
        run_program(program, FDMETRICS_AUTO_DIR=str(folder / f"fdmetrics-{uuid.uuid4()}"), **refusing)
        assert not directory.exists()
