# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The middleware of the API server, around an ASGI application that needs no framework."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, Dict, List, MutableMapping

import pytest

from fdmetrics import Registry
from fdmetrics.asgi import MetricsMiddleware
from fdmetrics.fastdeploy import (
    EXCLUDE_PATHS,
    MetricsManager,
    PrometheusMiddleware,
    main_process_metrics,
    metrics_middleware,
)

from .support import Samples


class BrokenError(Exception):
    """What the application raises."""


BROKEN = BrokenError("broken")


class Application:
    """Has the route /items/{id}, and answers everything else with 404. Says so as Starlette does."""

    def __init__(self) -> None:
        self.routes = [SimpleNamespace(path="/items/{id}", endpoint=object())]

    async def __call__(self, scope: MutableMapping[str, Any], _receive: Any, send: Any) -> None:
        status = 404
        if scope["path"].startswith("/items/"):
            scope.update(app=self, route=self.routes[0], endpoint=self.routes[0].endpoint)
            status = 200
        if scope["path"] == "/items/broken":
            raise BROKEN
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"answer"})


def request(middleware: MetricsMiddleware, path: str, method: str = "GET") -> List[Dict[str, Any]]:
    """What the client gets."""
    sent: List[Dict[str, Any]] = []

    async def receive() -> Dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    asyncio.run(middleware(scope, receive, send))
    return sent


@pytest.fixture
def middleware(registry: Registry) -> PrometheusMiddleware:
    return PrometheusMiddleware(Application(), registry=registry)


def test_the_excluded_paths() -> None:
    expected = ["/health", "/metrics", "/ping", "/load", "/v1/chat/completions", "/v1/completions"]
    assert expected == EXCLUDE_PATHS


def test_excluded_paths_are_answered_and_not_recorded(registry: Registry, middleware: PrometheusMiddleware) -> None:
    for path in EXCLUDE_PATHS:
        assert [message["type"] for message in request(middleware, path)] == [
            "http.response.start",
            "http.response.body",
        ]
    assert Samples(registry).named("http_requests_total") == {}
    # Only whole paths are excluded.
    request(middleware, "/health/more")
    assert sum(Samples(registry).named("http_requests_total").values()) == 1


def test_paths_that_are_excluded_later_count(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_middleware, "EXCLUDE_PATHS", [*EXCLUDE_PATHS, "/items/0"])
    middleware = PrometheusMiddleware(Application(), registry=registry)
    request(middleware, "/items/0")
    assert Samples(registry).named("http_requests_total") == {}


def test_a_request_is_counted_and_timed_once(registry: Registry, middleware: PrometheusMiddleware) -> None:
    metrics = MetricsManager(registry)
    answer = request(middleware, "/items/1", "POST")
    assert (answer[0]["status"], answer[1]["body"]) == (200, b"answer")
    labels = {"method": "POST", "path": "/items/{id}"}
    samples = Samples(registry)
    assert samples.get("http_requests_total", status_code="200", **labels) == 1
    assert samples.get("http_request_duration_seconds_count", **labels) == 1
    metrics.inc_value("http_requests_total", labelvalues={**labels, "status_code": 200})
    assert Samples(registry).get("http_requests_total", status_code="200", **labels) == 2, "the same series"


def test_an_exception_is_500_and_goes_on_unchanged(registry: Registry, middleware: PrometheusMiddleware) -> None:
    with pytest.raises(BrokenError) as caught:
        request(middleware, "/items/broken")
    assert caught.value is BROKEN
    samples = Samples(registry)
    assert samples.get("http_requests_total", method="GET", path="/items/{id}", status_code="500") == 1
    assert samples.get("http_request_duration_seconds_count", method="GET", path="/items/{id}") == 1


def test_clients_cannot_make_series(registry: Registry, middleware: PrometheusMiddleware) -> None:
    for number in range(50):
        request(middleware, f"/items/{number}")
        request(middleware, f"/nothing/{number}")
        request(middleware, f"/items/{number}", f"METHOD{number}")
    assert Samples(registry).all_values("http_requests_total") == [50, 50, 50]


def test_records_into_main_process_metrics_by_default() -> None:
    middleware = PrometheusMiddleware(Application())
    assert middleware._metrics._registry is main_process_metrics.registry
