# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm, or are broken. While they do what they do, and after it, a scrape works."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving import HANG_SECONDS, Recorder, Server, read_all, send_no_more, wait_for

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.contextmanager
def scrapes(server: Server) -> Iterator[None]:
    """Proves that scrapes work during a block, again and again, and after it."""
    end = threading.Event()
    done: list[int] = []
    failures: list[str] = []

    def scrape() -> None:
        while not end.is_set():
            try:
                answer = server.get()
                assert answer.status == 200, answer.text
                assert answer.value("steps_total") >= 0
                done.append(len(answer.body))
            except (OSError, AssertionError) as error:
                failures.append(repr(error))
                return
            end.wait(0.05)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        wait_for("a scrape", lambda: bool(done or failures))
        yield
        before = len(done)
        wait_for("more scrapes", lambda: bool(failures) or len(done) > before + 2)
    finally:
        end.set()
        thread.join(HANG_SECONDS)
    assert not failures
    assert server.get().status == 200
    assert server.process.poll() is None


def status_of(raw: bytes) -> int:
    """The status of an answer."""
    assert raw.startswith(b"HTTP/1."), raw[:100]
    return int(raw.split(b" ", 2)[1])


# MARK: requests


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 505),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n: empty\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /metrics HTTP/3.7\r\nHost: localhost\r\n\r\n", 505),
    ],
)
def test_bad_request(server: Server, request_: bytes, status: int) -> None:
    with scrapes(server):
        assert status_of(server.exchange(request_)) == status


def test_random_bytes(server: Server) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    pieces = [
        b"GET ",
        b"/metrics",
        b" HTTP/1.1",
        b"\r\n",
        b"Host: localhost",
        b":",
        b"\x00",
        b"\xff" * 9,
        b"chunked",
        b"\r\n\r\n",
    ]
    with scrapes(server):
        for _ in range(200):
            data = b"".join(chance.choice([*pieces, chance.randbytes(5)]) for _ in range(chance.randrange(1, 30)))
            with server.socket() as client, contextlib.suppress(ConnectionError):
                client.sendall(data)
                send_no_more(client)
                raw = read_all(client)
                assert raw == b"" or status_of(raw) in (200, 400, 404, 405, 413, 431, 505), data


@pytest.mark.parametrize(
    "head",
    [
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 17_000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"GET /metrics?" + b"x" * 17_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + b"x" * 5_000_000 + b": y\r\n\r\n",
    ],
    ids=["one", "many", "target", "megabytes"],
)
def test_oversized_header(server: Server, head: bytes) -> None:
    with scrapes(server), server.socket() as client:
        # The server need not read it to the end.
        with contextlib.suppress(ConnectionError):
            client.sendall(head)
        assert status_of(read_all(client)) == 431


