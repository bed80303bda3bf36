# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A client's connection, each wait of which has an end, and the bounded crowd of those that are open."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from http import HTTPStatus
from typing import Any, List, Optional, Set

from ._http_request import HEADERS_LIMIT, REQUEST_LINE_LIMIT, RequestError, check_trailer, chunk_size

#: How long after an answer that ends a connection what the client still sends is taken, in seconds.
_LINGER_SECONDS = 1.0
#: How long an answer may wait for its client before the connection counts as idle in a crowd, in seconds.
_PATIENCE_SECONDS = 1.0
#: How long the end of a connection that was cut is awaited, in seconds.
_CUT_SECONDS = 1.0
_PIECE = 16 * 1024

# What a connection is doing; in a crowd, those of the first kind go first and those of the last never.
_WAITING, _SENDING, _RENDERING = range(3)


class Connection:
    """A connection, used by one thread; Crowd.enter may cut it from another.

    Deadlines are of time.monotonic(). Methods that wait raise socket.timeout at theirs, and OSError where the client is
    gone; bytes that trickle move no deadline.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket: Any = sock
        self._received = bytearray()
        #: What it is doing, and since when; changed under the crowd's lock.
        self.state = _WAITING
        self.since = time.monotonic()
        self.is_cut = False
        # An answer is sent as a whole; its last packet need not wait for the client's word on those before.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handshake(self, deadline: float) -> None:
        """The handshake of TLS; nothing on a plain connection."""
        shake = getattr(self._socket, "do_handshake", None)
        if shake is not None:
            self._until(deadline)
            shake()

    def begins(self, deadline: float) -> bool:
        """Waits for the first byte of a request. False: the client has ended the connection."""
        return bool(self._received) or self._receive(deadline)

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request has come."""
        return bool(self._received)

    def head(self, deadline: float) -> List[bytes]:
        """The lines of the next request's head, without their ends and the empty last one; none at the client's end.

        What follows stays for the next call. Errors: RequestError, where a line ends in something else than CR LF, or
        there are too many bytes.
        """
        lines: List[bytes] = []
        start = 0
        headers_start = 0
        while True:
            end = self._received.find(b"\n", start)
            if end < 0 and not lines and len(self._received) > REQUEST_LINE_LIMIT:
                raise RequestError(HTTPStatus.REQUEST_URI_TOO_LONG, f"At most {REQUEST_LINE_LIMIT} bytes, please.\n")
            # One byte more, the carriage return of the empty line.
            if lines and (len(self._received) if end < 0 else end) - headers_start > HEADERS_LIMIT + 1:
                raise RequestError(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"At most {HEADERS_LIMIT} bytes, please.\n"
                )
            if end < 0:
                if not self._receive(deadline):
                    return []
                continue
            if self._received[end - 1 : end] != b"\r":
                raise RequestError(HTTPStatus.BAD_REQUEST, "Bad request: a line does not end in CR LF.\n")
            line = bytes(self._received[start : end - 1])
            start = end + 1
            if not lines:
                if len(line) > REQUEST_LINE_LIMIT:
                    raise RequestError(
                        HTTPStatus.REQUEST_URI_TOO_LONG, f"At most {REQUEST_LINE_LIMIT} bytes, please.\n"
                    )
                headers_start = start
            if line:
                lines.append(line)
            elif lines:
                del self._received[:start]
                return lines
            elif start > 2:
                # One empty line before a request is passed over (RFC 9112, 2.2).
                raise RequestError(HTTPStatus.BAD_REQUEST, "Bad request: it begins with empty lines.\n")

    def pass_over(self, length: int, deadline: float) -> bool:
        """Takes a request's body, and forgets it. False: the client has ended the connection before its end."""
        while length > 0:
            if not self._received and not self._receive(deadline):
                return False
            taken = min(length, len(self._received))
            del self._received[:taken]
            length -= taken
        return True

    def pass_over_chunks(self, limit: int, deadline: float) -> bool:
        """Takes a body that comes in chunks (RFC 9112, 7.1), and forgets it. False: as pass_over.

        limit: of all of its bytes, those around the chunks too. Errors: RequestError, where there are more, or they are
        no chunks.
        """
        left = limit
        is_last = False
        while True:
            end = self._received.find(b"\n", 0, left)
            if end < 0:
                if len(self._received) >= left:
                    raise _too_large(limit)
                if not self._receive(deadline):
                    return False
                continue
            if self._received[end - 1 : end] != b"\r":
                raise RequestError(HTTPStatus.BAD_REQUEST, "Bad request: a line does not end in CR LF.\n")
            line = bytes(self._received[: end - 1])
            del self._received[: end + 1]
            left -= end + 1
            if is_last:
                if not line:
                    return True
                check_trailer(line)
                continue
            size = chunk_size(line)
            is_last = size == 0
            if is_last:
                continue
            if size + 2 > left:
                raise _too_large(limit)
            if not self.pass_over(size, deadline):
                return False
            while len(self._received) < 2:
                if not self._receive(deadline):
                    return False
            if self._received[:2] != b"\r\n":
                raise RequestError(HTTPStatus.BAD_REQUEST, "Bad request: a chunk does not end in CR LF.\n")
            del self._received[:2]
            left -= size + 2

    def send(self, data: bytes, deadline: float) -> None:
        """Sends all of the data."""
        with memoryview(data) as rest:
            sent = 0
            while sent < len(rest):
                self._until(deadline)
                sent += self._socket.send(rest[sent:])

    def end(self) -> None:
        """Says that nothing follows, and takes what the client still sends, for a moment.

        A connection that is closed before that is reset, and the client may lose the answer. Raises nothing.
        """
        deadline = time.monotonic() + _LINGER_SECONDS
        with contextlib.suppress(OSError):
            self._until(deadline)
            unwrap = getattr(self._socket, "unwrap", None)
            if unwrap is not None:
                unwrap()
                return
            self._socket.shutdown(socket.SHUT_WR)
            self._received.clear()
            while self._receive(deadline):
                self._received.clear()

    def cut(self) -> None:
        """Ends all of its waits now, from any thread. Raises nothing."""
        self.is_cut = True
        # Not SSLSocket's own, which also takes the TLS from under a thread that uses it.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes it. Raises nothing."""
        with contextlib.suppress(OSError):
            # A fork child may hold the connection, and would keep it open.
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
        with contextlib.suppress(OSError):
            self._socket.close()

    def _receive(self, deadline: float) -> bool:
        self._until(deadline)
        received = self._socket.recv(_PIECE)
        self._received += received
        return bool(received)

    def _until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("the time is up")
        self._socket.settimeout(left)


