# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the middlewares in services of several workers, one of which is killed amid a request."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from campaign import HELD_SECONDS, make_rows
from clients import HANG_SECONDS, Client, UnixConnection
from commands import gunicorn, uvicorn
from servers import Server
from totals import Exposition

REQUESTS = 300
IN_PROGRESS = ("http_requests_in_progress", (("method", "GET"),))


def post(server: Server, number: int, body: bytes) -> None:
    """One request with a body, on a connection of its own, so that all workers get some."""
    connection = UnixConnection(server.path)
    try:
        connection.request("POST", f"/items/{number}", body=body)
        response = connection.getresponse()
        assert (response.status, response.read().decode()) == (200, str(number))
    finally:
        connection.close()


def scraped(server: Server) -> Exposition:
    client = Client(server.path)
    try:
        answer = client.get("/metrics")
        assert answer is not None
        return Exposition(answer.text)
    finally:
        client.close()


def in_progress(server: Server, expected: float) -> None:
    """Waits until so many requests are in progress."""
    deadline = time.monotonic() + HANG_SECONDS
    while (now := scraped(server).samples.get(IN_PROGRESS)) != expected:
        assert time.monotonic() < deadline, f"{now} requests are in progress, not {expected}"
        time.sleep(0.02)


def hold(server: Server) -> None:
    """A request that its worker does not survive."""
    connection = UnixConnection(server.path)
    try:
        connection.request("GET", f"/sleep/{HELD_SECONDS}")
        with pytest.raises((OSError, http.client.HTTPException)):
            connection.getresponse()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("command", "service", "template"),
    [
        (uvicorn(2), "optioned_fastapi:app", "/items/{item}"),
        (gunicorn(2, "--worker-class", "gthread", "--threads", "4"), "optioned_flask:app", "/items/<int:item>"),
    ],
    ids=["uvicorn", "gunicorn"],
)
def test_every_option(folder: Path, command: Sequence[str], service: str, template: str) -> None:
    make_rows(folder, 1)
    with Server(command, folder, service) as server:
        for number in range(REQUESTS):
            post(server, number, b"x" * (number % 10))
        client = Client(server.path)
        state = client.get("/internal/state")
        assert state is not None
        client.close()
        shown = scraped(server)

        path = (("method", "POST"), ("path", template), ("site", "eu"))
        # The service's own counter has the name, and the middleware goes on with its other metrics.
        assert (
            shown.total("http_requests_total") == shown.total("http_requests_total", (("method", "POST"),)) == REQUESTS
        )
        for name in ("request_duration_seconds", "request_size_bytes", "response_size_bytes"):
            for tenant in ("<unknown>", "tenant-1", "tenant-2"):
                assert shown.total(f"http_{name}_count", (*path, ("tenant", tenant))) == REQUESTS / 3
            assert shown.total(f"http_{name}_count") == REQUESTS
        assert shown.total("http_request_size_bytes_sum", path) == sum(number % 10 for number in range(REQUESTS))
        assert shown.total("http_response_size_bytes_sum", path) == sum(len(str(number)) for number in range(REQUESTS))
        bounds = {
            dict(labels)["le"] for name, labels in shown.samples if name == "http_request_duration_seconds_bucket"
        }
        assert bounds == {"0.1", "1.0", "10.0", "+Inf"}
        grouped = (("handler", template), ("method", "POST"), ("status_code", "2xx"))
        assert shown.total("grouped_http_requests_total", grouped) == REQUESTS
        assert "no HTTP request is recorded into http_requests_total" in server.log

        workers = set(server.descendants())
        threads = [threading.Thread(target=hold, args=(server,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        in_progress(server, 3)
        for worker in workers:
            if worker in server.descendants() and scraped(server).samples.get(IN_PROGRESS, 0) > 0:
                server.kill(worker)
        for thread in threads:
            thread.join(HANG_SECONDS)
        in_progress(server, 0)
