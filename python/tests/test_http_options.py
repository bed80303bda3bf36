# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the middlewares of ASGI and WSGI, around an application without a framework."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple
from wsgiref.util import FileWrapper

import pytest

import fdmetrics
import fdmetrics.asgi
import fdmetrics.wsgi

from .frameworks_support import Connection
from .support import Samples, run_program

LABELS = {"method": "GET", "path": "/items/{id}"}


class Service:
    """An application of one protocol, behind the middleware."""

    def __init__(self, protocol: str, registry: fdmetrics.Registry) -> None:
        self.is_asgi = protocol == "asgi"
        self.registry = registry
        self.status = 200
        self.parts: Tuple[bytes, ...] = (b"hello", b" world")
        #: Called in the middle of a response.
        self.meanwhile: Callable[[], None] = lambda: None
        self.middleware: Any = None

    def options(self, **options: Any) -> None:
        """Makes the middleware anew."""
        options = {"registry": self.registry, **options}
        if self.is_asgi:
            self.middleware = fdmetrics.asgi.MetricsMiddleware(self.asgi, **options)
        else:
            self.middleware = fdmetrics.wsgi.MetricsMiddleware(self.wsgi, **options)

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/metrics-of-it":
            await fdmetrics.asgi.make_asgi_app(self.registry)(scope, receive, send)
            return
        scope["fdmetrics.path"] = "/items/{id}"
        while (await receive()).get("more_body"):
            pass
        self.meanwhile()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        for part in self.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    def wsgi(self, environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/metrics-of-it":
            return fdmetrics.wsgi.make_wsgi_app(self.registry)(environ, start_response)
        environ["fdmetrics.path"] = "/items/{id}"
        self.meanwhile()
        start_response(f"{self.status} Whatever", [])
        return iter(self.parts)

    def request(self, method: str = "GET", path: str = "/items/5", body: bytes = b"", sized: bool = True) -> bytes:
        """Sends a request, and returns what the client gets."""
        if self.is_asgi:
            connection = Connection(path, method)
            if sized:
                connection.scope["headers"] = [(b"Content-Length", str(len(body)).encode())]
            parts = [body[:3], body[3:]]
            connection.received = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
            connection.received.append({"type": "http.request"})
            return b"".join(message.get("body", b"") for message in connection.run(self.middleware))
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(body)}
        environ.update({"CONTENT_LENGTH": str(len(body))} if sized else {"HTTP_TRANSFER_ENCODING": "chunked"})
        answer = self.middleware(environ, lambda *_: None)
        try:
            return b"".join(answer)
        finally:
            getattr(answer, "close", lambda: None)()

    def samples(self) -> Samples:
        return Samples(self.registry)


@pytest.fixture(params=["asgi", "wsgi"])
def service(request: pytest.FixtureRequest, registry: fdmetrics.Registry) -> Service:
    return Service(request.param, registry)


def test_a_prefix_and_other_names(service: Service) -> None:
    names = {
        "http_requests_total": "answers",
        "path": "handler",
        "status_code": "status",
        "http_requests_in_progress": "now",
    }
    service.options(prefix="shop", names=names, in_progress=True)
    service.request()
    samples = service.samples()
    assert samples.values.keys() >= {
        ("shop_answers_total", frozenset({("method", "GET"), ("handler", "/items/{id}"), ("status", "200")})),
        ("shop_http_request_duration_seconds_count", frozenset({("method", "GET"), ("handler", "/items/{id}")})),
        ("shop_now", frozenset({("method", "GET")})),
    }
    assert {line.split()[2] for line in samples.text.splitlines() if line.startswith("# TYPE")} == {
        "shop_answers_total",
        "shop_http_request_duration_seconds",
        "shop_now",
    }


