# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics.wsgi around applications without a framework."""

from __future__ import annotations

import gzip
import io
import logging
import re
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple
from wsgiref.handlers import SimpleHandler
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

import fdmetrics
from fdmetrics import _wsgi_exchange, wsgi
from fdmetrics.wsgi import MetricsMiddleware, make_wsgi_app

from .frameworks_support import Clock, exposition, recorded


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the middleware."""
    clock = Clock()
    monkeypatch.setattr(_wsgi_exchange, "perf_counter", clock)
    return clock


def environ(path: str = "/", method: str = "GET", **more: Any) -> Dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **more,
    }


class Responses(List[Tuple[Any, ...]]):
    """A start_response that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.written: List[bytes] = []

    def __call__(self, *arguments: Any) -> Any:
        self.append(arguments)
        return self.written.append


class Body:
    """A body that takes half a second a chunk, may raise, and may be sized."""

    def __init__(self, clock: Clock, *chunks: Any) -> None:
        self.clock = clock
        self.chunks = chunks
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.clock.move(0.5)
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    def close(self) -> None:
        self.clock.move(1)
        self.closed += 1


def app_of(body: Any, status: str = "200 OK", *headers: Tuple[str, str]) -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        environ["fdmetrics.path"] = "/items/{id}"
        start_response(status, [("X-A", "1"), *headers])
        return body

    return app


GET = ("GET", "/items/{id}")


def test_a_request_is_counted_and_timed(registry: fdmetrics.Registry, clock: Clock) -> None:
    responses = Responses()
    body = Body(clock, b"a", b"b")
    watched = MetricsMiddleware(app_of(body), registry=registry)(environ(), responses)
    assert b"".join(watched) == b"ab"
    assert registry.render().decode() == exposition("GET", "/items/{id}", "200", 1.0)
    watched.close()  # type: ignore[attr-defined]
    assert body.closed == 1
    assert registry.render().decode() == exposition("GET", "/items/{id}", "200", 1.0)
    assert responses == [("200 OK", [("X-A", "1")])]


def test_a_body_that_is_closed_before_its_end(registry: fdmetrics.Registry, clock: Clock) -> None:
    body = Body(clock, b"a", b"b")
    watched = MetricsMiddleware(app_of(body), registry=registry)(environ(), Responses())
    assert next(iter(watched)) == b"a"
    assert b"http_requests_total{" not in registry.render()
    watched.close()  # type: ignore[attr-defined]
    assert body.closed == 1
    assert recorded(registry, {GET: 1.5}) == {(*GET, "200"): 1}


def test_whoever_has_the_whole_response_finds_it_counted(registry: fdmetrics.Registry, clock: Clock) -> None:
    for chunks, length in (((b"aa", b"", b"b"), "3"), ((b"",), "0")):
        app = app_of(Body(clock, *chunks), "200 OK", ("content-length", length))
        watched = iter(MetricsMiddleware(app, registry=registry)(environ(), Responses()))
        for chunk in chunks:
            before = recorded(registry)
            assert next(watched) == chunk
        assert len(before) == (0 if len(chunks) == 3 else 1)
    watched.close()  # type: ignore[attr-defined]
    assert recorded(registry, {GET: 2.0}) == {(*GET, "200"): 2}


def test_a_length_that_is_wrong(registry: fdmetrics.Registry, clock: Clock) -> None:
    for length in ("100", "1", "many", "-1"):
        app = app_of(Body(clock, b"a", b"b"), "200 OK", ("Content-Length", length))
        assert list(MetricsMiddleware(app, registry=registry)(environ(), Responses())) == [b"a", b"b"]
    assert recorded(registry, {GET: 3.5}) == {(*GET, "200"): 4}


def test_a_generator_that_starts_its_response_late(registry: fdmetrics.Registry, clock: Clock) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        clock.move(0.25)
        start_response("201 Created", [])
        yield b"a"
        clock.move(0.25)
        yield b"b"

    watched = MetricsMiddleware(app, registry=registry, path_of=lambda environ: "/x")(environ(), Responses())
    assert list(watched) == [b"a", b"b"]
    assert recorded(registry, {("GET", "/x"): 0.5}) == {("GET", "/x", "201"): 1}


@pytest.mark.parametrize("body", [[b"a", b"b"], (b"a",), []])
def test_a_list_is_passed_on_as_it_is(registry: fdmetrics.Registry, body: Any) -> None:
    watched = MetricsMiddleware(app_of(body), registry=registry)(environ(), Responses())
    assert watched is body
    assert recorded(registry) == {(*GET, "200"): 1}


