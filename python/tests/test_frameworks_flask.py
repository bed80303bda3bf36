# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics.wsgi with Flask."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path
from typing import Any, Dict, Iterator

import flask
import pytest
from flask.views import MethodView
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import fdmetrics
from fdmetrics import _wsgi_exchange, wsgi

from .frameworks_support import Clock, Key, recorded
from .support import Samples


class Resource(MethodView):
    def get(self, id: int) -> str:
        return str(id)


def make_app(registry: fdmetrics.Registry, directory: Path) -> flask.Flask:
    """An application with a blueprint in a blueprint."""
    (directory / "file").write_text("content")
    app = flask.Flask(__name__, static_folder=str(directory), static_url_path="/static")
    app.wsgi_app = wsgi.MetricsMiddleware(app.wsgi_app, registry=registry)  # type: ignore[method-assign]

    @app.route("/items/<int:id>", methods=["GET", "POST"])
    def item(id: int) -> str:
        return str(id)

    @app.route("/teapot")
    def teapot() -> str:
        flask.abort(418)

    @app.route("/boom/<id>")
    def boom(id: str) -> str:
        raise KeyError("mine")

    @app.route("/health")
    def health() -> str:
        return "well"

    leaves = flask.Blueprint("leaves", __name__, url_prefix="/leaves")

    @leaves.route("/<name>")
    def leaf(name: str) -> str:
        return name

    branches = flask.Blueprint("branches", __name__, url_prefix="/branches/<branch>")

    @branches.url_value_preprocessor
    def drop(endpoint: Any, values: Any) -> None:
        values.pop("branch")

    branches.register_blueprint(leaves)
    app.register_blueprint(branches, url_prefix="/v1/<branch>")
    app.add_url_rule("/resource/<int:id>", view_func=Resource.as_view("resource"))
    return app


@pytest.fixture
def app(registry: fdmetrics.Registry, tmp_path: Path) -> flask.Flask:
    """The application, with its middleware."""
    return make_app(registry, tmp_path)


PATHS = [
    ("/items/5", "/items/<int:id>", "200"),
    ("/resource/5", "/resource/<int:id>", "200"),
    ("/v1/b/leaves/l", "/v1/<branch>/leaves/<name>", "200"),
    ("/static/file", "/static/<path:filename>", "200"),
    ("/static/nothing", "/static/<path:filename>", "404"),
    ("/teapot", "/teapot", "418"),
    ("/boom/1", "/boom/<id>", "500"),
    ("/nothing", "<unmatched>", "404"),
    ("/items/x", "<unmatched>", "404"),
]


def test_paths_are_templates(registry: fdmetrics.Registry, app: flask.Flask) -> None:
    expected: Dict[Key, float] = {}
    client = app.test_client()
    for path, template, status in PATHS * 2:
        with client.get(path) as response:
            assert response.status_code == int(status)
            key = ("GET", template, status)
            expected[key] = expected.get(key, 0) + 1
            # Nothing has read the body to its end yet.
            assert recorded(registry) == expected


def test_methods(registry: fdmetrics.Registry, app: flask.Flask) -> None:
    with app.test_client() as client:
        for method, status in (("GET", 200), ("POST", 200), ("HEAD", 200), ("OPTIONS", 200), ("DELETE", 405)):
            assert client.open("/items/5", method=method).status_code == status
        client.open("/items/5", method="BREW")
        client.get("/health")
    template = "/items/<int:id>"
    assert recorded(registry) == {
        **{(method, template, "200"): 1 for method in ("GET", "POST", "HEAD", "OPTIONS")},
        # Flask has no rule for a request whose method no rule takes.
        ("DELETE", "<unmatched>", "405"): 1,
        ("<unknown>", "<unmatched>", "405"): 1,
    }


def test_an_exception_that_passes_flask(registry: fdmetrics.Registry, app: flask.Flask) -> None:
    app.testing = True
    with app.test_client() as client, pytest.raises(KeyError, match="mine"):
        client.get("/boom/1")
    assert recorded(registry) == {("GET", "/boom/<id>", "500"): 1}


