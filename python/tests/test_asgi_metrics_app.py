# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics.asgi.make_asgi_app."""

from __future__ import annotations

import asyncio
import gzip
import threading
from typing import Any, Dict, List, Tuple

import pytest

import fdmetrics
from fdmetrics import asgi
from fdmetrics._asked import negotiate

from .frameworks_support import Connection, recorded

CONTENT_TYPE = (b"content-type", fdmetrics.CONTENT_TYPE_LATEST.encode())


def answer(app: Any, method: str = "GET", *headers: Tuple[bytes, bytes]) -> Tuple[int, Dict[bytes, bytes], bytes]:
    start, body = Connection("/", method, headers=list(headers)).run(app)
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    return start["status"], dict(start["headers"]), body["body"]


@pytest.fixture
def app(registry: fdmetrics.Registry) -> asgi.MetricsApp:
    """The application, for a store with one metric."""
    fdmetrics.Counter("hits", "Hits.", registry=registry).inc(2)
    return asgi.make_asgi_app(registry)


def test_get(registry: fdmetrics.Registry, app: asgi.MetricsApp) -> None:
    text = b"# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total 2.0\n"
    assert registry.render() == text
    expected = {
        b"content-type": fdmetrics.CONTENT_TYPE_LATEST.encode(),
        b"content-length": str(len(text)).encode(),
        b"vary": b"Accept, Accept-Encoding",
    }
    status, headers, body = answer(app)
    assert headers.pop(b"etag").strip(b'"').isalnum()
    assert (status, headers, body) == (200, expected, text)


def test_head_has_the_headers_alone(app: asgi.MetricsApp) -> None:
    for header in ((b"x-a", b"1"), (b"accept-encoding", b"gzip")):
        assert answer(app, "HEAD", header) == (*answer(app, "GET", header)[:2], b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"])
def test_other_methods_are_refused(app: asgi.MetricsApp, method: str) -> None:
    status, headers, body = answer(app, method)
    assert (status, body) == (405, b"GET and HEAD are expected.\n")
    assert headers[b"allow"] == b"GET, HEAD"


@pytest.mark.parametrize("name", [b"accept-encoding", b"Accept-Encoding"])
def test_gzip(registry: fdmetrics.Registry, app: asgi.MetricsApp, name: bytes) -> None:
    status, headers, body = answer(app, "GET", (name, b"br"), (name, b"gzip;q=0.5"))
    assert (status, headers[b"content-encoding"]) == (200, b"gzip")
    assert headers[b"content-length"] == str(len(body)).encode()
    assert gzip.decompress(body) == registry.render()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip ; Q=0.2", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("gzip;q=abc", True),
        ("gzip;level=1", True),
        ("*", True),
        ("*;q=0", False),
        ("br", False),
        ("identity", False),
        ("identity;q=0.5, gzip;q=0.4", False),
        ("identity;q=0.4, gzip;q=0.5", True),
        ("identity, gzip", True),
        ("notgzip", False),
    ],
)
def test_accept_encoding(header: str, expected: bool) -> None:
    assert negotiate("", header).is_gzipped is expected


def test_a_failure_is_told(registry: fdmetrics.Registry, app: asgi.MetricsApp) -> None:
    registry.close()
    status, headers, body = answer(app)
    assert status == 500
    assert headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert body.startswith(b"StoreClosedError: ")
    assert str(registry._directory).encode() in body


def test_the_options_reach_the_rendering(monkeypatch: pytest.MonkeyPatch, registry: fdmetrics.Registry) -> None:
    asked: List[Dict[str, Any]] = []

    def render(**options: Any) -> bytes:
        asked.append(options)
        return b""

    monkeypatch.setattr(registry, "render", render)
    answer(asgi.make_asgi_app(registry))
    answer(asgi.metrics_app(registry, pid_label=True, process_metrics="worker"))
    answer(asgi.make_asgi_app(registry, process_metrics=True, self_metrics=True))
    assert [{name: options[name] for name in list(options)[:3]} for options in asked] == [
        {"pid_label": False, "process_metrics": False, "self_metrics": False},
        {"pid_label": True, "process_metrics": "worker", "self_metrics": False},
        {"pid_label": False, "process_metrics": True, "self_metrics": True},
    ]


def test_pids_are_shown_on_request(registry: fdmetrics.Registry) -> None:
    fdmetrics.Gauge("g", "G.", registry=registry).set(1)
    assert b"g 1.0\n" in answer(asgi.make_asgi_app(registry))[2]
    assert b'g{pid="' in answer(asgi.make_asgi_app(registry, pid_label=True))[2]


def test_the_event_loop_goes_on_meanwhile(monkeypatch: pytest.MonkeyPatch, registry: fdmetrics.Registry) -> None:
    released = threading.Event()
    monkeypatch.setattr(registry, "render", lambda **_: b"late" if released.wait(60) else b"stuck")

    async def scrape() -> List[Any]:
        connection = Connection()
        app = asgi.make_asgi_app(registry)
        task = asyncio.ensure_future(app(connection.scope, connection.receive, connection.send))
        await asyncio.sleep(0)
        released.set()
        await task
        return connection.sent

    assert asyncio.run(scrape())[1]["body"] == b"late"


def test_a_server_without_asyncio(registry: fdmetrics.Registry, app: asgi.MetricsApp) -> None:
    connection = Connection()
    with pytest.raises(StopIteration):
        app(connection.scope, connection.receive, connection.send).send(None)
    assert connection.sent[1]["body"] == registry.render()


def test_its_own_requests_are_not_recorded(registry: fdmetrics.Registry) -> None:
    app = asgi.MetricsMiddleware(asgi.make_asgi_app(registry), registry=registry)
    Connection("/elsewhere").run(app)
    assert recorded(registry) == {}


def test_lifespan(app: asgi.MetricsApp) -> None:
    connection = Connection(type="lifespan")
    connection.received = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    assert connection.run(app) == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


def test_websockets_are_refused(app: asgi.MetricsApp) -> None:
    assert Connection(type="websocket").run(app) == [{"type": "websocket.close"}]