def test_the_number_of_chunks_stays_known(registry: fdmetrics.Registry, clock: Clock) -> None:
    class Sized(Body):
        def __len__(self) -> int:
            return len(self.chunks)

    middleware = MetricsMiddleware(app_of(Sized(clock, b"a", b"b")), registry=registry)
    assert len(middleware(environ(), Responses())) == 2  # type: ignore[arg-type]
    middleware = MetricsMiddleware(app_of(Body(clock, b"a")), registry=registry)
    assert not hasattr(middleware(environ(), Responses()), "__len__")


def test_a_file_wrapper_stays_one_and_is_timed_until_it_is_closed(
    registry: fdmetrics.Registry, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    file = (tmp_path / "file").open("rb")
    body = FileWrapper(file)
    request = {**environ(), "wsgi.file_wrapper": FileWrapper}
    watched = MetricsMiddleware(app_of(body), registry=registry)(request, Responses())
    assert watched is body
    assert list(watched) == [b"content"]
    clock.move(2)
    watched.close()
    assert file.closed
    assert recorded(registry, {GET: 2.0}) == {(*GET, "200"): 1}


def test_a_file_wrapper_that_keeps_its_close(registry: fdmetrics.Registry, clock: Clock) -> None:
    class Wrapper:
        __slots__ = ()

        def close(self) -> None: ...

    body: Any = Wrapper()
    request = {**environ(), "wsgi.file_wrapper": Wrapper}
    assert MetricsMiddleware(app_of(body), registry=registry)(request, Responses()) is body
    assert recorded(registry) == {(*GET, "200"): 1}


@pytest.mark.parametrize("error", [KeyError("mine"), SystemExit(1)])
def test_an_application_that_raises(registry: fdmetrics.Registry, error: BaseException) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        environ["fdmetrics.path"] = "/items/{id}"
        if environ["REQUEST_METHOD"] == "POST":
            start_response("200 OK", [])
        raise error

    for method in ("GET", "POST"):
        with pytest.raises(type(error)) as caught:
            MetricsMiddleware(app, registry=registry)(environ(method=method), Responses())
        assert caught.value is error
        assert error.__context__ is None
    assert recorded(registry) == {("GET", "/items/{id}", "500"): 1, ("POST", "/items/{id}", "500"): 1}


@pytest.mark.parametrize(("chunks", "status"), [((), "500"), ((b"",), "500"), ((b"a",), "200")])
def test_a_body_that_raises(registry: fdmetrics.Registry, clock: Clock, chunks: Any, status: str) -> None:
    error = KeyError("mine")
    body = Body(clock, *chunks, error)
    watched = MetricsMiddleware(app_of(body), registry=registry)(environ(), Responses())
    with pytest.raises(KeyError) as caught:
        list(watched)
    assert caught.value is error
    watched.close()  # type: ignore[attr-defined]
    assert body.closed == 1
    assert recorded(registry) == {(*GET, status): 1}


def test_a_response_that_is_started_again(registry: fdmetrics.Registry) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        try:
            raise KeyError
        except KeyError:
            start_response("503 Busy", [("X-B", "2")], sys.exc_info())(b"written")
        return []

    responses = Responses()
    MetricsMiddleware(app, registry=registry)(environ(), responses)
    assert responses[0] == ("200 OK", [])
    assert responses[1][:2] == ("503 Busy", [("X-B", "2")])
    assert responses[1][2][0] is KeyError
    assert responses.written == [b"written"]
    assert recorded(registry) == {("GET", "<unmatched>", "503"): 1}


def test_a_status_that_is_none(registry: fdmetrics.Registry) -> None:
    MetricsMiddleware(app_of([], status="fine"), registry=registry)(environ(), Responses())
    assert recorded(registry) == {(*GET, "<unknown>"): 1}


def test_excluded_paths(registry: fdmetrics.Registry) -> None:
    body = Body(Clock(), b"a")
    for excluded in (wsgi.DEFAULT_EXCLUDED_PATHS, ["/health"], lambda path: path.startswith("/heal")):
        middleware = MetricsMiddleware(app_of(body), registry=registry, excluded=excluded)
        assert middleware(environ("/health", SCRIPT_NAME="/api"), Responses()) is body
        assert recorded(registry) == {}
    assert list(MetricsMiddleware(app_of(body), registry=registry)(environ("/health/"), Responses())) == [b"a"]
    assert recorded(registry) == {(*GET, "200"): 1}


def test_no_client_makes_series(registry: fdmetrics.Registry) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("404 Not Found", [])
        return []

    middleware = MetricsMiddleware(app, registry=registry)
    for n in range(100):
        middleware(environ(f"/nothing/{n}"), Responses())
        middleware(environ(f"/nothing/{n}", method=f"BREW{n}"), Responses())
    assert recorded(registry) == {("GET", "<unmatched>", "404"): 100, ("<unknown>", "<unmatched>", "404"): 100}


def test_what_a_user_gives_may_raise(registry: fdmetrics.Registry, caplog: pytest.LogCaptureFixture) -> None:
    def wrong(argument: Any) -> Any:
        raise RuntimeError("mine")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"a"]

    middleware = MetricsMiddleware(app, registry=registry, path_of=wrong, excluded=wrong)
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        for _ in range(3):
            assert middleware(environ(), Responses()) == [b"a"]
    assert recorded(registry) == {("GET", "<unmatched>", "200"): 3}
    assert len(caplog.records) == 2