def test_large_headers_within_the_limit(server: Server) -> None:
    assert server.get(x="y" * 12_000).status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_huge_body_is_not_read(server: Server, chunked: bool) -> None:
    fields = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 10000000000"
    with scrapes(server), server.socket() as client:
        sent = 0
        client.sendall(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while sent < 200 << 20:
                part = b"x" * 65536
                client.sendall(b"10000\r\n" + part + b"\r\n" if chunked else part)
                sent += len(part)
        assert sent < 200 << 20, "the server went on reading"
    answer = server.exchange(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
    assert status_of(answer) == 413


def test_small_body_is_passed_over(server: Server) -> None:
    connection = server.connection()
    for _ in range(2):
        connection.request("POST", "/metrics", body=b"x" * 1000)
        response = connection.getresponse()
        response.read()
        assert response.status == 405
    connection.close()


def test_endless_pipeline(server: Server) -> None:
    """Requests faster than answers are taken: neither is stored up."""
    before = server.memory("VmRSS")
    with scrapes(server), server.slow_socket() as client:
        client.settimeout(1)
        sent = 0
        with contextlib.suppress(TimeoutError, ConnectionError):
            while sent < 100 << 20:
                sent += client.send(REQUEST * 1000)
        assert sent < 100 << 20, "the server went on reading"
        assert server.memory("VmRSS") < before + (64 << 20)


# MARK: slow clients


def test_slow_loris(serve: Callable[..., Server], recorder: Recorder) -> None:
    """A byte now and then does not keep a connection: the deadline is for the whole request."""
    recorder.start("few")
    server = serve("--request-timeout", "1")
    with scrapes(server):
        clients = [server.socket() for _ in range(50)]
        closed = 0
        rounds = 0
        while clients:
            rounds += 1
            for client in list(clients):
                try:
                    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: "[rounds - 1 : rounds] or b"x")
                    client.settimeout(0.0001)
                    if client.recv(1) == b"":
                        raise ConnectionResetError
                except TimeoutError:
                    client.settimeout(HANG_SECONDS)
                except ConnectionError:
                    client.close()
                    clients.remove(client)
                    closed += 1
            threading.Event().wait(0.1)
            assert rounds < HANG_SECONDS * 10, f"{len(clients)} hang on"
        assert closed == 50


def test_body_that_does_not_come(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("few")
    server = serve("--request-timeout", "1")
    with scrapes(server):
        raw = server.exchange(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nonly this")
        assert status_of(raw) == 408


def test_idle_connection_is_closed(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("few")
    server = serve("--idle-timeout", "1")
    with server.socket() as client:
        client.sendall(REQUEST)
        raw = read_all(client)
        assert status_of(raw) == 200


def test_slow_readers_hold_no_memory(serve: Callable[..., Server], recorder: Recorder) -> None:
    """Each asks for something else, so that no two share an answer, and takes nothing."""
    recorder.start("many", "50000")
    server = serve()
    size = len(server.get().body)
    assert size > 3_000_000
    before = server.memory("VmHWM")
    clients = []
    with scrapes(server):
        for number in range(30):
            client = server.slow_socket()
            client.sendall(b"GET /metrics?name[]=many_requests&name[]=x%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number)
            assert status_of(client.recv(100)) == 200
            clients.append(client)
        # Without a bound it would be all of them.
        assert server.memory("VmHWM") < before + 18 * size
    for client in clients:
        client.close()


def test_slow_reader_is_cut_off_after_a_while(serve: Callable[..., Server], recorder: Recorder) -> None:
    recorder.start("many", "100000")
    server = serve("--write-timeout", "1")
    with scrapes(server), server.slow_socket() as client:
        client.sendall(REQUEST)
        # A little now and then gains nothing.
        received = 0
        while is_open(server, client):
            received += len(client.recv(1000))
            threading.Event().wait(0.05)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        # What the kernel had of it still comes; the rest does not.
        assert received + len(read_all(client)) < 7_000_000


def is_open(server: Server, client: socket.socket) -> bool:
    """Whether the server holds its end of a connection open."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if (int(local.split(":")[1], 16), int(remote.split(":")[1], 16)) == (server.port, client.getsockname()[1]):
            return state == "01"
    return False


# MARK: many clients


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (3_000, ""),
        (10_000, r"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: "),
        (3_000, r"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ],
    ids=["silent", "half", "whole"],
)
def test_ten_thousand_connections(server: Server, count: int, text: str) -> None:
    program = Path(__file__).with_name("crowd.py")
    with scrapes(server):
        crowd = subprocess.Popen(
            [sys.executable, str(program), str(server.port), str(count), text],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert crowd.stdout
            assert crowd.stdout.readline() == "open\n"
            for _ in range(20):
                assert server.get().status == 200
            out, _ = crowd.communicate("", timeout=HANG_SECONDS)
            assert int(out) > 0
        finally:
            crowd.kill()
            crowd.wait()
    assert len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) < 400


def test_resets(server: Server) -> None:
    """Clients that ask and go, without a word."""
    with scrapes(server):
        for _ in range(500):
            client = server.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            client.sendall(REQUEST)
            client.close()


# MARK: load


def test_wrk(serve: Callable[..., Server], recorder: Recorder, stress: int) -> None:
    """More than any monitoring asks for: 16 clients without a pause."""
    recorder.start("many", "5000")
    server = serve()
    with scrapes(server):
        done = subprocess.run(
            ["wrk", "-t1", "-c16", f"-d{3 * stress}s", "-H", "Accept: application/openmetrics-text",
             f"http://127.0.0.1:{server.port}/metrics"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    print(done.stdout)
    assert "Non-2xx" not in done.stdout
    assert "Socket errors" not in done.stdout
    assert int(done.stdout.split(" requests in ")[0].split()[-1]) > 0
