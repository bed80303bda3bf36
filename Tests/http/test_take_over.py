# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Of several processes of a Swift service one serves; when it is killed another does."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import Server, free_port, wait_for


@pytest.fixture
def services(example: Path, folder: Path) -> Iterator[list[Server]]:
    """Three processes of the example, with one store and one port."""
    port = free_port()
    command = [str(example), f"127.0.0.1:{port}"]
    processes = [Server(command, port, FDMETRICS_DIR=str(folder / "store")) for _ in range(3)]
    yield processes
    for process in processes:
        process.kill()


def test_another_process_takes_over(services: list[Server]) -> None:
    running = list(services)
    steps = 0.0
    while running:
        wait_for("one serves", lambda: any(process.is_serving() for process in running))
        wait_for("the others wait", lambda: all(p.is_serving() or "waiting until" in p.log for p in running))
        serving = [process for process in running if process.is_serving()]
        assert len(serving) == 1
        answer = serving[0].get()
        assert answer.value("fdmetrics_live_processes") == len(running)
        # The totals are of all processes, also of those that are dead.
        assert answer.value("work_steps_total") >= steps
        steps = answer.value("work_steps_total")
        running.remove(serving[0])
        killed = time.monotonic()
        serving[0].stop(signal.SIGKILL)
        if running:
            wait_for("an answer", lambda: answers(running[0]))
            print(f"after {time.monotonic() - killed:.2f} s another of {len(running)} processes answers")


def answers(server: Server) -> bool:
    """Whether anybody serves the port."""
    try:
        return server.get("/healthz").status == 200
    except OSError:
        return False


def test_graceful_stop_hands_over(services: list[Server]) -> None:
    wait_for("one serves", lambda: any(process.is_serving() for process in services))
    first = next(process for process in services if process.is_serving())
    assert first.stop() == 0
    wait_for("another serves", lambda: any(p.is_serving() for p in services if p is not first))
    assert first.get().value("work_steps_total") > 0
