# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Stores for the tests of fdmctl.

FDMCTL             the tool (build/bin/fdmctl)
FDMETRICS_LIBRARY  the library that makes the stores (python/fdmetrics/libfdmetrics.so)
FDM_STRESS         how many times as long to run
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from segment_file import SegmentFile
from tool import ROOT, Tool
from writers import Writers


def built(variable: str, default: str, goal: str) -> Path:
    """Something that must have been built."""
    path = Path(os.environ.get(variable) or ROOT / default).resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make {goal}`, or set {variable}")
    return path


@pytest.fixture(scope="session")
def tool() -> Tool:
    """fdmctl."""
    return Tool(built("FDMCTL", "build/bin/fdmctl", "library tool"))


@pytest.fixture(scope="session")
def stores() -> Iterator[Path]:
    """A folder in shared memory."""
    path = Path(tempfile.mkdtemp(prefix="fdmctl-test-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def session_writers() -> Iterator[Writers]:
    """Writers for stores that all tests share."""
    writers = Writers(built("FDMETRICS_LIBRARY", "python/fdmetrics/libfdmetrics.so", "library tool"))
    yield writers
    writers.end()


@pytest.fixture
def writers(session_writers: Writers) -> Iterator[Writers]:
    """Writers that end with the test."""
    yield session_writers
    session_writers.end()


@pytest.fixture(scope="session")
def dead_store(stores: Path, session_writers: Writers) -> Path:
    """A store with everything in it, whose two writers were killed one after the other: the second inherited."""
    directory = stores / "dead"
    for _ in range(2):
        session_writers.kill(session_writers.start(directory, "all"))
    return directory


@pytest.fixture(scope="session")
def large_store(stores: Path, session_writers: Writers) -> Path:
    """A store of two segments, whose writer was killed."""
    directory = stores / "large"
    session_writers.kill(session_writers.start(directory, "many", "3200"))
    return directory


@pytest.fixture
def large_copy(large_store: Path, tmp_path: Path) -> Path:
    """A copy of the store of two segments, to be damaged."""
    return copied(large_store, tmp_path / "store")


@pytest.fixture(scope="session")
def shared_copy(dead_store: Path, stores: Path) -> Path:
    """A copy of the store with everything in it."""
    return copied(dead_store, stores / "copy")


@pytest.fixture
def segment(shared_copy: Path, tool: Tool) -> Iterator[SegmentFile]:
    """The one segment of that copy, to be damaged; put right after the test."""
    segment = SegmentFile(shared_copy / "fdmetrics-0.seg", tool.dump(shared_copy))
    yield segment
    segment.restore()


def copied(source: Path, target: Path) -> Path:
    """A copy that takes no space for what is empty."""
    subprocess.run(["cp", "-r", "--sparse=always", str(source), str(target)], check=True)
    return target
