# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""uvicorn --workers: they are started by multiprocessing's spawn, from a process that has not imported fdmetrics."""

from __future__ import annotations

from collections.abc import Callable

from campaign import IN_FASTAPI, OF_PROCESSES, Plan
from commands import uvicorn


def test_workers(run: Callable[..., None]) -> None:
    run(uvicorn(4), "fastapi_service:app", Plan(IN_FASTAPI, OF_PROCESSES, reload=True))