def test_names_that_are_left_out(service: Service) -> None:
    service.options(
        names={"http_request_duration_seconds": None, "method": None, "status_code": None}, in_progress=True
    )
    for method in ("GET", "POST"):
        service.request(method)
    samples = service.samples()
    assert samples.values == {
        ("http_requests_total", frozenset({("path", "/items/{id}")})): 2,
        ("http_requests_in_progress", frozenset()): 0,
    }
    service.registry = fdmetrics.Registry(Path(service.registry.path) / "other")
    service.options(names={"http_requests_total": None, "method": None, "path": None})
    service.request()
    assert samples.values.keys() != service.samples().values.keys()
    assert service.samples().get("http_request_duration_seconds_count") == 1
    assert not service.samples().named("http_requests_total")
    service.registry.close()


def test_more_labels(service: Service) -> None:
    def tenant(request: Dict[str, Any]) -> Optional[str]:
        path: str = request.get("path") or request["PATH_INFO"]
        assert request["fdmetrics.path"] == "/items/{id}"  # The application has answered.
        return None if path.endswith("/0") else path[-1]

    service.options(labels={"tenant": tenant, "site": "eu", "number": lambda _: 7}, response_size=True)
    for path in ("/items/5", "/items/5", "/items/6", "/items/0"):
        service.request(path=path)
    samples = service.samples()
    expected = {"5": 2.0, "6": 1.0, "": 1.0}
    for name in ("http_request_duration_seconds_count", "http_response_size_bytes_count"):
        counts = {labels["tenant"]: value for labels, value in _labelled(samples, name)}
        assert counts == expected
    requests = list(_labelled(samples, "http_requests_total"))
    assert {labels.pop("tenant"): value for labels, value in requests} == expected
    assert [labels for labels, _ in requests] == [{**LABELS, "status_code": "200", "site": "eu", "number": "7"}] * 3


def _labelled(samples: Samples, name: str) -> List[Tuple[Dict[str, str], float]]:
    return [(dict(labels), value) for labels, value in samples.named(name).items()]


