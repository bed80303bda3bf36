# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What `make dist` made, and places to use it from.

Environment:
    FDMCTL             the tool (build/bin/fdmctl)
    FDM_DIST           the folder with tarballs and wheels (build/dist)
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from languages import LANGUAGES
from places import HOST, PLATFORMS, ROOT, Place, tarball, unpacked


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a platform or a language runs once with each."""
    if "platform" in metafunc.fixturenames:
        metafunc.parametrize("platform", PLATFORMS, scope="session")
    if "language" in metafunc.fixturenames:
        metafunc.parametrize("language", LANGUAGES.values(), ids=str, scope="session")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which languages there were compilers of: what is not listed was not there."""
    terminalreporter.write_line("programs were linked in " + ", ".join(map(str, LANGUAGES.values())))


@pytest.fixture(scope="session")
def dist() -> Path:
    """The folder with all packages."""
    path = Path(os.environ.get("FDM_DIST") or ROOT / "build/dist").resolve()
    if not (path / "SHA256SUMS").is_file():
        pytest.fail(f"{path}/SHA256SUMS is not there; run `make dist`, or set FDM_DIST")
    return path


@pytest.fixture(scope="session")
def tool() -> Path:
    """fdmctl."""
    path = Path(os.environ.get("FDMCTL") or ROOT / "build/bin/fdmctl").resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make tool`, or set FDMCTL")
    return path


@pytest.fixture(scope="session")
def folder(platform: str, dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a platform's tarball, which was moved after it was unpacked."""
    return unpacked(tarball(dist, platform), tmp_path_factory.mktemp("moved"))


@pytest.fixture(scope="session")
def of_platform(platform: str, folder: Path) -> Place:
    """The platform's libraries, out of the tarball."""
    return Place(platform, folder / "include", folder / "lib")


@pytest.fixture(scope="session", params=["built", "moved"])
def place(request: pytest.FixtureRequest, dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The libraries of this machine: where they were built, and out of a tarball."""
    if request.param == "built":
        return Place(HOST, ROOT / "Include", ROOT / "build/lib" / HOST)
    folder = unpacked(tarball(dist, HOST), tmp_path_factory.mktemp("moved"))
    return Place(HOST, folder / "include", folder / "lib")


@pytest.fixture
def store() -> Iterator[Path]:
    """The directory of a store that does not exist yet, in shared memory."""
    parent = Path(tempfile.mkdtemp(prefix="fdm-dist-", dir="/dev/shm"))
    yield parent / "store"
    shutil.rmtree(parent)
