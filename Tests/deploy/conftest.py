# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The files of deploy/, read by those who will read them, and used with a real service and a real Prometheus.

PATH               promtool and prometheus, else those beside the Python that runs this (scripts/setup.sh promtool)
FDMETRICS_LIBRARY  the library that the service records with (build/lib/self-contained/libfdmetrics.so)
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import Service

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def _program(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = shutil.which(name) or shutil.which(beside) or shutil.which(ROOT / ".venv/bin" / name)
    if not found:
        pytest.fail(f"{name} is not on the PATH; run `scripts/setup.sh promtool .venv/bin`")
    return found


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus's own checker."""
    return _program("promtool")


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Prometheus itself."""
    return _program("prometheus")


@pytest.fixture(scope="session")
def deploy() -> Path:
    """The folder under test."""
    return DEPLOY


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder for stores, as a pod's volume in memory is: owned by whoever made it, writable by everybody."""
    with tempfile.TemporaryDirectory(prefix="fdm-deploy-", dir="/dev/shm") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """A service of two worker processes that has recorded everything that there is to record."""
    with (
        tempfile.TemporaryDirectory(prefix="fdm-deploy-service-", dir="/dev/shm") as folder,
        Service(Path(folder)) as service,
    ):
        yield service
