# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of one service find one store though nobody above them imports fdmetrics and nothing is configured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from .support import environment, run_program

#: A worker that loads the application by itself: counts, and prints where, who is at the root, and the total.
WORKER = """
import os, sys

def work(amount):
    import fdmetrics
    fdmetrics.Counter("c", "").inc(amount)
    total = [line for line in fdmetrics.generate_latest().decode().split("\\n") if line.startswith("c_total")]
    print(os.environ["FDMETRICS_AUTO_DIR"], os.environ["FDMETRICS_AUTO_PID"], os.getpid(), os.getppid(), total[0][8:])
    sys.stdout.flush()
"""
FORKS = """
import os
from worker import work

assert "fdmetrics" not in __import__("sys").modules
for amount in (1, 2, 3):
    child = os.fork()
    if child == 0:
        work(amount)
        os._exit(0)
    os.waitpid(child, 0)
"""
MULTIPROCESSING = """
import multiprocessing, sys
from worker import work

if __name__ == "__main__":
    assert "fdmetrics" not in sys.modules
    for amount, method in enumerate(sys.argv[1:], 1):
        process = multiprocessing.get_context(method).Process(target=work, args=(amount,))
        process.start()
        process.join()
        assert process.exitcode == 0
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A directory for a program and its worker module."""
    (tmp_path / "worker.py").write_text(WORKER)
    return tmp_path


def service_environment(program: Path) -> Dict[str, str]:
    """Nothing is configured; workers find their module wherever they are started from."""
    variables = environment(FDMETRICS_AUTO_PID="")
    return {**variables, "PYTHONPATH": os.pathsep.join([str(program), variables["PYTHONPATH"]])}


def run(program: Path, text: str, *arguments: str) -> List[Tuple[str, int, int, int, float]]:
    """What each worker of a program printed: directory, root, process, parent, total."""
    (program / "main.py").write_text(textwrap.dedent(text))
    result = subprocess.run(
        [sys.executable, str(program / "main.py"), *arguments],
        env=service_environment(program),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    found = []
    for line in result.stdout.splitlines():
        directory, root, process, parent, total = line.split()
        found.append((directory, int(root), int(process), int(parent), float(total)))
    return found


def test_forked_siblings_share_a_directory(program: Path) -> None:
    workers = run(program, FORKS)
    assert [total for *_, total in workers] == [1, 3, 6]
    directory, root, process, parent, _ = workers[0]
    assert {worker[:2] for worker in workers} == {(directory, parent)}
    assert root == parent != process
    # Another run of the same program is another service.
    assert run(program, FORKS)[0][0] != directory


@pytest.mark.parametrize("methods", [("spawn", "spawn"), ("forkserver", "forkserver"), ("spawn", "forkserver", "fork")])
def test_children_of_multiprocessing_share_a_directory(program: Path, methods: Tuple[str, ...]) -> None:
    workers = run(program, MULTIPROCESSING, *methods)
    assert len({directory for directory, *_ in workers}) == 1
    assert [total for *_, total in workers] == [sum(range(1, n + 1)) for n in range(1, len(methods) + 1)]


def test_programs_started_apart_do_not_share(program: Path) -> None:
    workers = run(
        program,
        """
        import subprocess, sys
        for amount in "12":
            subprocess.run([sys.executable, "-c", f"from worker import work; work({amount})"], check=True)
        """,
    )
    assert len({directory for directory, *_ in workers}) == 2
    assert [total for *_, total in workers] == [1, 2]


def test_a_program_that_imports_first_is_the_root(program: Path) -> None:
    printed = run_program(
        """
        import os, fdmetrics
        print(os.environ["FDMETRICS_AUTO_PID"] == str(os.getpid()))
        """
    )
    assert printed == "True\n"


def test_the_name_tells_nothing_of_the_secret(program: Path) -> None:
    workers = run(program, FORKS)
    name = os.path.basename(workers[0][0])
    assert name.startswith("fdmetrics-")
    assert uuid.UUID(name[len("fdmetrics-") :]).version == 8


def test_directories_of_services_that_were_killed_are_removed_by_the_next_one(program: Path) -> None:
    """The root never attaches, and its only worker is killed: nobody is left to remove the directory."""
    (program / "main.py").write_text(
        "import os, sys\nfrom worker import work\nchild = os.fork()\nif child == 0:\n    work(1)\nsys.stdin.read()\n"
    )
    master = subprocess.Popen(
        [sys.executable, str(program / "main.py")],
        env=service_environment(program),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert master.stdout is not None
    directory, _, worker, *_ = master.stdout.readline().split()
    os.kill(int(worker), signal.SIGKILL)
    # As long as its root lives the directory stays, though no process is attached.
    other = run(program, FORKS)[0][0]
    assert os.path.isdir(directory)
    assert other != directory
    master.kill()
    master.communicate()
    run(program, FORKS)
    # So is the one of the run between, whose root has ended too.
    assert not os.path.exists(directory)
    assert not os.path.exists(other)


def test_a_directory_that_is_in_use_is_not_removed(program: Path) -> None:
    """The root is dead, but a process that it forked lives on."""
    (program / "main.py").write_text(
        "import os, sys\nfrom worker import work\nif os.fork() == 0:\n    work(1)\n    sys.stdin.read()\n"
    )
    orphan = subprocess.Popen(
        [sys.executable, str(program / "main.py")],
        env=service_environment(program),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert orphan.stdout is not None
    directory = orphan.stdout.readline().split()[0]
    assert orphan.wait() == 0
    run(program, FORKS)
    assert os.path.isdir(directory)
    # Its end is the end of the last one, and of a service whose root is gone.
    orphan.communicate("")
    deadline = time.monotonic() + 30
    while os.path.exists(directory) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(directory)