def test_a_label_s_function_that_raises_fails_no_request(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    class Nameless:
        def __str__(self) -> str:
            raise RuntimeError("no name")

    def wrong(_: Any) -> str:
        raise LookupError("mine")

    service.options(labels={"tenant": wrong, "site": "eu", "other": lambda _: Nameless()}, in_progress=True)
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        for _ in range(3):
            assert service.request() == b"hello world"
    assert (
        service.samples().get(
            "http_requests_total", **LABELS, status_code="200", tenant="<unknown>", site="eu", other="<unknown>"
        )
        == 3
    )
    assert service.samples().get("http_requests_in_progress", method="GET") == 0
    first, second = (record.getMessage() for record in caplog.records)
    assert "the function of the label tenant of an HTTP request failed" in first
    assert "LookupError: mine" in caplog.text
    assert "the function of the label other" in second


class Timeout(BaseException):
    """As gevent's, which is no Exception."""


@pytest.mark.parametrize("error", [asyncio.CancelledError(), Timeout()])
def test_a_function_that_raises_a_cancellation_fails_no_request(service: Service, error: BaseException) -> None:
    def raising(_: object) -> Any:
        raise error

    service.options(excluded=raising, path_of=raising, labels={"x": raising}, in_progress=True)
    service.request()
    samples = service.samples()
    labels = {"method": "GET", "path": "/items/{id}", "status_code": "200", "x": "<unknown>"}
    assert samples.get("http_requests_total", **labels) == 1
    assert samples.get("http_requests_in_progress", method="GET") == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_a_function_that_ends_the_process_leaves_nothing_in_progress(service: Service, error: BaseException) -> None:
    def raising(_: object) -> Any:
        raise error

    service.options(labels={"x": raising}, in_progress=True)
    with pytest.raises(type(error)):
        service.request()
    assert service.samples().get("http_requests_in_progress", method="GET") == 0


def test_a_constant_label_becomes_a_text_at_once(service: Service) -> None:
    class Textless:
        def __str__(self) -> str:
            raise RuntimeError("mine")

    with pytest.raises(ValueError, match="labels has a Textless for 'x', of which str\\(\\) fails: mine"):
        service.options(labels={"x": Textless()})
    service.options(labels={"none": None, "number": 5})
    service.request()
    labels = {"method": "GET", "path": "/items/{id}", "status_code": "200", "none": "", "number": "5"}
    assert service.samples().get("http_requests_total", **labels) == 1


def test_values_without_end_do_not_fill_the_memory(directory: Path) -> None:
    fdmetrics.Store(directory, series_limit=50).close()
    registry = fdmetrics.Registry(directory)
    service = Service("wsgi", registry)
    numbers = iter(range(1_000_000))
    service.options(labels={"number": lambda _: next(numbers)})
    for _ in range(200):
        assert service.request() == b"hello world"
    assert len(service.samples().named("http_requests_total")) <= 50
    assert len(service.middleware._metrics._children) <= 50
    registry.close()


def test_buckets(service: Service) -> None:
    service.options(buckets=(0.5, "60"), size_buckets=[10, 20], request_size=True, response_size=True)
    service.request()
    samples = service.samples()
    assert {labels["le"] for labels, _ in _labelled(samples, "http_request_duration_seconds_bucket")} == {
        "0.5",
        "60.0",
        "+Inf",
    }
    for name, values in (("request", (1, 1, 1)), ("response", (0, 1, 1))):
        for bound, value in zip(("10.0", "20.0", "+Inf"), values):
            assert samples.get(f"http_{name}_size_bytes_bucket", **LABELS, le=bound) == value


def test_groups_of_status_codes(service: Service) -> None:
    service.options(group_status=True)
    for service.status in (200, 204, 404, 503, 599):
        service.request()
    counts = {labels["status_code"]: value for labels, value in _labelled(service.samples(), "http_requests_total")}
    assert counts == {"2xx": 2, "4xx": 1, "5xx": 2}


def test_requests_in_progress(service: Service) -> None:
    seen: List[Any] = []

    def meanwhile() -> None:
        seen.append(
            [service.samples().get("http_requests_in_progress", method=method) for method in ("GET", "<unknown>")]
        )

    service.meanwhile = meanwhile
    service.options(in_progress=True)
    service.request()
    service.request("BREW")
    service.request(path="/health")
    meanwhile()
    assert seen == [[1, None], [0, 1], [0, 0], [0, 0]]


def test_the_metrics_do_not_count_themselves_as_in_progress(service: Service) -> None:
    service.options(in_progress=True)
    service.request()
    for _ in range(2):
        text = service.request(path="/metrics-of-it").decode()
        assert Samples(text).get("http_requests_in_progress", method="GET") == 0


def test_the_metrics_are_in_progress_for_no_middleware_around_them(service: Service) -> None:
    service.options(prefix="inner", in_progress=True)
    inner = service.middleware
    if service.is_asgi:
        outer: Any = fdmetrics.asgi.MetricsMiddleware(inner, registry=service.registry, prefix="a", in_progress=True)
    else:
        outer = fdmetrics.wsgi.MetricsMiddleware(inner, registry=service.registry, prefix="a", in_progress=True)
    service.middleware = outer
    samples = Samples(service.request(path="/metrics-of-it"))
    assert samples.get("inner_http_requests_in_progress", method="GET") == 0
    assert samples.get("a_http_requests_in_progress", method="GET") == 0


def test_an_application_that_raises_is_not_in_progress(service: Service) -> None:
    def meanwhile() -> None:
        raise KeyError("mine")

    service.meanwhile = meanwhile
    service.options(in_progress=True)
    with pytest.raises(KeyError):
        service.request()
    assert service.samples().get("http_requests_in_progress", method="GET") == 0


def test_several_requests_in_progress(service: Service) -> None:
    count = 4
    inside, outside = threading.Barrier(count + 1), threading.Barrier(count + 1)

    def meanwhile() -> None:
        inside.wait(60)
        outside.wait(60)

    service.meanwhile = meanwhile
    service.options(in_progress=True)
    threads = [threading.Thread(target=service.request) for _ in range(count)]
    for thread in threads:
        thread.start()
    inside.wait(60)
    assert service.samples().get("http_requests_in_progress", method="GET") == count
    outside.wait(60)
    for thread in threads:
        thread.join()
    assert service.samples().get("http_requests_in_progress", method="GET") == 0


def test_requests_in_progress_of_a_killed_process_leave(directory: Path, registry: fdmetrics.Registry) -> None:
    program = """
        import os, signal, sys, fdmetrics, fdmetrics.wsgi
        registry = fdmetrics.Registry(sys.argv[1])

        def app(environ, start_response):
            assert b'http_requests_in_progress{method="GET"} 1.0' in registry.render()
            if os.fork() == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            os.wait()
            assert b'http_requests_in_progress{method="GET"} 1.0' in registry.render()
            os._exit(0)

        fdmetrics.wsgi.MetricsMiddleware(app, registry=registry, in_progress=True)({"REQUEST_METHOD": "GET"}, None)
    """
    run_program(program, directory)
    assert Samples(registry).get("http_requests_in_progress", method="GET") in (0, None)


@pytest.mark.parametrize("sized", [True, False])
def test_sizes(service: Service, sized: bool) -> None:
    service.options(request_size=True, response_size=True)
    service.request("POST", body=b"12345678", sized=sized)
    service.request("POST", body=b"1", sized=sized)
    samples = service.samples()
    labels = {"method": "POST", "path": "/items/{id}"}
    # A WSGI server gives a body in chunks without its length.
    counted = sized or service.is_asgi
    assert samples.get("http_request_size_bytes_sum", **labels) == (9 if counted else 0)
    assert samples.get("http_request_size_bytes_count", **labels) == (2 if counted else 0)
    assert samples.get("http_response_size_bytes_sum", **labels) == 22
    assert samples.get("http_response_size_bytes_count", **labels) == 2
    service.request("HEAD")
    assert service.samples().get("http_response_size_bytes_sum", method="HEAD", path="/items/{id}") == 0
    assert service.samples().get("http_response_size_bytes_count", method="HEAD", path="/items/{id}") == 1


@pytest.mark.parametrize("length", ["", "-1", "1e3", "x", "9" * 5000, "\u0661"])
def test_a_length_that_is_none(service: Service, length: str) -> None:
    service.options(request_size=True, response_size=True)
    text = length.encode()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        headers = iter([(b"content-length", text), (b"x-a", b"1")])  # Can be read only once.
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    def wsgi(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", length)])
        return iter([b"hello"])

    service.asgi, service.wsgi = asgi, wsgi  # type: ignore[method-assign]
    service.options(request_size=True, response_size=True)
    if service.is_asgi:
        connection = Connection("/items/5", headers=[(b"content-length", text)])
        sent = connection.run(service.middleware)
        assert list(sent[0]["headers"]) == [(b"content-length", text), (b"x-a", b"1")]
    else:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/items/5", "CONTENT_LENGTH": length}
        assert list(service.middleware(environ, lambda *_: None)) == [b"hello"]
    labels = {"method": "GET", "path": "<unmatched>"}
    samples = service.samples()
    assert samples.get("http_response_size_bytes_sum", **labels) == 5
    assert samples.get("http_request_size_bytes_count", **labels) == 1


@pytest.mark.parametrize("length", [5, None, memoryview(b"5"), bytearray(b"5"), object(), ("5", b"5")])
def test_a_length_of_another_kind_is_none(service: Service, length: Any) -> None:
    """As servers take it, or convert it."""

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", length), (memoryview(b"content-length"), b"7"), ("content-length", "7"), b"x"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    def wsgi(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", length), (b"content-length", 7), "x"])
        return iter([b"hello"])

    service.asgi, service.wsgi = asgi, wsgi  # type: ignore[method-assign]
    service.options(request_size=True, response_size=True)
    if service.is_asgi:
        connection = Connection("/items/5", headers=[(b"content-length", length)])
        assert len(connection.run(service.middleware)) == 2
    else:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/items/5", "CONTENT_LENGTH": length}
        assert list(service.middleware(environ, lambda *_: None)) == [b"hello"]
    labels = {"method": "GET", "path": "<unmatched>"}
    assert service.samples().get("http_response_size_bytes_sum", **labels) == 5
    assert service.samples().get("http_request_size_bytes_sum", **labels) == 0


