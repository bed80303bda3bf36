# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Serves the metrics of a store that other processes record into: serve_store.py [--port N] [--address A] DIRECTORY

For a container beside the service's own. It needs the Python package and read access, so it runs as the same user, may
have the directory mounted read-only, and is none of the service's processes. /metrics has the totals, the processes by
worker (those of its own PID namespace), and what the store says of itself. /healthz answers whenever this program runs.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fdmetrics

TEXT = "text/plain; charset=utf-8"


class Handler(BaseHTTPRequestHandler):
    """Answers GET."""

    protocol_version = "HTTP/1.1"
    # Seconds that a client may say nothing.
    timeout = 30
    directory = ""

    def do_GET(self) -> None:
        """Renders the store: every time anew, so that it may come, go, and be made again."""
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._answer(200, TEXT, b"ok\n")
        elif path != "/metrics":
            self._answer(404, TEXT, b"Not found. The metrics are at /metrics.\n")
        else:
            try:
                text = fdmetrics.render_directory(self.directory, process_metrics="worker", self_metrics=True)
            except fdmetrics.FDMetricsError as error:
                # No process of the service has recorded yet, or the store cannot be read: Prometheus shows it as down.
                self._answer(503, TEXT, f"{type(error).__name__}: {error}\n".encode("utf-8", "replace"))
            else:
                self._answer(200, fdmetrics.CONTENT_TYPE_LATEST, text)

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: a scrape every few seconds is not worth a line."""


def parser() -> argparse.ArgumentParser:
    """What the manifests give as arguments."""
    found = argparse.ArgumentParser(description="Serves the metrics of a store at /metrics.")
    found.add_argument("--port", type=int, default=9095)
    # A pod's other containers and Prometheus reach it from outside of its own network interface.
    found.add_argument("--address", default="0.0.0.0")
    found.add_argument("directory", help="the service's FDMETRICS_DIR")
    return found


def main(arguments: Sequence[str]) -> None:
    """Serves until SIGTERM."""
    chosen = parser().parse_args(arguments)
    # As the first process of a container it would not be ended by it otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Handler.directory = chosen.directory
    with ThreadingHTTPServer((chosen.address, chosen.port), Handler) as server:
        server.daemon_threads = True
        print(f"serving {chosen.directory} at port {server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