def test_the_application_object_may_be_wrapped(registry: fdmetrics.Registry, tmp_path: Path) -> None:
    other = fdmetrics.Registry(tmp_path / "other")
    app = make_app(other, tmp_path)
    app.testing = True
    wrapped = wsgi.MetricsMiddleware(app, registry=registry)
    environ = {"REQUEST_METHOD": "GET", "SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    assert b"".join(wrapped({**environ, "PATH_INFO": "/items/5"}, lambda *_: lambda _: None)) == b"5"
    with pytest.raises(KeyError):
        wrapped({**environ, "PATH_INFO": "/boom/5"}, lambda *_: lambda _: None)
    expected = {("GET", "/items/<int:id>", "200"): 1, ("GET", "/boom/<id>", "500"): 1}
    assert recorded(registry) == expected
    assert recorded(other) == expected
    other.close()


def test_streams(registry: fdmetrics.Registry, app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(_wsgi_exchange, "perf_counter", clock)

    @app.route("/stream/<id>")
    def stream(id: str) -> flask.Response:
        def parts() -> Iterator[bytes]:
            for _ in range(4):
                clock.move(0.5)
                yield b"x" * 1000

        return flask.Response(flask.stream_with_context(parts()))

    with app.test_client() as client:
        assert client.get("/stream/1").data == b"x" * 4000
        with client.get("/stream/1") as response:
            assert next(response.iter_encoded())
    assert recorded(registry, {("GET", "/stream/<id>"): 2.5}) == {("GET", "/stream/<id>", "200"): 2}


def test_threads(registry: fdmetrics.Registry, app: flask.Flask) -> None:
    def load(_: int) -> None:
        client = app.test_client()
        for n in range(25):
            client.get(f"/items/{n}")
            client.get(f"/nothing/{n}")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(4)))
    assert recorded(registry) == {("GET", "/items/<int:id>", "200"): 100, ("GET", "<unmatched>", "404"): 100}


def test_the_metrics_beside_the_application(registry: fdmetrics.Registry, app: flask.Flask) -> None:
    apps: Any = {"/metrics": wsgi.make_wsgi_app(registry)}
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, apps)  # type: ignore[method-assign]
    with app.test_client() as client:
        client.get("/items/5")
        response = client.get("/metrics")
    assert (response.status_code, response.content_type) == (200, fdmetrics.CONTENT_TYPE_LATEST)
    assert response.data == registry.render()
    assert recorded(registry) == {("GET", "/items/<int:id>", "200"): 1}


def test_a_label_from_what_flask_knows_of_the_request(registry: fdmetrics.Registry) -> None:
    fdmetrics.Counter("http_requests", "Mine.", registry=registry)
    app = flask.Flask(__name__)
    app.wsgi_app = wsgi.MetricsMiddleware(  # type: ignore[method-assign]
        app.wsgi_app, registry=registry, labels={"tenant": lambda _: flask.g.tenant}, response_size=True
    )

    @app.route("/items/<int:id>")
    def item(id: int) -> str:
        flask.g.tenant = "acme"
        return str(id)

    assert app.test_client().get("/items/5").text == "5"
    assert app.test_client().get("/nothing").status_code == 404
    samples = Samples(registry)
    assert samples.all_values("http_requests_total") == [0]
    labels = {"method": "GET", "path": "/items/<int:id>", "tenant": "acme"}
    assert samples.get("http_request_duration_seconds_count", **labels) == 1
    assert samples.get("http_response_size_bytes_sum", **labels) == 1
    unmatched = {"method": "GET", "path": "<unmatched>", "tenant": "<unknown>"}
    assert samples.get("http_request_duration_seconds_count", **unmatched) == 1


def test_a_label_of_an_exception_that_passes_flask(registry: fdmetrics.Registry) -> None:
    app = flask.Flask(__name__)
    app.testing = True
    app.wsgi_app = wsgi.MetricsMiddleware(  # type: ignore[method-assign]
        app.wsgi_app, registry=registry, labels={"tenant": lambda _: flask.g.get("tenant")}
    )

    @app.route("/boom")
    def boom() -> str:
        flask.g.tenant = "acme"
        raise KeyError("mine")

    with pytest.raises(KeyError):
        app.test_client().get("/boom")
    labels = {"method": "GET", "path": "/boom", "status_code": "500", "tenant": "<unknown>"}
    assert Samples(registry).get("http_requests_total", **labels) == 1