def _too_large(limit: int) -> RequestError:
    return RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {limit} bytes, please.\n")


class Crowd:
    """The connections that are open, at most so many at once. Methods may be called from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: Set[Connection] = set()
        self._changed = threading.Condition()
        self._process = os.getpid()

    def enter(self, connection: Connection) -> bool:
        """Takes a connection in. Where there are too many, the one goes that has waited longest for its client to send
        a request; else the one that has waited longest for its client to take an answer, after a second; else the new
        one may not enter: False."""
        with self._changed:
            if len(self._open) >= self._limit:
                victim = self._idlest()
                if victim is not None:
                    victim.cut()
                    self._changed.wait_for(lambda: len(self._open) < self._limit, _CUT_SECONDS)
                if len(self._open) >= self._limit:
                    return False
            self._open.add(connection)
            return True

    def leave(self, connection: Connection) -> None:
        """Closes a connection, which then is none of the crowd any more."""
        with self._changed:
            connection.close()
            self._open.discard(connection)
            self._changed.notify()

    def waits(self, connection: Connection) -> None:
        """The connection waits for its client to send something."""
        self._goes_on(connection, _WAITING)

    def sends(self, connection: Connection) -> None:
        """The connection waits for its client to take something."""
        self._goes_on(connection, _SENDING)

    def renders(self, connection: Connection) -> bool:
        """The connection has a whole request, and is not cut until it has an answer. False: it has been cut."""
        self._goes_on(connection, _RENDERING)
        return not connection.is_cut

    def cut_idle(self) -> None:
        """Cuts the connections that wait for a request. Not in a fork child, whose they are not."""
        if os.getpid() != self._process:
            return
        with self._changed:
            for connection in self._open:
                if connection.state == _WAITING:
                    connection.cut()

    def _goes_on(self, connection: Connection, state: int) -> None:
        with self._changed:
            connection.state = state
            connection.since = time.monotonic()

    def _idlest(self) -> Optional[Connection]:
        patient = time.monotonic() - _PATIENCE_SECONDS
        idle = [
            one
            for one in self._open
            if not one.is_cut and (one.state == _WAITING or (one.state == _SENDING and one.since < patient))
        ]
        return min(idle, key=lambda one: (one.state, one.since), default=None)
