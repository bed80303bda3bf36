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

from .errors import FDMetricsError
from .exposition import CONTENT_TYPE_LATEST
from .registry import Registry

_PATHS = ("/", "/metrics")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: Tuple[str, int], handler: Type[BaseHTTPRequestHandler], registry: Registry) -> None:
        self.registry = registry
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
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        status, content_type, body = self._content()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _content(self) -> Tuple[HTTPStatus, str, bytes]:
        plain = "text/plain; charset=utf-8"
        if self.path.partition("?")[0] not in _PATHS:
            return HTTPStatus.NOT_FOUND, plain, b"Not found. The metrics are at /metrics.\n"
        try:
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, self.server.registry.render()
        except FDMetricsError as error:
            text = f"{type(error).__name__}: {error}\n"
            return HTTPStatus.INTERNAL_SERVER_ERROR, plain, text.encode("utf-8", "replace")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: a scrape every few seconds is not worth a line."""


def serve(port: int, addr: str, registry: Registry) -> Tuple[ThreadingHTTPServer, threading.Thread]:
    """Serves a registry from a daemon thread; see fdmetrics.start_http_server."""
    server = _Server((addr, port), _Handler, registry)
    thread = threading.Thread(target=server.serve_forever, name="fdmetrics-http", daemon=True)
    thread.start()
    return server, thread