def test_a_store_that_cannot_be_had_fails_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    middleware = MetricsMiddleware(app_of([b"a"]), registry=fdmetrics.Registry(tmp_path / "file"))
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        for _ in range(3):
            assert middleware(environ(), Responses()) == [b"a"]
    assert len(caplog.records) == 1


def served(app: Any, method: str = "GET", **more: Any) -> bytes:
    """What a server of the standard library sends for a request, but for the time of day."""
    out = io.BytesIO()
    handler = SimpleHandler(io.BytesIO(), out, io.StringIO(), environ(method=method, **more))
    handler.run(app)
    return re.sub(rb"Date: [^\r]*\r\n", b"", out.getvalue())


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_server_sends_the_same_bytes(registry: fdmetrics.Registry, tmp_path: Path, method: str) -> None:
    def generated(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        yield b"b"

    def listed(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"ab"]

    def file(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"ab"))

    for app in (generated, listed, file):
        assert served(MetricsMiddleware(app, registry=registry), method) == served(app, method)
    assert recorded(registry) == {(method, "<unmatched>", "200"): 3}


def test_middleware_and_endpoint_follow_the_specification(registry: fdmetrics.Registry, clock: Clock) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter([b"a", b"b"])

    for application in (app, make_wsgi_app(registry)):
        sent = served(validator(MetricsMiddleware(validator(application), registry=registry)))
        assert b"200 OK" in sent.partition(b"\r\n")[0]
    assert recorded(registry) == {("GET", "<unmatched>", "200"): 1}


def endpoint(
    registry: fdmetrics.Registry, method: str = "GET", encoding: str = ""
) -> Tuple[str, Dict[str, str], bytes]:
    responses = Responses()
    app = make_wsgi_app(registry)
    body = b"".join(app(environ("/anywhere", method, HTTP_ACCEPT_ENCODING=encoding), responses))
    headers = dict(responses[0][1])
    assert ("ETag" in headers) == responses[0][0].startswith("200")
    headers.pop("ETag", None)
    return responses[0][0], headers, body


def test_the_metrics_are_served(registry: fdmetrics.Registry) -> None:
    fdmetrics.Counter("hits", "Hits.", registry=registry).inc(2)
    text = b"# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total 2.0\n"
    headers = {"Content-Type": fdmetrics.CONTENT_TYPE_LATEST, "Vary": "Accept, Accept-Encoding"}
    assert endpoint(registry) == ("200 OK", {**headers, "Content-Length": str(len(text))}, text)
    assert endpoint(registry, "HEAD") == ("200 OK", {**headers, "Content-Length": str(len(text))}, b"")
    status, compressed_headers, body = endpoint(registry, encoding="br, gzip;q=0.5")
    assert gzip.decompress(body) == text
    compressed = {**headers, "Content-Encoding": "gzip", "Content-Length": str(len(body))}
    assert (status, compressed_headers) == ("200 OK", compressed)
    status, headers, body = endpoint(registry, "DELETE")
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD")


def test_a_failure_is_told(registry: fdmetrics.Registry) -> None:
    registry.close()
    status, headers, body = endpoint(registry)
    assert (status, headers["Content-Type"]) == ("500 Internal Server Error", "text/plain; charset=utf-8")
    assert body.startswith(b"StoreClosedError: ")


def test_the_endpoint_is_not_recorded(registry: fdmetrics.Registry) -> None:
    app = MetricsMiddleware(make_wsgi_app(registry), registry=registry)
    assert b"".join(app(environ("/elsewhere"), Responses())) == registry.render()
    assert recorded(registry) == {}