def test_the_size_of_no_response_is_not_recorded(service: Service) -> None:
    def meanwhile() -> None:
        raise KeyError("mine")

    service.meanwhile = meanwhile
    service.options(response_size=True)
    with pytest.raises(KeyError):
        service.request()
    assert service.samples().get("http_response_size_bytes_count", **LABELS) == 0
    assert service.samples().get("http_requests_total", **LABELS, status_code="500") == 1


def test_the_size_of_a_file_that_the_server_sends(registry: fdmetrics.Registry, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.pathsend", "path": str(tmp_path / "file")})

    def wsgi(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "1000")] if environ["PATH_INFO"] == "/sized" else [])
        return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))

    Connection().run(fdmetrics.asgi.MetricsMiddleware(asgi, registry=registry, response_size=True))
    middleware = fdmetrics.wsgi.MetricsMiddleware(wsgi, registry=registry, response_size=True)
    for path in ("/sized", "/"):
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "wsgi.file_wrapper": FileWrapper}
        body: Any = middleware(environ, lambda *_: print)
        assert b"".join(body) == b"x" * 1000
        body.close()
    samples = Samples(registry)
    for method in ("GET", "POST"):
        assert samples.get("http_response_size_bytes_sum", method=method, path="<unmatched>") == 1000
        assert samples.get("http_response_size_bytes_count", method=method, path="<unmatched>") == 1


