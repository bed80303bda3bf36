# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of a store's life: reboots, upgrades, shared directories, deletion, other users.

Environment: FDMETRICS_LIBRARY (the library), FDMCTL (the tool), PYTHONPATH (the package), FDM_STRESS, FDM_SEED.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import HANG_SECONDS, Program, environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def privileges() -> None:
    """The tests change users and mount; as another user they would prove nothing."""
    assert os.geteuid() == 0, "run these tests as root: they become other users and make namespaces"


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


@pytest.fixture
def folder() -> Iterator[Path]:
    """A fresh directory in memory that other users may look into."""
    path = Path(tempfile.mkdtemp(prefix="fdm-life-", dir="/dev/shm"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Starts programs; those that still run at the end of the test are killed."""
    started: list[Program] = []

    def start_program(*arguments: Any, **keywords: Any) -> Program:
        started.append(Program(*arguments, **keywords))
        return started[-1]

    yield start_program
    for program in started:
        if program.process.poll() is None:
            program.kill()


@pytest.fixture(scope="session")
def tool() -> Path:
    """The command line tool."""
    path = Path(os.environ.get("FDMCTL") or ROOT / "build/bin/fdmctl")
    if not path.is_file():
        pytest.fail(f"{path} is not there; set FDMCTL to a built fdmctl")
    return path


@pytest.fixture
def fdmctl(tool: Path) -> Callable[..., str]:
    """Runs the tool and gives its output, whatever its exit status."""

    def run_tool(*arguments: object, **changes: str) -> str:
        done = subprocess.run(
            [str(tool), *(str(argument) for argument in arguments)],
            env=environment(**changes),
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        return done.stdout + done.stderr

    return run_tool


@pytest.fixture
def doctor(fdmctl: Callable[..., str]) -> Callable[..., set[str]]:
    """The kinds of what `fdmctl doctor` finds."""

    def examine(*arguments: object, **changes: str) -> set[str]:
        return {
            finding["check"] for finding in json.loads(fdmctl("doctor", "--json", *arguments, **changes))["findings"]
        }

    return examine
