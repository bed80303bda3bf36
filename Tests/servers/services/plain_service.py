# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A service without a framework: one connection after the other, each with one request."""

from __future__ import annotations

import http.server
import os
import socket
import time

import fdmetrics
from witness import NUMBER_HEADER, ROWS_FILE, WORKER_HEADER, Rows

REQUESTS = fdmetrics.Counter("service_requests", "Requests that were begun.", ["kind"])
SECONDS = fdmetrics.Histogram("service_request_seconds", "Time to answer a request.")
IN_PROGRESS = fdmetrics.Gauge(
    "service_requests_in_progress", "Requests that workers are handling.", multiprocess_mode="livesum"
)

ROWS = Rows(os.environ[ROWS_FILE])


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /items/N, /sleep/SECONDS and /metrics."""

    def do_GET(self) -> None:
        """One request."""
        if self.path == "/metrics":
            self._reply(fdmetrics.generate_latest(process_metrics=True))
            return
        number = int(self.headers[NUMBER_HEADER])
        _, kind, what = self.path.split("/")
        ROWS.begin(number)
        REQUESTS.labels(kind).inc()
        with IN_PROGRESS.track_inprogress(), SECONDS.time():
            if kind == "sleep":
                time.sleep(float(what))
        self._reply(b"done\n")
        ROWS.done(number)

    def _reply(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header(WORKER_HEADER, str(os.getpid()))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


def serve(listener: socket.socket) -> None:
    """Answers for ever."""
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                Handler(connection, ("", 0), None)  # type: ignore[arg-type]
            except ConnectionError:
                continue  # The client has gone.
