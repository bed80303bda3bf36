# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The HTTP endpoint behind start_http_server.

A thread accepts, and each connection has a thread of its own, of which there are at most 32. A connection stays for
further requests, so that a scraper does not greet anew, with TLS above all, at each interval: what can be taken for
another request's beginning is refused by _http_request, a request's body is passed over, and a connection ends after
a body in chunks, and where the next request cannot be told from a body.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import socket
import socketserver
import threading
import time
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Callable, Collection, Deque, FrozenSet, NamedTuple, Optional, Tuple

from ._http_connection import Connection, Crowd
from ._http_request import Head, RequestError, parse_head
from ._scrape import Answer, Request, Scrape, plain_answer

if TYPE_CHECKING:
    import ssl

_PATHS = ("/", "/metrics")
#: How much of a request's body is passed over, in bytes.
_BODY_LIMIT = 64 * 1024
#: How long a connection that was too many is left to read so, in seconds, and how many of them are.
_REFUSED_SECONDS = 1.0
_REFUSED_LIMIT = 32
_LOCALHOST = frozenset({"localhost", "localhost."})


class Limits(NamedTuple):
    """How many connections there may be, and how long each may take, in seconds."""

    connections: int = 32
    #: From the connection, or a further request's first byte, to the request's end, a handshake included.
    request: float = 10.0
    #: From an answer's first byte until the client has taken the last.
    answer: float = 30.0
    #: Between two requests.
    idle: float = 75.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: Tuple[str, int],
        respond: Callable[[Head], Answer],
        context: Optional[ssl.SSLContext],
        allowed_hosts: Collection[str],
        limits: Limits,
    ) -> None:
        self._respond = respond
        self._context = context
        self._limits = limits
        self._crowd = Crowd(limits.connections)
        self._is_closed = False
        #: Connections that were too many, and when they are closed. Of the accepting thread.
        self._refused: Deque[Tuple[float, Any]] = collections.deque()
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        super().__init__(address, BaseHTTPRequestHandler)
        # Where only programs of this host connect, pages of any site in its browsers do too, under names of their own
        # that they have made lead here (DNS rebinding).
        self._hosts: Optional[FrozenSet[str]] = None
        if allowed_hosts or _is_loopback(str(self.server_address[0])):
            self._hosts = _LOCALHOST | {host.lower() for host in allowed_hosts}

    def server_bind(self) -> None:
        # HTTPServer asks the name service for the host's full name here, which may take seconds; nothing needs it.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def server_close(self) -> None:
        """Closes the socket, and the connections on which no request is being answered; the others end with that."""
        self._is_closed = True
        super().server_close()
        while self._refused:
            self._refused.popleft()[1].close()
        self._crowd.cut_idle()

    def get_request(self) -> Tuple[Any, Any]:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                # The connection stays in the queue, and would be tried again at once.
                time.sleep(0.1)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._context is not None:
            # The handshake, which waits for the client, is the thread's.
            request = self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        connection = Connection(request)
        if not self._crowd.enter(connection):
            self._refuse(request)
            return
        thread = threading.Thread(target=self._serve, args=(connection,), name="fdmetrics-http-client", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # No more threads.
            self._crowd.leave(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a client that is gone before it was served is not worth a line."""

    def _refuse(self, request: Any) -> None:
        """Answers a connection that is too many, without a thread and without waiting for it."""
        answer = plain_answer(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections.\n", ("Retry-After", "1"))
        with contextlib.suppress(OSError):
            request.setblocking(False)
            if self._context is None:
                request.send(_encoded(answer, "close"))
                request.shutdown(socket.SHUT_WR)
        # Closed at once it would be reset by the request that is about to come, and the answer be lost.
        self._refused.append((time.monotonic() + _REFUSED_SECONDS, request))
        if len(self._refused) > _REFUSED_LIMIT:
            self._refused.popleft()[1].close()

    def service_actions(self) -> None:
        """Called after each connection, and twice a second."""
        while self._refused and self._refused[0][0] < time.monotonic():
            self._refused.popleft()[1].close()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.handshake(time.monotonic() + self._limits.request)
            while self._exchange(connection):
                self._crowd.waits(connection)
                if not connection.begins(time.monotonic() + self._limits.idle):
                    break
                self._crowd.waits(connection)
        except OSError:
            # The client is gone, was too slow, or does not speak TLS.
            pass
        finally:
            self._crowd.leave(connection)

    def _exchange(self, connection: Connection) -> bool:
        """Answers one request. Whether the connection goes on."""
        deadline = connection.since + self._limits.request
        head: Optional[Head] = None
        try:
            lines = connection.head(deadline)
            if not lines:
                return False
            head = parse_head(lines)
            if (head.body_length or 0) > _BODY_LIMIT:
                raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {_BODY_LIMIT} bytes, please.\n")
            if head.keeps_alive and not connection.pass_over(head.body_length or 0, deadline):
                return False
            # A client that waits for a 100 need not send the chunks.
            are_chunks = head.body_length is None and "expect" not in head.headers
            if are_chunks and not connection.pass_over_chunks(_BODY_LIMIT, deadline):
                return False
            if not self._crowd.renders(connection):
                return False
            answer, keeps = self._answer(head), head.keeps_alive and not self._is_closed
        except RequestError as error:
            answer, keeps = plain_answer(error.status, error.text), False
        except socket.timeout:
            if head is None and not connection.has_begun:
                return False
            answer, keeps = plain_answer(HTTPStatus.REQUEST_TIMEOUT, "The request took too long.\n"), False
        option = "close" if not keeps else "keep-alive" if head is not None and head.is_http_1_0 else ""
        self._crowd.sends(connection)
        is_without_body = head is not None and head.method == "HEAD"
        connection.send(_encoded(answer, option, is_without_body), time.monotonic() + self._limits.answer)
        if not keeps:
            self._crowd.waits(connection)
            connection.end()
        return keeps

    def _answer(self, head: Head) -> Answer:
        if self._hosts is not None and head.host is not None and not self._is_ours(head.host):
            return plain_answer(
                HTTPStatus.MISDIRECTED_REQUEST,
                "This server is for localhost and loopback addresses: name others in allowed_hosts.\n",
            )
        return self._respond(head)

    def _is_ours(self, host: str) -> bool:
        return host in (self._hosts or ()) or _is_loopback(host.strip("[]"))


def _encoded(answer: Answer, connection: str, is_without_body: bool = False) -> bytes:
    headers = [("Date", formatdate(usegmt=True)), *answer.headers]
    if connection:
        headers.append(("Connection", connection))
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in headers)]
    head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return head.encode("latin-1") + (b"" if is_without_body else answer.body)


def _is_loopback(address: str) -> bool:
    """Whether a text is an address of this host alone: of 127.0.0.0/8, ::1, or the former written as IPv6."""
    try:
        return socket.inet_pton(socket.AF_INET, address)[0] == 127
    except OSError:
        pass
    try:
        packed = socket.inet_pton(socket.AF_INET6, address)
    except OSError:
        return False
    return packed == bytes(15) + b"\x01" or packed[:13] == bytes(10) + b"\xff\xff\x7f"


def metrics_of(scrape: Scrape) -> Callable[[Head], Answer]:
    """What an endpoint answers to a request, at its paths."""

    def respond(head: Head) -> Answer:
        if head.path not in _PATHS:
            return plain_answer(HTTPStatus.NOT_FOUND, "Not found. The metrics are at /metrics.\n")
        accept, encoding, tags = map(head.joined, ("accept", "accept-encoding", "if-none-match"))
        return scrape.answer(Request(head.method, accept, encoding, tags, head.query))

    return respond


def serve(
    port: int,
    addr: str,
    respond: Callable[[Head], Answer],
    context: Optional[ssl.SSLContext] = None,
    allowed_hosts: Collection[str] = (),
    limits: Limits = Limits(),  # noqa: B008 - it cannot change.
) -> Tuple[ThreadingHTTPServer, threading.Thread]:
    """Serves what a function responds, from a daemon thread; see fdmetrics.start_http_server.

    respond: called in the connection's thread, must not raise. Errors: ValueError and TypeError, where allowed_hosts is
    no list of names; OSError, where the address cannot be had.
    """
    if isinstance(allowed_hosts, str):
        raise ValueError(f"allowed_hosts is {allowed_hosts!r}: give a list of names")
    try:
        hosts = list(allowed_hosts)
    except TypeError:
        raise TypeError(f"allowed_hosts is {allowed_hosts!r}: give a list of names, each a str") from None
    for host in hosts:
        if not isinstance(host, str):
            raise TypeError(f"allowed_hosts has {host!r}, of {type(host).__name__}: give names, each a str")
    try:
        server = _Server((addr, port), respond, context, hosts, limits)
    except OSError as error:
        told = f"cannot listen at addr={addr!r} port={port}"
        raise type(error)(error.errno, f"{told}: {error.strerror or error}") from error
    thread = threading.Thread(target=server.serve_forever, name="fdmetrics-http", daemon=True)
    thread.start()
    return server, thread
