# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmctl push against real receivers, and against ones that misbehave.

FDMCTL             the tool (build/bin/fdmctl)
FDMETRICS_LIBRARY  the library that services record with (python/fdmetrics/libfdmetrics.so)
PATH               victoria-metrics, prometheus and prometheus-pushgateway, else those beside the Python that runs this
                   (scripts/setup.sh servers)
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import Push, Service
from scripted import ScriptedReceiver

ROOT = Path(__file__).resolve().parents[2]


def pytest_configure() -> None:
    """Names the tool for Push, once."""
    Push.tool = Path(os.environ.get("FDMCTL") or ROOT / "build/bin/fdmctl").resolve()


@pytest.fixture(scope="session", autouse=True)
def tool() -> None:
    """fdmctl must have been built."""
    if not Push.tool.is_file():
        pytest.fail(f"{Push.tool} is not there; run `make library tool`, or set FDMCTL")


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Finds a program of a receiver."""

    def find(name: str) -> str:
        beside = Path(sys.executable).parent / name
        found = shutil.which(name) or shutil.which(beside) or shutil.which(ROOT / ".venv/bin" / name)
        if not found:
            pytest.fail(f"{name} is not on the PATH; run `scripts/setup.sh servers .venv/bin`")
        return found

    return find


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in shared memory."""
    with tempfile.TemporaryDirectory(prefix="fdm-push-", dir="/dev/shm") as path:
        yield Path(path)


@pytest.fixture
def service(folder: Path) -> Iterator[Service]:
    """A service that has recorded one of everything."""
    with Service(folder / "store") as service:
        yield service


@pytest.fixture
def receiver() -> Iterator[ScriptedReceiver]:
    """A receiver that answers what the test wants."""
    with ScriptedReceiver() as receiver:
        yield receiver
