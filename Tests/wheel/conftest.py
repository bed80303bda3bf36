# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The wheel, and environments to install it into. Needs PyPI.

Environment:
    FDMETRICS_LIBRARY  the library that the wheel carries (build/lib/self-contained/libfdmetrics.so)
    FDMCTL             the tool that it carries (build/bin/fdmctl)
    FDM_PYTHONS        path:path of the Pythons to install into, in place of all that are found
    FDM_PLATFORMS      a folder that scripts/platforms.sh has filled (build/platforms): its Pythons, too
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import interpreters
from checkouts import ROOT, Checkout
from environments import Environment
from interpreters import Interpreter

FOUND = interpreters.find()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for an interpreter runs once with each."""
    if "interpreter" in metafunc.fixturenames:
        if not FOUND:
            raise pytest.UsageError("no Python 3.9 or newer found to install into; FDM_PYTHONS=path:path names some")
        metafunc.parametrize("interpreter", FOUND, ids=[each.name for each in FOUND], scope="session")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which Pythons the wheel was installed into: what is not listed was not there."""
    for line in interpreters.table(FOUND):
        terminalreporter.write_line(line)


def given(variable: str, default: str) -> Path:
    """Something that must have been built."""
    path = Path(os.environ.get(variable) or ROOT / default).resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make self-contained`, or set {variable}")
    return path


@pytest.fixture(scope="session")
def library() -> Path:
    """The library that goes into the wheel."""
    return given("FDMETRICS_LIBRARY", "build/lib/self-contained/libfdmetrics.so")


@pytest.fixture(scope="session")
def tool() -> Path:
    """The tool that goes into the wheel."""
    return given("FDMCTL", "build/bin/fdmctl")


@pytest.fixture
def checkout(tmp_path: Path, library: Path, tool: Path) -> Checkout:
    """A checkout in which nothing was built yet."""
    return Checkout(tmp_path / "checkout", library, tool)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory, library: Path, tool: Path) -> Checkout:
    """A checkout with an sdist, and the wheel that was made from it."""
    checkout = Checkout(tmp_path_factory.mktemp("released") / "checkout", library, tool)
    done = checkout.build()
    assert done.returncode == 0, done.stdout
    return checkout


@pytest.fixture(scope="session")
def wheel(released: Checkout) -> Path:
    """The wheel under test."""
    return released.built("*.whl")


@pytest.fixture(scope="session")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files."""
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(wheel, folder, "zip")
    return folder


@pytest.fixture(scope="session")
def installed(interpreter: Interpreter, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment with the wheel alone in it; pip asks nobody for anything else."""
    environment = Environment(tmp_path_factory.mktemp(f"python{interpreter.name}") / "venv", interpreter.path)
    done = environment.install("--no-index", str(wheel))
    assert done.returncode == 0, done.stdout
    return environment


@pytest.fixture
def store() -> Iterator[Path]:
    """The directory of a store that does not exist yet, in shared memory."""
    folder = Path(tempfile.mkdtemp(prefix="fdm-wheel-", dir="/dev/shm"))
    yield folder / "store"
    shutil.rmtree(folder)
