# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the process tests.

Environment:
    FDMETRICS_LIBRARY  the library under test (build/lib/libfdmetrics.so)
    FDMCTL             the fdmctl tool (.build/release/fdmctl)
    FDM_CC             the compiler, for programs of the library's platform ($CC or cc)
    FDM_RUN            what runs these programs, where this machine does not by itself: "qemu-aarch64 -L FOLDER"
    FDM_BESIDE         a library of this machine's own platform: every second process is of it
    FDM_STRESS         multiplies the amount of work (1)
    FDM_SEED           repeats a run: each test prints the seed that it used
"""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shells import Shell

ROOT = Path(__file__).resolve().parents[2]
HANG_SECONDS = 300.0


@pytest.fixture(scope="session")
def stress() -> int:
    """How many times the usual amount of work is done."""
    return max(1, int(os.environ.get("FDM_STRESS", "1")))


@pytest.fixture
def seed() -> int:
    """The seed of this test's random choices."""
    chosen = int(os.environ.get("FDM_SEED") or random.SystemRandom().randrange(1, 1 << 31))
    print(f"FDM_SEED={chosen}")
    return chosen


@pytest.fixture(scope="session")
def library() -> Path:
    """The library under test."""
    path = Path(os.environ.get("FDMETRICS_LIBRARY") or ROOT / "build/lib/libfdmetrics.so").resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make lib`, or set FDMETRICS_LIBRARY to a built libfdmetrics.so")
    return path


def compiled(compiler: str, library: Path, program: Path) -> Path:
    """The worker program, compiled against the header and linked with a library."""
    sources = sorted((Path(__file__).parent / "worker").glob("*.c"))
    command = [*shlex.split(compiler), "-std=c99", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]
    command += [f"-I{ROOT / 'Include'}", *(str(source) for source in sources)]
    command += ["-o", str(program), str(library), f"-Wl,-rpath,{library.parent}", "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return program


@pytest.fixture(scope="session")
def worker(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What runs the worker program with the library under test."""
    folder = tmp_path_factory.mktemp("worker")
    native = os.environ.get("CC", "cc")
    program = compiled(os.environ.get("FDM_CC") or native, library, folder / "program")
    runner, beside = os.environ.get("FDM_RUN"), os.environ.get("FDM_BESIDE")
    if not runner and not beside:
        yield program
        return
    ran, ran_beside = folder / "ran", folder / "ran-beside"
    script = ["#!/bin/sh"]
    if beside:
        other = compiled(native, Path(beside).resolve(), folder / "beside")
        # By its number, so that of processes that are started one after the other each is of the other kind.
        script.append(f'if [ $(($$ % 2)) = 0 ]; then : > "{ran_beside}"; exec "{other}" "$@"; fi')
    script += [f': > "{ran}"', f'exec {runner or ""} "{program}" "$@"']
    path = folder / "worker"
    path.write_text("\n".join(script) + "\n")
    path.chmod(0o755)
    yield path
    assert ran.exists(), "no process ran with the library under test"
    assert not beside or ran_beside.exists(), "no process ran with the library of FDM_BESIDE"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A fresh directory in shared memory, for files beside the store."""
    path = Path(tempfile.mkdtemp(prefix="fdm-processes-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def store(folder: Path) -> Path:
    """The directory of a store that does not exist yet."""
    return folder / "store"


@pytest.fixture
def shell(worker: Path) -> Iterator[Callable[[], Shell]]:
    """Starts worker processes that take commands; those that still run at the end of the test are killed."""
    started: list[Shell] = []

    def start() -> Shell:
        started.append(Shell([str(worker), "shell"]))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def run(worker: Path) -> Callable[..., str]:
    """Runs a role of the worker program to its end and gives its output."""

    def run_role(*arguments: object, prefix: tuple[str, ...] = ()) -> str:
        command = [*prefix, str(worker), *(str(argument) for argument in arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS)
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    return run_role


@pytest.fixture
def render(shell: Callable[[], Shell], store: Path) -> Callable[[], str]:
    """Renders the store from a process that only reads."""
    reader: list[Shell] = []

    def render_store() -> str:
        if not reader:
            reader.append(shell())
        return reader[0].render_directory(store)

    return render_store


@pytest.fixture
def check(store: Path) -> Callable[[], None]:
    """Lets `fdmctl check` verify every invariant of the store."""
    tool = Path(os.environ.get("FDMCTL") or ROOT / ".build/release/fdmctl")
    if not tool.is_file():
        pytest.fail(f"{tool} is not there; run `make`, or set FDMCTL to a built fdmctl")

    def check_store() -> None:
        done = subprocess.run([str(tool), "check", str(store)], capture_output=True, text=True, timeout=HANG_SECONDS)
        assert done.returncode == 0, f"{tool} check {store} ended with {done.returncode}:\n{done.stdout}{done.stderr}"

    return check_store
