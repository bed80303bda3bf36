# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a scraper asks for: a proxy between it and a server of metrics, which remembers the headers of both."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy(ThreadingHTTPServer):
    """Passes requests on, and may ask for another format than they do. A context manager; serves in a thread."""

    daemon_threads = True

    def __init__(self, port: int, accept: str | None = None) -> None:
        """Passes on to a port of this host; accept takes the place of the requests' own header."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = int(self.server_address[1])
        self.behind = port
        self.accept = accept
        #: The requests' Accept and Accept-Encoding, and the answers' Content-Type and Content-Encoding.
        self.seen: set[tuple[str, str, str, str]] = set()

    def __enter__(self) -> Proxy:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        accept, encoding = (self.headers.get(name, "") for name in ("Accept", "Accept-Encoding"))
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=30)
        try:
            connection.request(
                "GET", self.path, headers={"Accept": self.server.accept or accept, "Accept-Encoding": encoding}
            )
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        described = [answer.headers.get(name, "") for name in ("Content-Type", "Content-Encoding")]
        self.server.seen.add((accept, encoding, *described))
        self.send_response(answer.status)
        for name, value in zip(("Content-Type", "Content-Encoding"), described):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
