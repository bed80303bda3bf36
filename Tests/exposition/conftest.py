# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Texts of the library, read by the parsers of others.

FDMETRICS_LIBRARY  the library that renders (python/fdmetrics/libfdmetrics.so)
FDM_STRESS         how many times as many random cases to try
FDM_SEED           repeats a run
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder import Library, Recorder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def library() -> Library:
    """The library under test."""
    path = Path(os.environ.get("FDMETRICS_LIBRARY") or ROOT / "python/fdmetrics/libfdmetrics.so")
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make lib`, or set FDMETRICS_LIBRARY to a built libfdmetrics.so")
    return Library(path)


@pytest.fixture
def recorder(library: Library) -> Iterator[Recorder]:
    """A store of the test's own."""
    folder = Path(tempfile.mkdtemp(prefix="fdm-exposition-", dir="/dev/shm"))
    recorder = Recorder(library, folder / "store")
    yield recorder
    recorder.close()
    shutil.rmtree(folder)


@pytest.fixture
def choices(request: pytest.FixtureRequest) -> random.Random:
    """Random choices that the printed seed repeats; of each test its own."""
    seed = int(os.environ.get("FDM_SEED") or random.randrange(1, 1 << 31))
    print(f"FDM_SEED={seed} ({request.node.name})")
    return random.Random(seed ^ zlib.crc32(request.node.name.encode()))


@pytest.fixture(scope="session")
def stress() -> int:
    """How many times as many cases to try."""
    return max(1, int(os.environ.get("FDM_STRESS") or 1))


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus's own checker."""
    found = shutil.which("promtool") or shutil.which(str(ROOT / ".venv/bin/promtool"))
    if not found:
        pytest.fail("promtool is not on the PATH; run `scripts/setup.sh servers .venv/bin`")
    return found
