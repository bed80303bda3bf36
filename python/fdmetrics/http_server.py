# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The HTTP endpoint behind start_http_server."""

from __future__ import annotations

import socket
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Tuple, Type

from ._scrape import Request, Scrape, plain_answer

_PATHS = ("/", "/metrics")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: Tuple[str, int], handler: Type[BaseHTTPRequestHandler], scrape: Scrape) -> None:
        self.scrape = scrape
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # HTTPServer asks the name service for the host's full name here, which may take seconds; nothing needs it.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        if path in _PATHS:
            answer = self.server.scrape.answer(
                Request(
                    self.command,
                    self._header("Accept"),
                    self._header("Accept-Encoding"),
                    self._header("If-None-Match"),
                    query,
                )
            )
        else:
            answer = plain_answer(HTTPStatus.NOT_FOUND, "Not found. The metrics are at /metrics.\n")
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _header(self, name: str) -> str:
        return ",".join(self.headers.get_all(name, []))

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: a scrape every few seconds is not worth a line."""


def serve(port: int, addr: str, scrape: Scrape) -> Tuple[ThreadingHTTPServer, threading.Thread]:
    """Serves an endpoint from a daemon thread; see fdmetrics.start_http_server."""
    server = _Server((addr, port), _Handler, scrape)
    thread = threading.Thread(target=server.serve_forever, name="fdmetrics-http", daemon=True)
    thread.start()
    return server, thread
