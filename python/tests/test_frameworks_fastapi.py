# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics.asgi with FastAPI."""

from __future__ import annotations

import asyncio
from typing import Any, Dict

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

import fdmetrics
from fdmetrics import asgi

from .frameworks_support import Client, Key, recorded
from .support import Samples


def make_app(registry: fdmetrics.Registry) -> FastAPI:
    """An application with a router of routers, one of which is included twice, and a mounted application."""
    app = FastAPI()
    app.add_middleware(asgi.MetricsMiddleware, registry=registry)
    app.mount("/metrics", asgi.make_asgi_app(registry))

    @app.get("/items/{id}")
    async def item(id: int) -> Dict[str, int]:
        return {"id": id}

    @app.post("/items/{id}")
    def change(id: int) -> Dict[str, int]:
        return {"id": id}

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418)

    @app.get("/boom")
    async def boom() -> None:
        raise KeyError("mine")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> Any:
            yield b"a"
            await asyncio.sleep(0)
            yield b"b"

        return StreamingResponse(parts())

    def forbidden() -> None:
        raise HTTPException(403)

    @app.get("/forbidden/{id}", dependencies=[Depends(forbidden)])
    async def never(id: int) -> None: ...

    leaves = APIRouter(prefix="/leaves")

    @leaves.get("/{name}")
    async def leaf(name: str) -> str:
        return name

    branches = APIRouter(prefix="/branches")
    branches.include_router(leaves, prefix="/{branch}")
    app.include_router(branches, prefix="/v1")
    app.include_router(leaves, prefix="/v2/{zone}")

    inner = FastAPI()
    inner.include_router(leaves)
    app.mount("/inner/{tenant}", inner)
    return app


@pytest.fixture
def client(registry: fdmetrics.Registry) -> Client:
    """A client of the application."""
    return Client(make_app(registry), raise_server_exceptions=False)


PATHS = [
    ("/items/5", "/items/{id}", "200"),
    ("/items/x", "/items/{id}", "422"),
    ("/teapot", "/teapot", "418"),
    ("/boom", "/boom", "500"),
    ("/stream", "/stream", "200"),
    ("/forbidden/5", "/forbidden/{id}", "403"),
    ("/v1/branches/b/leaves/l", "/v1/branches/{branch}/leaves/{name}", "200"),
    ("/v2/z/leaves/l", "/v2/{zone}/leaves/{name}", "200"),
    ("/inner/t/leaves/l", "/inner/{tenant}/leaves/{name}", "200"),
    ("/inner/t/docs", "/inner/{tenant}/docs", "200"),
    ("/docs", "/docs", "200"),
    ("/openapi.json", "/openapi.json", "200"),
    ("/nothing", "<unmatched>", "404"),
    ("/v1/branches/b/nothing", "<unmatched>", "404"),
    ("/inner/t/nothing", "<unmatched>", "404"),
]


def test_paths_are_templates(registry: fdmetrics.Registry, client: Client) -> None:
    expected: Dict[Key, float] = {}
    for path, template, status in PATHS:
        for _ in range(2):
            assert client.get(path).status_code == int(status)
        key = ("GET", template, status)
        expected[key] = expected.get(key, 0) + 2
    assert recorded(registry) == expected


def test_methods(registry: fdmetrics.Registry, client: Client) -> None:
    for method, status in (("GET", 200), ("POST", 200), ("DELETE", 405), ("OPTIONS", 405), ("HEAD", 405)):
        assert client.request(method, "/items/5").status_code == status
    assert recorded(registry) == {
        ("GET", "/items/{id}", "200"): 1,
        ("POST", "/items/{id}", "200"): 1,
        ("DELETE", "/items/{id}", "405"): 1,
        ("OPTIONS", "/items/{id}", "405"): 1,
        ("HEAD", "/items/{id}", "405"): 1,
    }


def test_the_mounted_metrics(registry: fdmetrics.Registry, client: Client) -> None:
    client.get("/items/5")
    response = client.get("/metrics", follow_redirects=True)
    assert [step.status_code for step in (*response.history, response)] == [307, 200]
    assert response.content == registry.render()
    assert recorded(registry) == {("GET", "/items/{id}", "200"): 1}


def test_requests_at_the_same_time(registry: fdmetrics.Registry) -> None:
    async def load() -> None:
        transport = httpx.ASGITransport(app=make_app(registry))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            paths = [f"/items/{n}" for n in range(50)] + [f"/nothing/{n}" for n in range(50)]
            await asyncio.gather(*(client.get(path) for path in paths), *(client.post(path) for path in paths))

    asyncio.run(load())
    assert recorded(registry) == {
        (method, template, status): 50
        for method in ("GET", "POST")
        for template, status in (("/items/{id}", "200"), ("<unmatched>", "404"))
    }


