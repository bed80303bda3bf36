# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics.asgi with Starlette."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

import fdmetrics
from fdmetrics import _asgi_exchange, _route_templates, asgi

from .frameworks_support import Client, Clock, Connection, Key, recorded


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def shared(request: Request) -> Response:
    return PlainTextResponse("hello")


async def boom(request: Request) -> Response:
    raise KeyError("mine")


class Resource(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("hello")


class Handlers:
    def sync(self, request: Request) -> Response:
        return PlainTextResponse("hello")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


@pytest.fixture
def routes(tmp_path: Path) -> List[BaseRoute]:
    """A tree of routes with each way to put one below another."""
    (tmp_path / "file").write_text("content")
    return [
        Route("/", hello),
        Route("/items/{id:int}", hello, methods=["GET", "POST"]),
        Route("/files/{rest:path}", hello),
        Route("/boom", boom),
        Route("/resource/{id}", Resource),
        Route("/sync/{id}", Handlers().sync),
        Route("/one/{id}", shared),
        Route("/two/{id}", shared),
        WebSocketRoute("/socket", socket),
        Mount(
            "/v1/{tenant}",
            routes=[
                Route("/users/{name}", shared),
                Mount("/deep", app=Starlette(routes=[Route("/leaf/{id}", Handlers().sync)])),
            ],
        ),
        Mount("/static", app=StaticFiles(directory=tmp_path)),
        Mount("/twice", app=Router([Route("/{id}", boom)]), name="twice"),
        Host("{sub}.example.org", app=Router([Route("/hosted/{id}", Handlers().sync)])),
    ]


@pytest.fixture(params=["add_middleware", "wrapped", "both sides"])
def client(request: pytest.FixtureRequest, registry: fdmetrics.Registry, routes: Any) -> Client:
    """A client of an application whose middleware was put in place in one of the ways."""
    app: Any
    if request.param == "add_middleware":
        app = Starlette(routes=routes)
        app.add_middleware(asgi.MetricsMiddleware, registry=registry)
    elif request.param == "wrapped":
        app = asgi.MetricsMiddleware(Starlette(routes=routes), registry=registry)
    else:

        async def passing(request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            return response

        middleware = [
            Middleware(BaseHTTPMiddleware, dispatch=passing),
            Middleware(asgi.MetricsMiddleware, registry=registry),
            Middleware(BaseHTTPMiddleware, dispatch=passing),
        ]
        app = Starlette(routes=routes, middleware=middleware)
    return Client(app, raise_server_exceptions=False)


PATHS = [
    ("/", "/", "200"),
    ("/items/5", "/items/{id:int}", "200"),
    ("/files/a/b/c", "/files/{rest:path}", "200"),
    ("/resource/5", "/resource/{id}", "200"),
    ("/sync/5", "/sync/{id}", "200"),
    ("/one/5", "/one/{id}", "200"),
    ("/two/5", "/two/{id}", "200"),
    ("/v1/acme/users/me", "/v1/{tenant}/users/{name}", "200"),
    ("/v1/acme/deep/leaf/5", "/v1/{tenant}/deep/leaf/{id}", "200"),
    ("/static/file", "/static", "200"),
    ("/static/nothing", "/static", "404"),
    ("/boom", "/boom", "500"),
    ("/twice/5", "/twice/{id}", "500"),
    ("/nothing", "<unmatched>", "404"),
    ("/items/x", "<unmatched>", "404"),
    ("/v1/acme/nothing", "<unmatched>", "404"),
    ("/v1/acme/deep/nothing", "<unmatched>", "404"),
]


def test_paths_are_templates(registry: fdmetrics.Registry, client: Client) -> None:
    expected: Dict[Key, float] = {}
    for path, template, status in PATHS:
        for _ in range(2):
            assert client.get(path).status_code == int(status)
        key = ("GET", template, status)
        expected[key] = expected.get(key, 0) + 2
    assert recorded(registry) == expected


def test_the_routes_of_a_host(registry: fdmetrics.Registry, client: Client) -> None:
    for host in ("a.example.org", "b.example.org"):
        assert client.get("/hosted/5", headers={"host": host}).status_code == 200
    assert recorded(registry) == {("GET", "/hosted/{id}", "200"): 2}


def test_methods(registry: fdmetrics.Registry, client: Client) -> None:
    template = "/items/{id:int}"
    for method, status in (("POST", 200), ("HEAD", 200), ("PUT", 405), ("OPTIONS", 405)):
        assert client.request(method, "/items/5").status_code == status
    assert client.request("BREW", "/items/5").status_code == 405
    assert recorded(registry) == {
        ("POST", template, "200"): 1,
        ("HEAD", template, "200"): 1,
        ("PUT", template, "405"): 1,
        ("OPTIONS", template, "405"): 1,
        ("<unknown>", template, "405"): 1,
    }


def test_a_redirect_to_a_slash_is_no_route(registry: fdmetrics.Registry, client: Client) -> None:
    assert client.get("/items/5/", follow_redirects=False).status_code == 307
    assert recorded(registry) == {("GET", "<unmatched>", "307"): 1}


def test_websockets_pass(registry: fdmetrics.Registry, routes: Any) -> None:
    connection = Connection("/socket", type="websocket", subprotocols=[])
    connection.received = [{"type": "websocket.connect"}]
    sent = connection.run(asgi.MetricsMiddleware(Starlette(routes=routes), registry=registry))
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert recorded(registry) == {}


def test_an_exception_reaches_whoever_is_around(registry: fdmetrics.Registry, routes: Any) -> None:
    app = asgi.MetricsMiddleware(Starlette(routes=routes), registry=registry)
    with pytest.raises(KeyError, match="mine"):
        Client(app).get("/boom")
    assert recorded(registry) == {("GET", "/boom", "500"): 1}


def test_a_root_path_is_no_part_of_a_template(registry: fdmetrics.Registry, routes: Any) -> None:
    app = Starlette(routes=routes)
    app.add_middleware(asgi.MetricsMiddleware, registry=registry)
    client = Client(app, root_path="/api")
    for path in ("/api/items/5", "/api/two/5", "/api/v1/acme/users/me", "/api/health"):
        client.get(path)
    assert recorded(registry) == {
        ("GET", "/items/{id:int}", "200"): 1,
        ("GET", "/two/{id}", "200"): 1,
        ("GET", "/v1/{tenant}/users/{name}", "200"): 1,
    }


def test_an_application_that_is_mounted_twice(registry: fdmetrics.Registry) -> None:
    inner = Starlette(routes=[Route("/items/{id}", hello)])
    app = Starlette(routes=[Mount("/a/{x}", app=inner), Mount("/b", app=inner), Mount("", app=inner)])
    client = Client(asgi.MetricsMiddleware(app, registry=registry))
    for path in ("/a/1/items/1", "/b/items/1", "/items/1", "/b/nothing", "/a/1/nothing", "/items/b/items/1"):
        client.get(path)
    assert recorded(registry) == {
        ("GET", "/a/{x}/items/{id}", "200"): 1,
        ("GET", "/b/items/{id}", "200"): 1,
        ("GET", "/items/{id}", "200"): 1,
        ("GET", "<unmatched>", "404"): 3,
    }


def test_a_middleware_inside_of_a_mounted_application(registry: fdmetrics.Registry) -> None:
    inner = Starlette(routes=[Route("/items/{id}", shared), Route("/things/{id}", shared), Route("/health", shared)])
    inner.add_middleware(asgi.MetricsMiddleware, registry=registry)
    client = Client(Starlette(routes=[Mount("/inner", app=inner)]))
    for path in ("/inner/items/1", "/inner/things/1", "/inner/health", "/inner/nothing"):
        client.get(path)
    assert recorded(registry) == {
        ("GET", "/items/{id}", "200"): 1,
        ("GET", "/things/{id}", "200"): 1,
        ("GET", "<unmatched>", "404"): 1,
    }


def test_a_route_that_is_added_later(registry: fdmetrics.Registry) -> None:
    app = Starlette(routes=[Route("/a/{id}", hello)])
    client = Client(asgi.MetricsMiddleware(app, registry=registry))
    client.get("/a/1")
    app.router.routes.append(Mount("/later", routes=[Route("/b/{id}", shared)]))
    client.get("/later/b/1")
    assert recorded(registry) == {("GET", "/a/{id}", "200"): 1, ("GET", "/later/b/{id}", "200"): 1}


def test_a_route_that_is_added_right_after_another_request(registry: fdmetrics.Registry) -> None:
    below = Router()
    client = Client(asgi.MetricsMiddleware(Starlette(routes=[Mount("/pre/{a}", app=below)]), registry=registry))
    expected = {}
    for name in "xyz":
        below.routes.append(Route(f"/{name}/{{b}}", Named()))
        client.get(f"/pre/1/{name}/2")
        expected[("GET", f"/pre/{{a}}/{name}/{{b}}", "200")] = 1
    assert recorded(registry) == expected


class Named:
    """An endpoint that is another object each time."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await Response()(scope, receive, send)


def test_endpoints_without_end_do_not_walk_the_routes_each_time(
    registry: fdmetrics.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of an application of another kind, which notes a new one for each request, and one that stays."""
    walks: List[Any] = []
    walk = _route_templates._reached

    def counted(*routes: Any) -> Any:
        walks.append(routes)
        return walk(*routes)

    monkeypatch.setattr(_route_templates, "_reached", counted)
    monkeypatch.setattr(_route_templates, "_WALK_AGAIN_SECONDS", 1e9)
    stays = Route("/stays", Named())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        route = stays if scope["path"] == "/stays" else Route("/new/{id}", Named())
        scope.update(route=route, endpoint=route.endpoint)
        await route.endpoint(scope, receive, send)

    client = Client(asgi.MetricsMiddleware(app, registry=registry))
    for _ in range(5):
        client.get("/stays")
    assert len(walks) == 1
    for _ in range(100):
        client.get("/new/1")
    assert len(walks) == _route_templates._MOST_WALKS
    assert recorded(registry) == {("GET", "/stays", "200"): 5, ("GET", "/new/{id}", "200"): 100}


def test_an_answer_before_the_routes(registry: fdmetrics.Registry, routes: Any) -> None:
    app = Starlette(routes=routes)
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    app.add_middleware(asgi.MetricsMiddleware, registry=registry)
    headers = {"Origin": "http://x", "Access-Control-Request-Method": "GET"}
    assert Client(app).request("OPTIONS", "/items/5", headers=headers).status_code == 200
    assert recorded(registry) == {("OPTIONS", "<unmatched>", "200"): 1}


def test_streams_files_and_background_tasks(
    registry: fdmetrics.Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = Clock()
    monkeypatch.setattr(_asgi_exchange, "perf_counter", clock)

    async def stream(request: Request) -> Response:
        async def parts() -> Any:
            for _ in range(4):
                clock.move(0.5)
                yield b"x" * 1000

        return StreamingResponse(parts(), background=BackgroundTask(clock.move, 64))

    async def broken(request: Request) -> Response:
        async def parts() -> Any:
            yield b"x"
            raise KeyError("mine")

        return StreamingResponse(parts())

    async def file(request: Request) -> Response:
        return FileResponse(tmp_path / "file", background=BackgroundTask(clock.move, 64))

    (tmp_path / "file").write_bytes(b"y" * 1_000_000)
    app = Starlette(routes=[Route("/stream", stream), Route("/file", file), Route("/broken", broken)])
    client = Client(asgi.MetricsMiddleware(app, registry=registry), raise_server_exceptions=False)
    assert client.get("/stream").content == b"x" * 4000
    assert client.get("/file").content == b"y" * 1_000_000
    client.get("/broken")
    seconds = {("GET", "/stream"): 2.0, ("GET", "/file"): 0.0, ("GET", "/broken"): 0.0}
    assert recorded(registry, seconds) == {
        ("GET", "/stream", "200"): 1,
        ("GET", "/file", "200"): 1,
        ("GET", "/broken", "200"): 1,
    }


def test_the_metrics_beside_the_application(registry: fdmetrics.Registry, routes: Any) -> None:
    app = Starlette(routes=[*routes, Mount("/below", app=asgi.make_asgi_app(registry))])
    app.add_route("/metrics", asgi.make_asgi_app(registry))
    app.add_middleware(asgi.MetricsMiddleware, registry=registry)
    client = Client(app)
    client.get("/items/5")
    for path in ("/metrics", "/below/"):
        response = client.get(path, follow_redirects=False)
        assert response.status_code == 200
        assert response.headers["content-type"] == fdmetrics.CONTENT_TYPE_LATEST
        assert response.headers["content-encoding"] == "gzip"
        assert response.content == registry.render()
    assert client.request("POST", "/metrics").status_code == 405
    assert recorded(registry) == {("GET", "/items/{id:int}", "200"): 1}


def test_a_function_of_several_routes(registry: fdmetrics.Registry) -> None:
    """Is looked up as Starlette chooses: by converter, by method, and by the mounts before it."""
    app = Starlette(
        routes=[
            Route("/u/{n:int}", shared),
            Route("/u/{name}", shared),
            Route("/m/b", shared, methods=["POST"]),
            Route("/m/{x}", shared),
            Route("/items", shared),
            Route("/items/{id}", shared),
            Route("/all/{rest:path}", shared),
            Mount("/t/{n:int}", routes=[Route("/leaf", shared)]),
            Mount("/t/{tenant}", routes=[Route("/leaf", shared)]),
        ],
        middleware=[Middleware(asgi.MetricsMiddleware, registry=registry)],
    )
    client = Client(app)
    expected: Dict[Key, float] = {}
    for method, path, template, status in [
        ("GET", "/u/5", "/u/{n:int}", 200),
        ("GET", "/u/bob", "/u/{name}", 200),
        ("GET", "/m/b", "/m/{x}", 200),
        ("POST", "/m/b", "/m/b", 200),
        ("DELETE", "/m/b", "/m/b", 405),
        ("DELETE", "/m/c", "/m/{x}", 405),
        ("GET", "/items/5", "/items/{id}", 200),
        ("HEAD", "/items", "/items", 200),
        ("DELETE", "/items/5", "/items/{id}", 405),
        ("GET", "/all/a/b", "/all/{rest:path}", 200),
        ("GET", "/t/5/leaf", "/t/{n:int}/leaf", 200),
        ("GET", "/t/acme/leaf", "/t/{tenant}/leaf", 200),
    ]:
        assert client.request(method, path).status_code == status
        expected[(method, template, str(status))] = 1
    assert recorded(registry) == expected
