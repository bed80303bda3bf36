# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the server tests.

Environment:
    FDMETRICS_LIBRARY  the library under test
    FDM_STRESS         multiplies the number of requests (1)
    FDM_SEED           repeats a run: each test prints the seed that it used
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from campaign import Campaign, Plan, make_rows
from servers import Server, environment_of


@pytest.fixture(scope="session")
def stress() -> int:
    """How many times the usual number of requests is sent."""
    return max(1, int(os.environ.get("FDM_STRESS", "1")))


@pytest.fixture
def seed() -> int:
    """The seed of this test's random choices."""
    chosen = int(os.environ.get("FDM_SEED") or random.SystemRandom().randrange(1, 1 << 31))
    print(f"FDM_SEED={chosen}")
    return chosen


@pytest.fixture
def folder() -> Iterator[Path]:
    """A fresh directory with a short name, since it holds a socket."""
    path = Path(tempfile.mkdtemp(prefix="fdm-servers-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def run(folder: Path, seed: int, stress: int) -> Callable[..., None]:
    """Starts a server, runs a campaign on it, and stops it."""

    def run_server(
        command: Sequence[str], service: str, plan: Plan, environment: Mapping[str, str] | None = None
    ) -> None:
        make_rows(folder, stress)
        with Server(command, folder, service, environment) as server:
            Campaign(server, folder, plan, seed, stress).run()
            store = server.store()
            server.stop()
        # The first process of most servers never attaches, so nobody may have been left to remove the directory; then
        # whoever makes the next one does.
        subprocess.run(
            [sys.executable, "-c", "import fdmetrics; fdmetrics.attach()"], env=environment_of(()), check=True
        )
        assert not os.path.exists(store), f"the server has ended, and {store} is left"

    return run_server
