# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics.asgi.MetricsMiddleware around applications without a framework."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

import fdmetrics
from fdmetrics import _asgi_exchange, asgi
from fdmetrics.asgi import MetricsMiddleware

from .frameworks_support import BODY, PART, START, Clock, Connection, Message, exposition, recorded
from .support import Samples, run_program


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the middleware."""
    clock = Clock()
    monkeypatch.setattr(_asgi_exchange, "perf_counter", clock)
    return clock


class App:
    """An application that sends messages, each after half a second, and then may raise. Its path is a template."""

    def __init__(
        self, *messages: Message, clock: Optional[Clock] = None, error: Optional[BaseException] = None
    ) -> None:
        self.messages = messages
        self.clock = clock
        self.error = error
        self.calls: List[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls.append((scope, receive, send))
        scope["fdmetrics.path"] = "/items/{id}"
        for message in self.messages:
            if self.clock is not None:
                self.clock.move(0.5)
            await send(message)
        if self.clock is not None:
            self.clock.move(64)
        if self.error is not None:
            raise self.error


def test_a_request_is_counted_and_timed(registry: fdmetrics.Registry, clock: Clock) -> None:
    connection = Connection("/items/5")
    sent = connection.run(MetricsMiddleware(App(START, BODY, clock=clock), registry=registry))
    assert [id(message) for message in sent] == [id(START), id(BODY)]
    assert registry.render().decode() == exposition("GET", "/items/{id}", "200", 1.0)


def test_a_stream_is_timed_to_its_last_part_and_not_to_the_end_of_the_application(
    registry: fdmetrics.Registry, clock: Clock
) -> None:
    Connection().run(MetricsMiddleware(App(START, PART, PART, BODY, clock=clock), registry=registry))
    assert recorded(registry, {("GET", "/items/{id}"): 2.0}) == {("GET", "/items/{id}", "200"): 1}


def test_whoever_has_the_whole_response_finds_it_counted(registry: fdmetrics.Registry) -> None:
    seen: List[Any] = []

    class Watching(Connection):
        async def send(self, message: Message) -> None:
            seen.append(recorded(registry) if message is BODY else None)

    Watching().run(MetricsMiddleware(App(START, BODY), registry=registry))
    assert seen == [None, {("GET", "/items/{id}", "200"): 1}]


def test_a_response_by_other_messages_is_timed_to_the_end_of_the_application(
    registry: fdmetrics.Registry, clock: Clock
) -> None:
    app = App(START, {"type": "http.response.pathsend", "path": "/etc/hostname"}, clock=clock)
    Connection().run(MetricsMiddleware(app, registry=registry))
    assert recorded(registry, {("GET", "/items/{id}"): 65.0}) == {("GET", "/items/{id}", "200"): 1}


@pytest.mark.parametrize(
    ("messages", "status"),
    [((), "500"), ((START,), "200"), ((START, PART), "200"), ((START, BODY), "200")],
)
def test_an_application_that_raises(registry: fdmetrics.Registry, messages: Any, status: str) -> None:
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught:
        Connection().run(MetricsMiddleware(App(*messages, error=error), registry=registry))
    assert caught.value is error
    assert error.__cause__ is None
    assert error.__context__ is None
    assert recorded(registry) == {("GET", "/items/{id}", status): 1}


def test_an_application_that_does_not_answer(registry: fdmetrics.Registry) -> None:
    Connection().run(MetricsMiddleware(App(), registry=registry))
    assert recorded(registry) == {("GET", "/items/{id}", "500"): 1}


@pytest.mark.parametrize("error", [None, RuntimeError("client disconnected")])
@pytest.mark.parametrize(("messages", "status"), [((), "499"), ((START, PART), "200")])
def test_a_client_that_went_away(
    registry: fdmetrics.Registry, messages: Any, status: str, error: Optional[Exception]
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        assert (await receive())["type"] == "http.disconnect"
        if error is not None:
            raise error

    connection = Connection()
    connection.received = [{"type": "http.disconnect"}]
    middleware = MetricsMiddleware(app, registry=registry)
    if error is None:
        connection.run(middleware)
    else:
        with pytest.raises(RuntimeError):
            connection.run(middleware)
    assert recorded(registry) == {("GET", "<unmatched>", status): 1}


@pytest.mark.parametrize(("messages", "status"), [((), "499"), ((START,), "200")])
def test_a_cancelled_task(registry: fdmetrics.Registry, messages: Any, status: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        await asyncio.get_running_loop().create_future()

    async def cancel() -> None:
        connection = Connection()
        middleware = MetricsMiddleware(app, registry=registry)
        task = asyncio.ensure_future(middleware(connection.scope, connection.receive, connection.send))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert recorded(registry) == {("GET", "<unmatched>", status): 1}


@pytest.mark.parametrize("kind", ["websocket", "lifespan", "something"])
def test_other_connections_pass_untouched(registry: fdmetrics.Registry, kind: str) -> None:
    scope = {"type": kind}

    async def receive() -> Any: ...

    async def send(message: Any) -> None: ...

    app = App(START, BODY)
    asyncio.run(MetricsMiddleware(app, registry=registry)(scope, receive, send))
    assert app.calls == [(scope, receive, send)]
    assert app.calls[0][0] is scope
    assert recorded(registry) == {}


@pytest.mark.parametrize("path", ["/health", "/healthz", "/livez", "/metrics", "/readyz"])
def test_excluded_paths_are_compared_whole(registry: fdmetrics.Registry, path: str) -> None:
    middleware = MetricsMiddleware(App(START, BODY), registry=registry)
    Connection(path).run(middleware)
    Connection("/api" + path, root_path="/api").run(middleware)
    assert recorded(registry) == {}
    for other in (path + "/", path + "x", "/api" + path, path.upper()):
        Connection(other).run(middleware)
    Connection("/apix" + path, root_path="/api").run(middleware)
    assert recorded(registry) == {("GET", "/items/{id}", "200"): 5}
    assert path in asgi.DEFAULT_EXCLUDED_PATHS
    assert len(asgi.DEFAULT_EXCLUDED_PATHS) == 5


def test_excluded_paths_may_be_chosen(registry: fdmetrics.Registry) -> None:
    def internal(path: str) -> bool:
        return path.startswith("/internal/")

    pattern = re.compile("^/internal/")
    several: List[Any] = [
        ["/internal/a"],
        {"/internal/a"},
        internal,
        pattern,
        ["/x", pattern],
        (re.compile("rnal/a$"),),
    ]
    for excluded in several:
        middleware = MetricsMiddleware(App(START, BODY), registry=registry, excluded=excluded)
        Connection("/internal/a").run(middleware)
        Connection("/health").run(middleware)
        Connection("/x/internal/b").run(middleware)
    assert recorded(registry) == {("GET", "/items/{id}", "200"): 12}
    wrong: Any
    for wrong, match in ((["/a", b"/b"], "excluded has b'/b'"), ("/health", "write a list")):
        with pytest.raises(TypeError, match=match):
            MetricsMiddleware(App(), registry=registry, excluded=wrong)


def test_an_application_may_refuse_the_recording(registry: fdmetrics.Registry) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["fdmetrics.path"] = False
        await send(START)
        await send(BODY)

    connection = Connection()
    connection.run(MetricsMiddleware(app, registry=registry, path_of=lambda scope: "/other"))
    assert connection.sent == [START, BODY]
    assert recorded(registry) == {}


def test_no_client_makes_series(registry: fdmetrics.Registry) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "status": 404})
        await send(BODY)

    middleware = MetricsMiddleware(app, registry=registry)
    for n in range(100):
        Connection(f"/nothing/{n}").run(middleware)
        Connection(f"/nothing/{n}", method=f"BREW{n}").run(middleware)
        Connection(f"/nothing/{n}", method="get").run(middleware)
    assert recorded(registry) == {("GET", "<unmatched>", "404"): 100, ("<unknown>", "<unmatched>", "404"): 200}
    # Neither does it make the middleware remember them.
    assert len(middleware._metrics._children) == 1


@pytest.mark.parametrize("method", sorted(asgi.METHODS))
def test_every_method_is_a_label(registry: fdmetrics.Registry, method: str) -> None:
    Connection(method=method).run(MetricsMiddleware(App(START, BODY), registry=registry))
    assert recorded(registry) == {(method, "/items/{id}", "200"): 1}


def test_path_of_may_be_chosen(registry: fdmetrics.Registry) -> None:
    templates: Dict[str, Optional[str]] = {"/a/1": "/a/{n}", "/b/1": None}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(BODY)

    middleware = MetricsMiddleware(app, registry=registry, path_of=lambda scope: templates[scope["path"]])
    Connection("/a/1").run(middleware)
    Connection("/b/1").run(middleware)
    assert recorded(registry) == {("GET", "/a/{n}", "200"): 1, ("GET", "<unmatched>", "200"): 1}


def test_what_a_user_gives_may_raise(registry: fdmetrics.Registry, caplog: pytest.LogCaptureFixture) -> None:
    def wrong(argument: Any) -> Any:
        raise RuntimeError("mine")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(BODY)

    middleware = MetricsMiddleware(app, registry=registry, path_of=wrong, excluded=wrong)
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        for _ in range(3):
            assert Connection().run(middleware) == [START, BODY]
    assert recorded(registry) == {("GET", "<unmatched>", "200"): 3}
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "`excluded`" in messages[0]
    assert "path_of" in messages[1]


def test_a_store_that_cannot_be_had_fails_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    registry = fdmetrics.Registry(tmp_path / "file")
    middleware = MetricsMiddleware(App(START, BODY), registry=registry)
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        for _ in range(3):
            assert Connection().run(middleware) == [START, BODY]
    assert len(caplog.records) == 1
    assert "nothing is recorded into the store" in caplog.text


def test_a_closed_registry_fails_no_request(registry: fdmetrics.Registry) -> None:
    middleware = MetricsMiddleware(App(START, BODY), registry=registry)
    Connection().run(middleware)
    registry.close()
    assert Connection().run(middleware) == [START, BODY]


def test_removed_series_start_again(registry: fdmetrics.Registry) -> None:
    middleware = MetricsMiddleware(App(START, BODY), registry=registry)
    Connection().run(middleware)
    for family in (middleware._metrics._requests, middleware._metrics._seconds):
        assert family is not None
        family.metric.clear()
    assert recorded(registry) == {}
    for _ in range(2):
        Connection().run(middleware)
    assert recorded(registry) == {("GET", "/items/{id}", "200"): 2}


def test_two_middlewares_record_into_the_same_series(registry: fdmetrics.Registry) -> None:
    for _ in range(2):
        Connection().run(MetricsMiddleware(App(START, BODY), registry=registry))
    assert recorded(registry) == {("GET", "/items/{id}", "200"): 2}


@pytest.mark.parametrize("labels", [["method"], ["method", "path", "status_code", "more"]])
def test_a_metric_that_is_declared_otherwise_is_left_out_and_the_others_go_on(
    registry: fdmetrics.Registry, caplog: pytest.LogCaptureFixture, labels: List[str]
) -> None:
    mine = fdmetrics.Counter("http_requests", "Mine.", labels, registry=registry)
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        middleware = MetricsMiddleware(App(START, BODY), registry=registry)
        for _ in range(3):
            assert Connection("/items/5").run(middleware) == [START, BODY]
    (record,) = caplog.records
    assert (
        "no HTTP request is recorded into http_requests_total: Metric http_requests is already" in record.getMessage()
    )
    mine.labels(*["GET" for _ in labels]).inc()
    samples = Samples(registry)
    assert samples.all_values("http_requests_total") == [1]
    assert samples.get("http_request_duration_seconds_count", method="GET", path="/items/{id}") == 3


def test_a_metric_that_another_process_declares_otherwise_is_left_out(
    directory: Path, registry: fdmetrics.Registry, caplog: pytest.LogCaptureFixture
) -> None:
    program = """
        import sys, fdmetrics
        registry = fdmetrics.Registry(sys.argv[1])
        fdmetrics.Counter("http_requests", "Mine.", ["method"], registry=registry).labels("GET").inc()
        fdmetrics.Counter("http_request_size_bytes", "Mine.", ["x"], registry=registry).labels("GET").inc()
        fdmetrics.Gauge("http_requests_in_progress", "Mine.", ["x"], registry=registry).labels("GET").inc()
    """
    run_program(program, directory)
    middleware = MetricsMiddleware(App(START, BODY), registry=registry, in_progress=True, request_size=True)
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        for _ in range(3):
            assert Connection("/items/5").run(middleware) == [START, BODY]
    # Each once: the first that was refused by the line that any metric gets, the others by their own.
    assert sorted(record.getMessage().split(":")[1] for record in caplog.records) == [
        " no HTTP request is recorded into http_request_size_bytes",
        " no HTTP request is recorded into http_requests_in_progress",
        " nothing is recorded into metric http_requests",
    ]
    samples = Samples(registry)
    assert samples.get("http_requests_total", method="GET") == 1
    assert samples.get("http_request_duration_seconds_count", method="GET", path="/items/{id}") == 3
