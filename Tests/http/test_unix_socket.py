# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A Unix socket: its mode, its files, and who gets it."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from serving import Recorder, Server, UnixConnection, ask, wait_for


def scraped(path: Path) -> float:
    """The counter, scraped over a socket."""
    connection = UnixConnection(path)
    answer = ask(connection, "/metrics")
    connection.close()
    assert answer.status == 200
    return answer.value("steps_total")


@pytest.mark.parametrize("mode", ["600", "660", "666"])
def test_mode(serve: Callable[..., Server], recorder: Recorder, folder: Path, mode: str) -> None:
    recorder.start("few")
    path = folder / "m.sock"
    before = os.umask(0o077)
    try:
        server = serve("--unix", str(path), "--unix-mode", mode, listens=False)
    finally:
        os.umask(before)
    status = path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert f"{stat.S_IMODE(status.st_mode):o}" == mode
    assert scraped(path) == 0
    assert server.stop() == 0
    assert sorted(folder.glob("m.sock*")) == []


def test_beside_an_address(serve: Callable[..., Server], recorder: Recorder, folder: Path) -> None:
    recorder.start("few")
    server = serve("--unix", str(folder / "m.sock"))
    wait_for("both listen", lambda: server.log.count(" serving ") == 2)
    assert server.get().status == 200
    assert scraped(folder / "m.sock") == 0


def test_taken_socket_is_an_error_that_names_it(serve: Callable[..., Server], folder: Path) -> None:
    path = folder / "m.sock"
    serve("--unix", str(path), listens=False)
    second = serve("--unix", str(path), listens=False, ready=False)
    assert second.process.wait(60) == 1
    wait_for("the log is read", lambda: str(path) in second.log)
    assert "served by another process" in second.log
    connection = UnixConnection(path)
    assert ask(connection, "/healthz").status == 200
    connection.close()


def test_socket_of_a_killed_server_is_replaced(serve: Callable[..., Server], folder: Path) -> None:
    path = folder / "m.sock"
    first = serve("--unix", str(path), listens=False)
    first.stop(signal.SIGKILL)
    assert path.exists()
    second = serve("--unix", str(path), listens=False)
    connection = UnixConnection(path)
    assert ask(connection, "/healthz").status == 200
    connection.close()
    assert second.stop() == 0
    assert sorted(folder.glob("m.sock*")) == []


def test_take_over(serve: Callable[..., Server], recorder: Recorder, folder: Path) -> None:
    recorder.start("few")
    path = folder / "m.sock"
    first = serve("--unix", str(path), "--take-over", listens=False)
    second = serve("--unix", str(path), "--take-over", listens=False, ready=False)
    wait_for("the second waits", lambda: "waiting until it is free" in second.log)
    first.stop(signal.SIGKILL)
    wait_for("the second serves", second.is_serving)
    assert scraped(path) == 0


def test_what_is_no_socket_is_left_alone(serve: Callable[..., Server], folder: Path) -> None:
    path = folder / "file"
    path.write_text("precious")
    server = serve("--unix", str(path), listens=False, ready=False)
    assert server.process.wait(60) == 1
    assert path.read_text() == "precious"
    wait_for("the log is read", lambda: f"{path} is there and is no socket" in server.log)


def test_socket_of_another_program_is_left_alone(serve: Callable[..., Server], folder: Path) -> None:
    path = folder / "other.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        server = serve("--unix", str(path), listens=False, ready=False)
        assert server.process.wait(60) == 1
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_path_that_is_too_long(serve: Callable[..., Server], folder: Path) -> None:
    server = serve("--unix", str(folder / ("x" * 200)), listens=False, ready=False)
    assert server.process.wait(60) == 1
    wait_for("the log is read", lambda: "expected 1 to 107" in server.log)
