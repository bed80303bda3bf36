# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the HTTP middlewares share: a clock of their own, and reading what was recorded."""

from __future__ import annotations

import asyncio
from typing import Any, Dict, List, MutableMapping, Optional, Set, Tuple

import httpx

from fdmetrics import Registry

from .support import Samples

Key = Tuple[str, str, str]
BOUNDS = [
    *("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "0.75", "1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0"),
    *("4.5", "5.0", "7.5", "10.0", "30.0", "60.0", "+Inf"),
]
PREAMBLE = {
    "# HELP http_requests_total HTTP requests answered, by method, route and status code.",
    "# TYPE http_requests_total counter",
    "# HELP http_request_duration_seconds Seconds from an HTTP request to the end of its response.",
    "# TYPE http_request_duration_seconds histogram",
}


class Clock:
    """A perf_counter that stands still until it is told to move, by a binary fraction so that sums are exact."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


def recorded(registry: Registry, seconds: Optional[Dict[Tuple[str, str], float]] = None) -> Dict[Key, float]:
    """The counts of http_requests_total by method, path and status, after a look at the whole exposition.

    It must have the two families and nothing else, every duration series with all bounds, and as many observations of
    a method and path as there are requests. `seconds` are the sums of durations that are expected, where given.
    """
    samples = Samples(registry)
    assert {line for line in samples.text.splitlines() if line.startswith("#")} == PREAMBLE
    requests: Dict[Key, float] = {}
    counts: Dict[Tuple[str, str], float] = {}
    sums: Dict[Tuple[str, str], float] = {}
    bounds: Dict[Tuple[str, str], Set[str]] = {}
    for (name, labels), value in samples.values.items():
        label = dict(labels)
        pair = (label["method"], label["path"])
        if name == "http_requests_total":
            requests[(*pair, label["status_code"])] = value
        elif name == "http_request_duration_seconds_count":
            counts[pair] = value
        elif name == "http_request_duration_seconds_sum":
            sums[pair] = value
        else:
            assert name == "http_request_duration_seconds_bucket"
            bounds.setdefault(pair, set()).add(label["le"])
    expected: Dict[Tuple[str, str], float] = {}
    for (method, path, _), value in requests.items():
        expected[(method, path)] = expected.get((method, path), 0) + value
    assert counts == expected
    assert bounds == {pair: set(BOUNDS) for pair in expected}
    assert sums.keys() == expected.keys()
    if seconds is not None:
        assert sums == seconds
    return requests


def exposition(method: str, path: str, status: str, seconds: float) -> str:
    """The whole text after one request."""
    labels = f'method="{method}",path="{path}"'
    buckets = "".join(
        f'http_request_duration_seconds_bucket{{le="{bound}",{labels}}} {float(seconds <= float(bound))}\n'
        for bound in BOUNDS
    )
    return (
        "# HELP http_request_duration_seconds Seconds from an HTTP request to the end of its response.\n"
        "# TYPE http_request_duration_seconds histogram\n"
        f"{buckets}"
        f"http_request_duration_seconds_count{{{labels}}} 1.0\n"
        f"http_request_duration_seconds_sum{{{labels}}} {seconds}\n"
        "# HELP http_requests_total HTTP requests answered, by method, route and status code.\n"
        "# TYPE http_requests_total counter\n"
        f'http_requests_total{{{labels},status_code="{status}"}} 1.0\n'
    )


Message = MutableMapping[str, Any]


class Connection:
    """One connection to an ASGI application, without a server."""

    def __init__(self, path: str = "/", method: str = "GET", **scope: Any) -> None:
        self.scope: Dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "root_path": "",
            "query_string": b"",
            "headers": [],
            **scope,
        }
        #: What receive gives, one after the other.
        self.received: List[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
        #: What the application sent.
        self.sent: List[Message] = []

    async def receive(self) -> Message:
        if not self.received:
            # The client is still there.
            await asyncio.get_running_loop().create_future()
        return self.received.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def run(self, app: Any) -> List[Message]:
        """Runs an application, and returns what it sent."""
        asyncio.run(app(self.scope, self.receive, self.send))
        return self.sent


START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]}
BODY: Message = {"type": "http.response.body", "body": b"hello"}
PART: Message = {"type": "http.response.body", "body": b"hello", "more_body": True}


class Client:
    """Sends requests to an ASGI application, without a server, each in an event loop of its own."""

    def __init__(self, app: Any, root_path: str = "", raise_server_exceptions: bool = True) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=raise_server_exceptions, root_path=root_path)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://test") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)
