# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping, and a store that comes, crashes and is replaced."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from serving import HANG_SECONDS, Recorder, Server, environment, read_all, wait_for


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it(serve: Callable[..., Server], number: signal.Signals) -> None:
    server = serve()
    # A client that keeps its connection open holds nothing up.
    connection = server.connection()
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    assert server.stop(number) == 0
    assert "stopped" in server.log
    connection.close()


def test_scrape_in_flight_is_finished(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("many", "100000")
    server = serve()
    with server.slow_socket() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = client.recv(1000)
        # Megabytes are on their way, more than a socket holds.
        assert first.startswith(b"HTTP/1.1 200 ")
        server.process.send_signal(signal.SIGTERM)
        wait_for("no more connections", lambda: not accepts(server))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        raw = first + read_all(client)
    head, body = raw.split(b"\r\n\r\n", 1)
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
    assert len(body) == length > 7_000_000
    assert server.process.wait(HANG_SECONDS) == 0


def accepts(server: Server) -> bool:
    """Whether one can connect."""
    try:
        server.socket().close()
    except ConnectionRefusedError:
        return False
    return True


def test_stop_during_scrapes(serve: Callable[..., Server], recorder: Recorder) -> None:
    """Every answer that began is whole."""
    recorder.start("many", "2000")
    server = serve()
    whole: list[int] = []
    broken: list[str] = []

    def scrape() -> None:
        connection = server.connection()
        while True:
            try:
                connection.request("GET", "/metrics")
                response = connection.getresponse()
            except (OSError, http.client.HTTPException):
                return
            try:
                whole.append(len(response.read()))
            except (OSError, http.client.HTTPException) as error:
                broken.append(repr(error))
                return
            if response.will_close:
                return

    clients = [threading.Thread(target=scrape) for _ in range(8)]
    for client in clients:
        client.start()
    wait_for("scrapes", lambda: len(whole) >= 50)
    assert server.stop() == 0
    for client in clients:
        client.join(HANG_SECONDS)
    assert not broken


def test_port_that_is_taken_is_an_error_that_names_it(serve: Callable[..., Server], tool: Path, folder: Path) -> None:
    server = serve()
    done = subprocess.run(
        [str(tool), "serve", str(folder), "--listen", f"127.0.0.1:{server.port}"],
        capture_output=True, text=True, timeout=HANG_SECONDS, env=environment(),
    )  # fmt: skip
    assert done.returncode == 1
    assert f"127.0.0.1:{server.port} is in use by another process" in done.stderr
    assert server.get("/healthz").status == 200


@pytest.mark.parametrize("address", ["9919", "localhost", "[::1]", "::1:9919", "host:99999", "host:-1", ":9919"])
def test_address_that_is_none(tool: Path, folder: Path, address: str) -> None:
    done = subprocess.run(
        [str(tool), "serve", str(folder), "--listen", address],
        capture_output=True, text=True, timeout=HANG_SECONDS, env=environment(),
    )  # fmt: skip
    assert done.returncode == 64
    assert address in done.stderr


def test_several_addresses(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("few")
    server = serve("--listen", "127.0.0.2:0", "--listen", "localhost:0")
    wait_for("three listen", lambda: server.log.count(" serving ") == 3)
    second = next(line for line in server.lines if "127.0.0.2" in line)
    connection = http.client.HTTPConnection("127.0.0.2", int(second.split(":")[-1].split("/")[0]), timeout=HANG_SECONDS)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()


def test_store_that_is_not_there_yet(serve: Callable[..., Server], recorder: Recorder) -> None:
    server = serve()
    assert (server.get().status, server.get().text) == (200, "")
    assert server.get(accept="application/openmetrics-text").text == "# EOF\n"
    assert server.get("/").status == 200
    recorder.start("few")
    assert server.get().value("steps_total") == 0


def test_store_of_a_service_that_crashed_and_came_again(
    serve: Callable[..., Server], recorder: Recorder, folder: Path
) -> None:
    server = serve()
    recorder.start("few")
    recorder.step()
    recorder.end()
    assert server.get().value("steps_total") == 1
    # The service goes on with its store ...
    recorder.start("few")
    recorder.step()
    assert server.get().value("steps_total") == 2
    recorder.end()
    # ... or with a new one.
    shutil.rmtree(folder / "store")
    assert server.get().status == 200
    recorder.start("few")
    assert server.get().value("steps_total") == 0


def test_store_that_cannot_be_read(serve: Callable[..., Server], folder: Path) -> None:
    (folder / "store").mkdir()
    (folder / "store" / "fdmetrics-0.seg").write_bytes(b"no store" * 10_000)
    server = serve()
    answer = server.get()
    assert answer.status == 500
    assert "fdmetrics-0.seg" in answer.text
    for _ in range(3):
        server.get()
    assert server.log.count("fdmetrics-0.seg") == 1, "each problem is logged once"
    assert server.get("/healthz").status == 200
