# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""An HTTP client over a Unix socket."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from typing import NamedTuple

from witness import NUMBER_HEADER, WORKER_HEADER

HANG_SECONDS = 120.0
#: A keep-alive connection stays with one worker; a new one goes to whichever is free.
REQUESTS_PER_CONNECTION = 8


class Answer(NamedTuple):
    """What a worker answered, and its process id."""

    worker: int
    text: str


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=HANG_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """Requests one after the other. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: UnixConnection | None = None
        self._left = 0

    def send(self, target: str, number: int | None = None) -> None:
        """Sends a GET, with the number of a witnessed request. Errors: OSError."""
        if self._connection is None or self._left == 0:
            self.close()
            self._connection = UnixConnection(self._path)
            self._left = REQUESTS_PER_CONNECTION
        self._left -= 1
        self._connection.request("GET", target, headers={} if number is None else {NUMBER_HEADER: str(number)})

    def receive(self) -> Answer:
        """The answer to what was sent. Errors: OSError and HTTPException where the worker has gone."""
        assert self._connection is not None
        response = self._connection.getresponse()
        text = response.read().decode()
        assert response.status == 200, f"status {response.status}: {text}"
        return Answer(int(response.getheader(WORKER_HEADER, "0")), text)

    def get(self, target: str, number: int | None = None) -> Answer | None:
        """The answer; None where the connection broke before it was complete. A time-out is an error, not a None."""
        try:
            self.send(target, number)
            return self.receive()
        except TimeoutError as error:
            raise AssertionError(f"{target} was not answered within {HANG_SECONDS} s") from error
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def close(self) -> None:
        """Gives up the connection; the next request takes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