def test_a_root_path(registry: fdmetrics.Registry) -> None:
    app = FastAPI()
    app.add_middleware(asgi.MetricsMiddleware, registry=registry)

    @app.get("/items/{id}")
    async def item(id: int) -> int:
        return id

    client = Client(app, root_path="/api")
    for path in ("/items/5", "/api/items/5", "/api/health"):
        client.get(path)
    assert recorded(registry) == {("GET", "/items/{id}", "200"): 2}


def test_a_service_with_another_metric_of_the_name_goes_on(registry: fdmetrics.Registry) -> None:
    requests = fdmetrics.Counter("http_requests", "Requests handled", ["method"], registry=registry)
    app = FastAPI()
    app.add_middleware(asgi.MetricsMiddleware, registry=registry)
    app.add_route("/metrics", asgi.make_asgi_app(registry))

    @app.get("/items/{id}")
    async def item(id: int) -> int:
        requests.labels(method="GET").inc()
        return id

    client = Client(app)
    for _ in range(3):
        assert client.get("/items/5").status_code == 200
    samples = Samples(client.get("/metrics").text)
    assert samples.get("http_requests_total", method="GET") == 3
    assert samples.get("http_request_duration_seconds_count", method="GET", path="/items/{id}") == 3


def test_a_label_from_the_state_of_the_request(registry: fdmetrics.Registry) -> None:
    app = FastAPI()
    app.add_middleware(
        asgi.MetricsMiddleware,
        registry=registry,
        labels={"tenant": lambda scope: scope["state"]["tenant"]},
        in_progress=True,
        response_size=True,
    )

    @app.get("/items/{id}")
    async def item(id: int, request: Request) -> int:
        request.state.tenant = "acme"
        return id

    assert Client(app).get("/items/5").text == "5"
    samples = Samples(registry)
    labels = {"method": "GET", "path": "/items/{id}", "tenant": "acme"}
    assert samples.get("http_requests_total", **labels, status_code="200") == 1
    assert samples.get("http_response_size_bytes_sum", **labels) == 1
    assert samples.get("http_requests_in_progress", method="GET") == 0


def test_the_metrics_application_is_an_endpoint_that_is_a_function(registry: fdmetrics.Registry) -> None:
    fdmetrics.Counter("jobs", "Jobs.", registry=registry).inc()
    application = asgi.make_asgi_app(registry)
    app = FastAPI()

    async def metrics(request: Request) -> Response:
        response: Response = await application(request)
        return response

    app.add_route("/metrics", metrics)
    response = Client(app).get("/metrics")
    assert (response.status_code, Samples(response.text).get("jobs_total")) == (200, 1)


def test_a_function_of_several_routes(registry: fdmetrics.Registry) -> None:
    app = FastAPI()
    app.add_middleware(asgi.MetricsMiddleware, registry=registry)
    router = APIRouter()

    @app.get("/items/{id}")
    @app.get("/items")
    @router.get("/leaves/{id}")
    @router.get("/leaves")
    def items(id: str = "") -> str:
        return id

    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2/{tenant}")
    app.mount("/inner", make_inner(items))
    client = Client(app)
    expected: Dict[Key, float] = {}
    for method, path, template, status in [
        ("GET", "/items/5", "/items/{id}", 200),
        ("GET", "/items", "/items", 200),
        ("DELETE", "/items/5", "/items/{id}", 405),
        ("DELETE", "/items", "/items", 405),
        ("GET", "/v1/leaves/5", "/v1/leaves/{id}", 200),
        ("GET", "/v2/a/leaves/5", "/v2/{tenant}/leaves/{id}", 200),
        ("GET", "/v2/a/leaves", "/v2/{tenant}/leaves", 200),
        ("PUT", "/v2/a/leaves/5", "/v2/{tenant}/leaves/{id}", 405),
        ("GET", "/inner/items/5", "/inner/items/{id}", 200),
        ("GET", "/inner/items", "/inner/items", 200),
    ]:
        assert client.request(method, path).status_code == status
        expected[(method, template, str(status))] = 1
    assert recorded(registry) == expected


def make_inner(endpoint: Any) -> FastAPI:
    inner = FastAPI()
    inner.get("/items")(endpoint)
    inner.get("/items/{id}")(endpoint)
    return inner
