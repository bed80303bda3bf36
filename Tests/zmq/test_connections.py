# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Connections of which one end is watched and the other one is killed, in each language.

The watching end is a PUSH socket; the other one a process without instrumentation, which ends by SIGKILL.
"""

from __future__ import annotations

import socket as sockets_of_the_system
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conversation import HANG_SECONDS, Peers, finish
from expositions import Exposition

LANGUAGES = ("c", "python", "swift")
KILLS = 10
SERIES = ("connected", "accepted", "disconnected", "handshake_failed")


@pytest.fixture(params=["ipc", "tcp"])
def endpoint(request: pytest.FixtureRequest, folder: Path) -> str:
    """An endpoint that either end can bind."""
    if request.param == "ipc":
        return f"ipc://{folder}/watched.ipc"
    with sockets_of_the_system.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that do not outlive the test."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n") or f"nothing: {finish(process)}"


def tell(process: subprocess.Popen[str], what: str) -> None:
    """Has the watching end do something."""
    assert process.stdin is not None
    print(what, file=process.stdin, flush=True)
    assert line_of(process) == "done"


def reach(exposition: Callable[[], Exposition], **expected: int) -> dict[str, float]:
    """Waits until the series have these values, and gives all of them."""
    limit = time.monotonic() + HANG_SECONDS
    while True:
        shown = exposition()
        found = {name: shown.total(f"{name}_total") for name in SERIES}
        found["connections"] = shown.total("connections")
        if {name: found[name] for name in expected} == expected:
            return found
        assert time.monotonic() < limit, f"expected {expected}, got {found}"
        time.sleep(0.005)


@pytest.mark.parametrize("end", ["close", "give up"])
@pytest.mark.parametrize("role", ["bind", "connect"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_peer_that_is_killed_ten_times_counts_ten(
    peers: Peers,
    store: Path,
    endpoint: str,
    exposition: Callable[[], Exposition],
    started: list[subprocess.Popen[str]],
    language: str,
    role: str,
    end: str,
) -> None:
    peers.commands["watcher"] = peers.commands["c-watcher" if language == "c" else language]
    made = "accepted" if role == "bind" else "connected"
    watcher = peers.start(store, "watcher", role, "push", "none", endpoint, 0, 0, "watch")
    started.append(watcher)
    assert line_of(watcher) == "ready"
    for number in range(1, KILLS + 2):
        victim = peers.start(
            store, "c-plain", "connect" if role == "bind" else "bind", "pull", "none", endpoint, 2, 0, "dump"
        )
        started.append(victim)
        # A message that is sent before may go the way of the last connection.
        reach(exposition, **{made: number, "connections": 1})
        # The victim has the message, so both ends have shaken hands.
        tell(watcher, "send")
        assert line_of(victim) == "78"
        reach(exposition, **{made: number, "disconnected": number - 1, "connections": 1})
        if number <= KILLS:
            victim.kill()
            victim.wait()
            reach(exposition, **{made: number, "disconnected": number, "connections": 0})
    if end == "give up":
        # Of this libzmq says nothing.
        tell(watcher, "give up")
        reach(exposition, disconnected=KILLS + 1, connections=0)
    finish(watcher)
    # What ended once does not end again with the socket.
    totals = {"connected": 0, "accepted": 0, "handshake_failed": 0, "connections": 0}
    assert reach(exposition) == {**totals, made: KILLS + 1, "disconnected": KILLS + 1}