def test_sizes_of_lists_and_of_written_bytes(registry: fdmetrics.Registry) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [])
        write(b"12")
        return [b"3", b"45"]

    written: List[bytes] = []
    middleware = fdmetrics.wsgi.MetricsMiddleware(app, registry=registry, response_size=True)
    assert middleware({"REQUEST_METHOD": "GET"}, lambda *_: written.append) == [b"3", b"45"]
    assert written == [b"12"]
    assert Samples(registry).get("http_response_size_bytes_sum", method="GET", path="<unmatched>") == 5


def test_path_of_may_refuse_the_recording(service: Service) -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    def wsgi(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return []

    service.asgi, service.wsgi = asgi, wsgi  # type: ignore[method-assign]
    service.options(
        path_of=lambda request: (request.get("path") or request["PATH_INFO"]) != "/no" and "/yes", in_progress=True
    )
    for path in ("/no", "/items/5"):
        service.request(path=path)
    assert service.samples().get("http_requests_total", method="GET", path="/yes", status_code="200") == 1
    assert len(service.samples().named("http_requests_total")) == 1
    assert service.samples().get("http_requests_in_progress", method="GET") == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"names": {"requests": "x"}}, "names has 'requests': give other names for http_requests_total, "),
        ({"names": {"http_requests_total": "a b"}}, "Invalid metric name"),
        ({"prefix": "a b"}, "Invalid metric name"),
        ({"labels": {"path": "x"}}, "each is expected once"),
        ({"labels": {"a b": "x"}}, "Invalid label name"),
        ({"buckets": [2, 1]}, "not in sorted order"),
        ({"request_size": True, "size_buckets": []}, "at least two buckets"),
    ],
)
def test_options_that_can_never_be_right(service: Service, options: Dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        service.options(**options)


def test_a_store_that_comes_back_does_not_make_the_gauge_negative(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    registry = fdmetrics.Registry(tmp_path / "store")
    service = Service("wsgi", registry)

    def meanwhile() -> None:
        if (tmp_path / "store").is_file():
            (tmp_path / "store").unlink()
        registry._retry_at = 0.0

    service.meanwhile = meanwhile
    service.options(in_progress=True)
    service.request()
    assert service.samples().get("http_requests_in_progress", method="GET") in (0, None)
    registry.close()
