# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""PrometheusMiddleware with dispatch, as a subclass of Starlette's BaseHTTPMiddleware has it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, AsyncIterator, List, Optional
from unittest import mock

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

import fdmetrics
from fdmetrics import Registry
from fdmetrics.asgi import make_asgi_app
from fdmetrics.fastdeploy import EXCLUDE_PATHS, MetricsManager, PrometheusMiddleware, metrics_middleware

from .frameworks_support import Client, Clock, Connection, recorded
from .support import Samples

REQUESTS = "http_requests_total"


class Adding(PrometheusMiddleware):
    """Adds a header, beside the recording."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        response = await super().dispatch(request, call_next)
        response.headers["x-server"] = "api"
        return response


class Silent(PrometheusMiddleware):
    """Does not come to the recording."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        return await call_next(request)


class Guarding(PrometheusMiddleware):
    """Answers some requests itself: /refused past the recording, /busy within it."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        if request.url.path == "/refused":
            return PlainTextResponse("who are you", 401)

        async def guarded(request: Request) -> Any:
            if request.url.path == "/busy":
                return PlainTextResponse("busy", 503)
            return await call_next(request)

        return await super().dispatch(request, guarded)


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def boom(request: Request) -> Response:
    raise KeyError("mine")


def application(middleware: Any, registry: Registry, **keywords: Any) -> Any:
    items = Mount("/v2", routes=[Route("/items/{id}", hello, methods=["GET", "POST"])])
    routes: List[Any] = [Route("/hello", hello), Route("/boom", boom), items]
    routes += [Route(path, hello) for path in EXCLUDE_PATHS]
    return middleware(Starlette(routes=routes), registry=registry, **keywords)


def test_an_overridden_dispatch_is_used_and_super_records(registry: Registry) -> None:
    client = Client(application(Adding, registry))
    response = client.get("/hello")
    assert (response.status_code, response.text, response.headers["x-server"]) == (200, "hello", "api")
    assert client.request("POST", "/v2/items/7").headers["x-server"] == "api"
    assert client.get("/v2/items/8").text == "hello"
    assert client.get("/nothing").status_code == 404
    assert recorded(registry) == {
        ("GET", "/hello", "200"): 1,
        ("POST", "/v2/items/{id}", "200"): 1,
        ("GET", "/v2/items/{id}", "200"): 1,
        ("GET", "<unmatched>", "404"): 1,
    }


def test_it_may_be_added_to_an_application(registry: Registry) -> None:
    app = Starlette(routes=[Route("/hello", hello)])
    app.add_middleware(Adding, registry=registry)
    assert Client(app).get("/hello").headers["x-server"] == "api"
    assert recorded(registry) == {("GET", "/hello", "200"): 1}


def test_a_dispatch_that_does_not_come_to_super_records_nothing(registry: Registry) -> None:
    assert Client(application(Silent, registry)).get("/hello").text == "hello"
    assert Samples(registry).named(REQUESTS) == {}


def test_responses_that_the_application_did_not_give(registry: Registry) -> None:
    client = Client(application(Guarding, registry))
    for path, status in (("/refused", 401), ("/busy", 503), ("/hello", 200)):
        assert client.get(path).status_code == status
    assert recorded(registry) == {("GET", "<unmatched>", "503"): 1, ("GET", "/hello", "200"): 1}


def test_excluded_paths_come_to_dispatch_and_are_not_recorded(registry: Registry) -> None:
    client = Client(application(Adding, registry))
    for path in EXCLUDE_PATHS:
        assert client.get(path).headers["x-server"] == "api"
    assert Samples(registry).named(REQUESTS) == {}


def test_an_exception_is_500_and_goes_on_unchanged(registry: Registry) -> None:
    seen: List[BaseException] = []

    class Watching(PrometheusMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            try:
                return await super().dispatch(request, call_next)
            except KeyError as error:
                seen.append(error)
                return PlainTextResponse("sorry", 500)

    app = Starlette(routes=[Route("/boom", boom)])
    app.add_middleware(Watching, registry=registry)
    assert Client(app).get("/boom").text == "sorry"
    assert seen[0].args == ("mine",)
    assert recorded(registry) == {("GET", "/boom", "500"): 1}


@pytest.mark.parametrize("kind", [PrometheusMiddleware, Adding])
def test_a_response_is_timed_until_its_last_part(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    clock = Clock()
    monkeypatch.setattr("fdmetrics._asgi_exchange.perf_counter", clock)
    monkeypatch.setattr("fdmetrics.fastdeploy.metrics_middleware.perf_counter", clock)
    counted: List[Optional[float]] = []

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            clock.move(1.0)
            counted.append(Samples(registry).get(REQUESTS, method="GET", path="/stream", status_code="200"))
            yield b"part"

    async def stream(request: Request) -> Response:
        async def later() -> None:
            clock.move(100.0)

        return StreamingResponse(parts(), background=BackgroundTask(later))

    response = Client(kind(Starlette(routes=[Route("/stream", stream)]), registry=registry)).get("/stream")
    assert response.text == "partpartpart"
    assert counted == [None, None, None]
    assert recorded(registry, {("GET", "/stream"): 3.0}) == {("GET", "/stream", "200"): 1}


def test_whoever_has_the_response_finds_it_counted(registry: Registry) -> None:
    app = application(Adding, registry)

    async def run() -> List[Optional[float]]:
        counts = []
        for _ in range(50):
            connection = Connection("/hello")
            connection.sent = Counting(registry)
            await app(connection.scope, connection.receive, connection.send)
            counts.append(connection.sent.at_body)
        return counts

    assert asyncio.run(run()) == [float(number) for number in range(1, 51)]


class Counting(List[Any]):
    """Notes how many requests were counted when the first part of a body came."""

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self.registry = registry
        self.at_body: Optional[float] = None

    def append(self, message: Any) -> None:
        if message["type"] == "http.response.body" and self.at_body is None:
            samples = Samples(self.registry)
            self.at_body = samples.get(REQUESTS, method="GET", path="/hello", status_code="200")


def test_a_client_that_goes_away_is_499(registry: Registry) -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    connection = Connection("/hello")
    connection.received.append({"type": "http.disconnect"})
    with pytest.raises(RuntimeError, match="No response returned"):
        connection.run(Adding(waits, registry=registry))
    assert recorded(registry) == {("GET", "<unmatched>", "499"): 1}


def test_an_application_that_fails_after_its_start_keeps_its_status(registry: Registry) -> None:
    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise KeyError("mine")

    with pytest.raises(KeyError):
        Connection("/hello").run(Adding(breaks, registry=registry))
    assert recorded(registry) == {("GET", "<unmatched>", "202"): 1}


def test_one_within_another_records_each_once(tmp_path: Any) -> None:
    inner, outer = Registry(tmp_path / "inner"), Registry(tmp_path / "outer")
    app = Adding(application(Adding, inner), registry=outer)
    assert Client(app).get("/hello").text == "hello"
    for registry in (inner, outer):
        assert recorded(registry) == {("GET", "/hello", "200"): 1}
        registry.close()


def test_other_connections_pass_through(registry: Registry) -> None:
    seen: List[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    middleware = Adding(app, registry=registry)
    for kind in ("lifespan", "websocket"):
        asyncio.run(middleware({"type": kind}, mock.AsyncMock(), mock.AsyncMock()))
    assert seen == ["lifespan", "websocket"]


def test_the_metrics_are_served_beside_it(registry: Registry) -> None:
    app = Starlette(routes=[Route("/hello", hello), Route("/metrics", make_asgi_app(registry))])
    app.add_middleware(Adding, registry=registry)
    client = Client(app)
    client.get("/hello")
    shown = Samples(client.get("/metrics").text)
    assert shown.get(REQUESTS, method="GET", path="/hello", status_code="200") == 1


# Called by hand, as FastDeploy's tests do -----------------------------------------------------------------------------


class ByHand:
    """A request that has a path and a method, and no scope; of a mock, everything else is a mock."""

    def __init__(self, path: str, request: Any = None) -> None:
        self.request = mock.MagicMock(spec=Request) if request is None else request
        self.request.url.path = path
        self.request.method = "POST"
        self.call_next = mock.AsyncMock(return_value=mock.MagicMock(status_code=200))

    def dispatch(self, middleware: PrometheusMiddleware) -> Any:
        return asyncio.run(middleware.dispatch(self.request, self.call_next))


def test_a_call_by_hand_is_recorded(registry: Registry) -> None:
    middleware = PrometheusMiddleware(mock.MagicMock(), registry=registry)
    by_hand = ByHand("/test")
    assert by_hand.dispatch(middleware) is by_hand.call_next.return_value
    by_hand.call_next.assert_called_once_with(by_hand.request)
    by_hand.call_next.side_effect = error = ValueError("mine")
    with pytest.raises(ValueError) as caught:
        by_hand.dispatch(middleware)
    assert caught.value is error
    assert recorded(registry) == {("POST", "/test", "200"): 1, ("POST", "/test", "500"): 1}
    for path in EXCLUDE_PATHS:
        ByHand(path).dispatch(middleware)
    assert sum(recorded(registry).values()) == 2


@pytest.mark.parametrize("kind", [mock.Mock, mock.MagicMock])
def test_a_request_that_is_a_mock_in_every_part(kind: Any, registry: Registry) -> None:
    middleware = PrometheusMiddleware(kind(), registry=registry)
    ByHand("/test", kind()).dispatch(middleware)
    assert recorded(registry) == {("POST", "/test", "200"): 1}
    with mock.patch.object(metrics_middleware, "main_process_metrics") as metrics:
        ByHand("/test", kind()).dispatch(middleware)
        ByHand(EXCLUDE_PATHS[0], kind()).dispatch(middleware)
    labels = {"method": "POST", "path": "/test"}
    assert metrics.method_calls == [
        mock.call.inc_value(REQUESTS, labelvalues={**labels, "status_code": 200}),
        mock.call.obs_value("http_request_duration_seconds", mock.ANY, labelvalues=labels),
    ]
    assert recorded(registry) == {("POST", "/test", "200"): 1}


def test_what_stands_in_the_place_of_main_process_metrics_is_told(registry: Registry) -> None:
    with mock.patch.object(metrics_middleware, "main_process_metrics", spec=MetricsManager) as metrics:
        ByHand("/test").dispatch(PrometheusMiddleware(mock.MagicMock(), registry=registry))
        Client(application(Adding, registry)).get("/v2/items/7")
    labels = [{"method": "POST", "path": "/test"}, {"method": "GET", "path": "/v2/items/{id}"}]
    assert metrics.inc_value.call_args_list == [
        mock.call(REQUESTS, labelvalues={**one, "status_code": 200}) for one in labels
    ]
    assert metrics.obs_value.call_args_list == [
        mock.call("http_request_duration_seconds", mock.ANY, labelvalues=one) for one in labels
    ]
    assert Samples(registry).named(REQUESTS) == {}


def test_another_manager_may_stand_there(registry: Registry) -> None:
    with mock.patch.object(metrics_middleware, "main_process_metrics", MetricsManager(registry)):
        Client(Adding(Starlette(routes=[Route("/hello", hello)]))).get("/hello")
    assert Samples(registry).get(REQUESTS, method="GET", path="/hello", status_code="200") == 1


def test_starlette_is_needed_by_an_overridden_dispatch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette.middleware.base", None)
    registry = fdmetrics.REGISTRY
    PrometheusMiddleware(mock.MagicMock(), registry=registry)
    with pytest.raises(ImportError):
        Adding(mock.MagicMock(), registry=registry)
