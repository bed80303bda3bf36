# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The wheels, and environments to install them into. Needs PyPI.

Environment:
    FDM_DIST       the folder with the packages of all platforms (build/dist)
    FDMCTL         the tool that is in its wheel (build/bin/fdmctl)
    FDM_PYTHONS    path:path of the Pythons to install into, in place of all that are found
    FDM_PLATFORMS  a folder that scripts/platforms.sh has filled (build/platforms): its Pythons, too
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import interpreters
from checkouts import HOST, ROOT, Checkout
from environments import Environment
from interpreters import Interpreter
from packages import TAGS, Packages

FOUND = interpreters.find()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for an interpreter or a platform runs once with each."""
    if "platform" in metafunc.fixturenames:
        metafunc.parametrize("platform", TAGS, scope="session")
    if "interpreter" in metafunc.fixturenames:
        if not FOUND:
            raise pytest.UsageError("no Python 3.9 or newer found to install into; FDM_PYTHONS=path:path names some")
        metafunc.parametrize("interpreter", FOUND, ids=[each.name for each in FOUND], scope="session")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which Pythons the wheel was installed into: what is not listed was not there."""
    for line in interpreters.table(FOUND):
        terminalreporter.write_line(line)


def given(path: Path, goal: str, variable: str) -> Path:
    """Something that must have been built."""
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make {goal}`, or set {variable}")
    return path


@pytest.fixture(scope="session")
def packages() -> Packages:
    """What `make dist` made."""
    folder = Path(os.environ.get("FDM_DIST") or ROOT / "build/dist").resolve()
    given(folder / "SHA256SUMS", "dist", "FDM_DIST")
    return Packages(folder)


@pytest.fixture(scope="session")
def libraries() -> Path:
    """The folder of the libraries that are in the wheels."""
    for platform in TAGS:
        given(ROOT / "build/lib" / platform / "libfdmetrics.so", f"lib PLATFORM={platform}", "FDM_DIST")
    return ROOT / "build/lib"


@pytest.fixture(scope="session")
def library(libraries: Path) -> Path:
    """The library in the wheel of this machine."""
    return libraries / HOST / "libfdmetrics.so"


@pytest.fixture(scope="session")
def tool() -> Path:
    """The tool that is in its wheel."""
    return given(Path(os.environ.get("FDMCTL") or ROOT / "build/bin/fdmctl").resolve(), "tool", "FDMCTL")


@pytest.fixture
def checkout(tmp_path: Path, libraries: Path, tool: Path) -> Checkout:
    """A checkout in which nothing was built yet."""
    return Checkout(tmp_path / "checkout", libraries, tool)


@pytest.fixture(scope="session")
def wheel(packages: Packages) -> Path:
    """The wheel of this machine."""
    return packages.wheel(HOST)


def extracted(wheel: Path, folder: Path) -> Path:
    """A wheel's files."""
    shutil.unpack_archive(wheel, folder, "zip")
    return folder


@pytest.fixture(scope="session")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel of this machine."""
    return extracted(wheel, tmp_path_factory.mktemp("unpacked"))


@pytest.fixture(scope="session")
def of_platform(platform: str, packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the wheel of a platform."""
    return extracted(packages.wheel(platform), tmp_path_factory.mktemp(platform))


@pytest.fixture(scope="session")
def of_tool(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the tool's wheel."""
    return extracted(packages.tool, tmp_path_factory.mktemp("tool"))


@pytest.fixture(scope="session")
def installed(interpreter: Interpreter, packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment with fdmetrics alone: pip takes the wheel that fits, and asks nobody for anything else."""
    environment = Environment(tmp_path_factory.mktemp(f"python{interpreter.name}") / "venv", interpreter.path)
    done = environment.install("--no-index", "--only-binary=:all:", "--find-links", str(packages.folder), "fdmetrics")
    assert done.returncode == 0, done.stdout
    return environment


@pytest.fixture
def store() -> Iterator[Path]:
    """The directory of a store that does not exist yet, in shared memory."""
    folder = Path(tempfile.mkdtemp(prefix="fdm-wheel-", dir="/dev/shm"))
    yield folder / "store"
    shutil.rmtree(folder)
