# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Servers for tests, and what they answer to bytes that no HTTP client would send."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

import fdmetrics
from fdmetrics._scrape import Scrape
from fdmetrics.http_server import Limits, metrics_of, serve

#: So long a test waits for what must come. Nothing is said about how soon it comes.
PATIENCE = 60


class Response(NamedTuple):
    """An answer as it was sent."""

    status: int
    headers: Dict[str, str]
    body: bytes


@contextlib.contextmanager
def serving(registry: fdmetrics.Registry, limits: Limits = Limits(), **options: Any) -> Iterator[int]:  # noqa: B008
    """The port of a server with limits of the test's own."""
    server, thread = serve(0, "127.0.0.1", metrics_of(Scrape(registry)), limits=limits, **options)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def until_the_end(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection, by whatever means."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return received


def responses(received: bytes) -> List[Response]:
    """The answers in what a server sent, none of them to a HEAD."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers: Dict[str, str] = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("Content-Length", "0"))
        assert len(received) >= length, "the answer is cut"
        found.append(Response(int(status.split()[1]), headers, received[:length]))
        received = received[length:]
    return found


def answers(port: int, *pieces: bytes) -> List[Response]:
    """What a server answers to bytes, until it ends the connection, or has had all of them and seen our end."""
    with connected(port) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        with contextlib.suppress(OSError):  # ENOTCONN, no ConnectionError, where the server has reset the connection
            connection.shutdown(socket.SHUT_WR)
        return responses(until_the_end(connection))


def get(*headers: str, line: str = "GET /metrics HTTP/1.1", host: str = "Host: localhost") -> bytes:
    """A request's head."""
    return "".join(f"{text}\r\n" for text in (line, *([host] if host else []), *headers, "")).encode("latin-1")


def statuses(port: int, *pieces: bytes) -> Tuple[int, ...]:
    return tuple(response.status for response in answers(port, *pieces))
