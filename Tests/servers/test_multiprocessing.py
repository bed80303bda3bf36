# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""multiprocessing by each of its start methods, from a process that has not imported fdmetrics."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from campaign import OF_PROCESSES, Plan
from servers import HERE


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_start_method(run: Callable[..., None], method: str) -> None:
    command = [sys.executable, str(HERE / "services" / "multiprocessing_workers.py"), method, "SOCKET"]
    run(command, "", Plan((), OF_PROCESSES))
