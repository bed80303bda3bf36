# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A receiver that answers what a test wants, and remembers every request."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from programs import PATIENCE_SECONDS, eventually


@dataclass
class Request:
    """What came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    #: Of the monotonic clock.
    time: float
    #: What it was answered: a status, or "close", "hang" or "stall".
    answer: int | str = 0


@dataclass
class Answer:
    """What the receiver does with a request."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: "close": ends the connection; "hang": says nothing for longer than the test lasts; "stall": so, within the body.
    instead: str = ""


class ScriptedReceiver:
    """Answers with the script's answers one after the other, and then with `otherwise`. A context manager."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.otherwise = Answer()
        self._script: list[Answer] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"{self._scheme}://localhost:{self._server.server_address[1]}"

    def script(self, answers: Sequence[Answer]) -> None:
        """What is answered next."""
        with self._lock:
            self._script = list(answers)

    def accepted(self) -> list[Request]:
        """The requests that were taken."""
        with self._lock:
            return [one for one in self.requests if isinstance(one.answer, int) and one.answer < 300]

    def wait(self, count: int) -> None:
        """Until so many requests have come."""
        eventually(f"{count} requests", lambda: len(self.requests) >= count)

    def _take(self, request: Request) -> Answer:
        with self._lock:
            answer = self._script.pop(0) if self._script else self.otherwise
            request.answer = answer.instead or answer.status
            self.requests.append(request)
            return answer

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                request = Request(self.command, self.path, dict(self.headers), body, time.monotonic())
                answer = receiver._take(request)
                if answer.instead in ("close", "hang"):
                    if answer.instead == "hang":
                        receiver._over.wait(PATIENCE_SECONDS)
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                stalls = answer.instead == "stall"
                self.send_header("Content-Length", str(len(answer.body) + stalls))
                self.end_headers()
                self.wfile.write(answer.body)
                if stalls:
                    receiver._over.wait(PATIENCE_SECONDS)
                    self.close_connection = True

            do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def __enter__(self) -> ScriptedReceiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
