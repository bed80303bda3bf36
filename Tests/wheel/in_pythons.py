# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A part of python/tests, and threads that count at once, with the installed wheel, in every Python: make test-pythons.

Not named as a test module: it runs where it is asked for by name. What the tests themselves need comes from PyPI.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from checkouts import ROOT
from environments import Environment, clean, run
from interpreters import Interpreter

HERE = Path(__file__).parent
STRICT = ("-X", "dev", "-W", "error")
#: Longer than a part of the tests takes, on an emulated machine, too.
HANG_SECONDS = 1_800
NEEDED = ("pytest", "prometheus_client")
#: What pip leaves out for an older Python where it runs in a newer one.
NEEDED_BY_OLDER = ("exceptiongroup", "tomli", "typing_extensions")

#: Of everything that touches Python's or the C library's own ways: objects, ctypes, forks, signals, threads, sockets.
TESTS = (
    *("automatic_directory", "builtins", "context_managers", "conflict", "dropin_metrics", "dropin_processes"),
    *("exposition", "fork", "gauge_modes", "http_server", "info_enum", "install", "install_processes", "instruments"),
    *("labels", "lazy_attach", "logical_workers", "process_metrics", "python_metrics", "store_failures"),
    *("subinterpreters", "unregister", "utf8_names", "zmq", "zmq_carriers"),
)
#: Forks while threads record: QEMU has mutexes of its own, which a child may find taken forever.
MODULES_NOT_UNDER_QEMU = ("fork",)
#: The same forks. CPython 3.13 without the GIL releases an object's lock by handing it to the thread that waits for it.
#: A fork may come before that thread runs: in the child, which has one thread, the lock is then held forever. That is
#: so of any dictionary, without anything of this package.
NOT_FREE_THREADED = ("forks_while_threads",)
#: What QEMU has no true answer for: its /proc/self/stat is made up, so that processes do not know each other again by
#: when they began, nor what they used; signals come faster than an emulated handler ends; threads fork.
TESTS_NOT_UNDER_QEMU = (
    *("siblings_share_a_directory", "that_were_killed_are_removed", "processes_and_interpreters"),
    *("processes_are_summed", "forks_while_threads", "handler_of_signals", "live_processes_are_added_up"),
    "an_ordinary_end",
)
#: Of these what is run in development mode, too.
IN_DEVELOPMENT_MODE = ("builtins", "fork", "instruments", "lazy_attach")
#: What is left out of those under QEMU: the same, and what runs many other tests a second time, which takes minutes.
NOT_IN_DEVELOPMENT_MODE_UNDER_QEMU = (*MODULES_NOT_UNDER_QEMU, "builtins")


@pytest.fixture(scope="session")
def with_needed(interpreter: Interpreter, installed: Environment) -> Environment:
    """The environment with what the tests need. This Python's pip fetches it: not every one here can speak TLS."""
    version = ".".join(map(str, interpreter.version))
    build = "t" if interpreter.free_threaded else ""
    (packages,) = installed.folder.glob(f"lib/python{version}{build}/site-packages")
    tags = ("musllinux_1_1", "musllinux_1_2") if interpreter.libc == "musl" else ("manylinux2014", "manylinux_2_28")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", packages]
    command += ["--only-binary=:all:", "--python-version", version, "--implementation", "cp"]
    # The stable ABI is not that of a free-threaded build.
    abis = [f"cp{version.replace('.', '')}{build}", *([] if build else ["abi3"]), "none"]
    command += [word for abi in abis for word in ("--abi", abi)]
    command += [word for tag in tags for word in ("--platform", f"{tag}_{interpreter.machine}")]
    # Newer ones have no wheel for a free-threaded 3.13.
    done = run([*command, *NEEDED, *NEEDED_BY_OLDER, "pyzmq<27" if build else "pyzmq"], clean())
    assert done.returncode == 0, done.stdout
    return installed


@pytest.fixture(scope="session")
def tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of python/tests, with nothing of the package beside it that could be taken for the installed one."""
    folder = tmp_path_factory.mktemp("copied")
    shutil.copytree(ROOT / "python/tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "python/pyproject.toml", folder)
    return folder


def run_tests(interpreter: Interpreter, environment: Environment, tests: Path, names: list[str], *options: str) -> str:
    """Runs some of them; the last line that pytest says."""
    files = [tests / f"tests/test_{name}.py" for name in names]
    words = [*options, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tests, *files]
    left_out = NOT_FREE_THREADED if interpreter.free_threaded else ()
    left_out += TESTS_NOT_UNDER_QEMU if interpreter.is_emulated else ()
    if left_out:
        words += ["-k", f"not ({' or '.join(left_out)})"]
    # With the tools of this machine on the PATH, other than what a user's programs get here.
    variables = clean(PYTHONDONTWRITEBYTECODE="1")
    done = run([environment.python, *words], variables, cwd=environment.folder, timeout=HANG_SECONDS)
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()[-1]


def those_for(interpreter: Interpreter, names: tuple[str, ...], not_under_qemu: tuple[str, ...]) -> list[str]:
    """What of them can run with an interpreter."""
    return [name for name in names if not (interpreter.is_emulated and name in not_under_qemu)]


def test_part_of_the_tests(interpreter: Interpreter, with_needed: Environment, tests: Path) -> None:
    print(run_tests(interpreter, with_needed, tests, those_for(interpreter, TESTS, MODULES_NOT_UNDER_QEMU)))


def test_part_of_the_tests_in_development_mode(interpreter: Interpreter, with_needed: Environment, tests: Path) -> None:
    names = those_for(interpreter, IN_DEVELOPMENT_MODE, NOT_IN_DEVELOPMENT_MODE_UNDER_QEMU)
    print(run_tests(interpreter, with_needed, tests, names, "-X", "dev"))


@pytest.mark.parametrize("way", ["builtins", "ctypes"])
def test_many_threads_count_exactly(installed: Environment, interpreter: Interpreter, store: Path, way: str) -> None:
    variables = {"FDMETRICS_DIR": str(store), "FDMETRICS_PURE_CTYPES": "1" if way == "ctypes" else "0"}
    if interpreter.free_threaded:
        variables["PYTHON_GIL"] = "0"
    done = installed.run(*STRICT, HERE / "many_threads.py", **variables)
    assert done.returncode == 0, done.stdout
    gil = "without the GIL" if interpreter.free_threaded else "with the GIL"
    assert done.stdout.splitlines() == [gil, "exact"]
