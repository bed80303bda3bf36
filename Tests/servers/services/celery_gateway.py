# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Turns HTTP requests into Celery tasks, and the datagrams of the pool's processes into answers."""

from __future__ import annotations

import http.server
import itertools
import json
import os
import socket
import socketserver
import threading
from concurrent.futures import Future
from typing import Any

from celery import Celery

from witness import NUMBER_HEADER, WORKER_HEADER

HANG_SECONDS = 120.0
#: The socket for the datagrams, in the working directory.
REPLIES = "replies"
#: Headers of a task.
NUMBER, TICKET = "witness_number", "witness_ticket"


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, app: Celery, path: str) -> None:
        self.app = app
        self.tickets = itertools.count()
        self.waiting: dict[int, Future[dict[str, Any]]] = {}
        self._replies = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._replies.bind(REPLIES)
        threading.Thread(target=self._receive, daemon=True).start()
        super().__init__(path, _Handler)

    def _receive(self) -> None:
        while True:
            reply = json.loads(self._replies.recv(1 << 20))
            self.waiting.pop(reply["ticket"]).set_result(reply)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Runs the task that the path names, and answers when it has run."""
        _, kind, *rest = self.path.split("/")
        number = self.headers[NUMBER_HEADER]
        ticket = next(self.server.tickets)
        task = self.server.app.tasks["item" if kind == "items" else kind]
        if kind == "metrics" and ticket % 2:
            # The main process runs no task, and shows the totals of the pool all the same.
            self._reply(os.getpid(), task.run())
            return
        future = self.server.waiting[ticket] = Future()
        headers = {NUMBER: None if number is None else int(number), TICKET: ticket}
        task.apply_async(args=[float(word) for word in rest], headers=headers)
        reply = future.result(HANG_SECONDS)
        self._reply(reply["worker"], reply["text"])

    def _reply(self, worker: int, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header(WORKER_HEADER, str(worker))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


def start_gateway(app: Celery, path: str) -> threading.Thread:
    """Serves on a Unix socket, from a thread."""
    # Takes requests only once the tasks are known.
    app.finalize()
    thread = threading.Thread(target=_Server(app, path).serve_forever, daemon=True)
    thread.start()
    return thread
