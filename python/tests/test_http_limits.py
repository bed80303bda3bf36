# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""start_http_server with clients that are slow, many, or gone."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import struct
import threading
import time
from http import HTTPStatus
from typing import Callable, Iterator, List

import pytest

from fdmetrics import Counter, Gauge, Registry, start_http_server
from fdmetrics._http_request import Head
from fdmetrics._scrape import Answer, plain_answer
from fdmetrics.http_server import Limits, serve

from .http_support import PATIENCE, answers, connected, get, responses, serving, until_the_end
from .support import run_program

#: Limits that a test has the time to wait for; the others are such that nothing but these can end a connection.
SOON = 0.3
ENDING = get("Connection: close")


@contextlib.contextmanager
def crowd_of(port: int, count: int, sent: bytes) -> Iterator[List[socket.socket]]:
    """Connections that have sent something and say nothing more."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(connected(port)) for _ in range(count)]
        for connection in crowd:
            connection.sendall(sent)
        yield crowd


def client_threads() -> int:
    return sum(thread.name == "fdmetrics-http-client" for thread in threading.enumerate())


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds; a test that waits in vain fails."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("sent", "answered"), [(b"", []), (get()[:-2], [408]), (b"G", [408]), (get("Content-Length: 9") + b"x", [408])]
)
def test_a_request_that_does_not_come_ends(registry: Registry, sent: bytes, answered: List[int]) -> None:
    with serving(registry, Limits(request=SOON)) as port, connected(port) as connection:
        connection.sendall(sent)
        received = responses(until_the_end(connection))
        assert [response.status for response in received] == answered
        assert all(response.headers["Connection"] == "close" for response in received)


def test_bytes_that_trickle_move_no_deadline(registry: Registry) -> None:
    with serving(registry, Limits(request=SOON)) as port, connected(port) as connection:
        connection.sendall(get()[:-2] + b"A: ")
        # Far longer than the server waits, unless each byte gave it new patience.
        for _ in range(1000):
            time.sleep(SOON / 10)
            if select.select([connection], [], [], 0)[0]:
                break
            connection.sendall(b"a")
        else:
            raise AssertionError("the server waits for every byte anew")
        received = until_the_end(connection)
        assert received == b"" or responses(received)[0].status == 408, "nothing only where it was lost by a reset"


def test_a_connection_that_stays_ends_when_it_is_idle(registry: Registry) -> None:
    with serving(registry, Limits(idle=SOON)) as port, connected(port) as connection:
        connection.sendall(get())
        assert [response.status for response in responses(until_the_end(connection))] == [200]


def fill(registry: Registry) -> None:
    """Makes the answer larger than what two socket buffers take."""
    gauge = Gauge("g", "G.", ["a"], registry=registry, multiprocess_mode="sum")
    for number in range(9000):
        gauge.labels(str(number) + "x" * 900).set(1)


def stalled(port: int) -> socket.socket:
    """A client that asks and does not take the answer."""
    connection = socket.socket()
    connection.settimeout(PATIENCE)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(ENDING)
    assert connection.recv(1) == b"H", "the answer has begun"
    return connection


def test_an_answer_that_is_not_taken_ends(registry: Registry) -> None:
    fill(registry)
    with serving(registry, Limits(answer=SOON)) as port, stalled(port) as connection:
        until(lambda: client_threads() == 0)
        with pytest.raises(AssertionError, match="the answer is cut"):
            responses(b"H" + until_the_end(connection))


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nA: ", get()])
def test_a_crowd_of_idle_connections_keeps_nobody_out(registry: Registry, sent: bytes) -> None:
    Counter("hits", "Hits.", registry=registry).inc()
    # As many connections as start_http_server takes; no time limit ends one of them within the test.
    with serving(registry, Limits(request=600, idle=600)) as port, crowd_of(port, 100, sent) as crowd:
        (only,) = answers(port, ENDING)
        assert (only.status, b"hits_total 1.0" in only.body) == (200, True)
        until(lambda: client_threads() <= 32)
        # The oldest are gone, and were answered before where they had asked; the newest are there.
        gone = responses(until_the_end(crowd[0]))
        assert [response.status for response in gone] == ([200] if sent == get() else [])
        crowd[-1].sendall(b"x\r\nHost: localhost\r\n\r\n" if sent.endswith(b"A: ") else get())
        assert crowd[-1].recv(12) == b"HTTP/1.1 200"


def test_a_crowd_that_takes_no_answers_is_told_to_come_again_and_then_gives_way(registry: Registry) -> None:
    fill(registry)
    with serving(registry, Limits(connections=2)) as port, stalled(port), stalled(port):
        seen: List[int] = []

        def is_served() -> bool:
            (only,) = answers(port, get("Connection: close", line="GET /metrics?name[]=none HTTP/1.1"))
            seen.append(only.status)
            if only.status == 503:
                assert only.headers["Retry-After"] == "1"
            return only.status == 200

        # Those whose answers wait give way after a second; the limit of 30 seconds would do it only later.
        until(is_served)
        assert set(seen) <= {200, 503}


def test_the_one_too_many_is_told_so_while_all_are_being_answered() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def respond(head: Head) -> Answer:
        asked.set()
        assert go_on.wait(PATIENCE)
        return plain_answer(HTTPStatus.OK, "well\n")

    server, _ = serve(0, "127.0.0.1", respond, limits=Limits(connections=1))
    try:
        with connected(server.server_port) as first:
            first.sendall(ENDING)
            assert asked.wait(PATIENCE)
            for _ in range(40):
                (only,) = answers(server.server_port, ENDING)
                assert (only.status, only.headers["Connection"], only.headers["Retry-After"]) == (503, "close", "1")
            go_on.set()
            assert [response.body for response in responses(until_the_end(first))] == [b"well\n"]
    finally:
        go_on.set()
        server.shutdown()
        server.server_close()


def test_clients_that_are_gone_are_not_worth_a_line(registry: Registry, capfd: pytest.CaptureFixture[str]) -> None:
    fill(registry)
    Counter("hits", "Hits.", registry=registry).inc()
    with serving(registry) as port:
        for sent in (b"", b"GET", get(), get() * 10, get(line="BROKEN")):
            connection = connected(port)
            connection.sendall(sent)
            # A reset, not an end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        with stalled(port) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        until(lambda: client_threads() == 0)
        assert b"hits_total 1.0" in answers(port, ENDING)[0].body
    assert capfd.readouterr() == ("", "")


def test_closing_ends_the_connections_that_wait(registry: Registry) -> None:
    server, thread = start_http_server(0, registry=registry)
    with connected(server.server_port) as asked, connected(server.server_port) as silent:
        asked.sendall(get())
        assert asked.recv(12) == b"HTTP/1.1 200"
        until(lambda: client_threads() == 2)
        server.shutdown()
        server.server_close()
        thread.join()
        until_the_end(asked)
        assert until_the_end(silent) == b""
    until(lambda: client_threads() == 0)


def test_a_fork_child_that_closes_its_copy_leaves_the_connections_alone(registry: Registry) -> None:
    server, _ = start_http_server(0, registry=registry)
    try:
        with connected(server.server_port) as connection:
            connection.sendall(get())
            assert connection.recv(12) == b"HTTP/1.1 200"
            child = os.fork()
            if child == 0:
                server.socket.close()
                server._crowd.cut_idle()  # type: ignore[attr-defined]
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            connection.sendall(ENDING)
            assert until_the_end(connection).count(b"HTTP/1.1 200") == 1
    finally:
        server.shutdown()
        server.server_close()


def test_a_process_without_free_descriptors_serves_when_it_has_some() -> None:
    printed = run_program(
        """
        import os, resource, socket, time
        import fdmetrics
        fdmetrics.Counter("hits", "Hits.").inc()
        server, _ = fdmetrics.start_http_server(0)
        client = socket.create_connection(("127.0.0.1", server.server_port))
        client.sendall(b"GET /metrics HTTP/1.0\\r\\n\\r\\n")
        first = client.recv(12)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        late = socket.socket()
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        held = []
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        late.connect(("127.0.0.1", server.server_port))
        late.sendall(b"GET /metrics HTTP/1.0\\r\\n\\r\\n")
        before = time.process_time()
        time.sleep(1)
        spun = time.process_time() - before > 0.5
        for descriptor in held:
            os.close(descriptor)
        print(first.decode(), late.recv(12).decode(), spun)
        """
    )
    assert printed == "HTTP/1.1 200 HTTP/1.1 200 False\n"
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 64
