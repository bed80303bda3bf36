# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Celery with a prefork pool: the processes of the pool record, and they and the main process render."""

from __future__ import annotations

from collections.abc import Callable

from campaign import HELD, OF_PROCESSES, Plan
from commands import celery

# With a broker in memory the pool's processes take tasks from a common pipe, under a lock that one of the idle ones
# holds: whoever kills that one stops Celery itself. So they are killed at work.
PLAN = Plan((), OF_PROCESSES, kills=[HELD] * 8, threads=16)


def test_prefork_pool(run: Callable[..., None]) -> None:
    run(celery(4), "", PLAN, {"WITNESSED_GATEWAY": "SOCKET", "METRICS_PORT": "0"})
