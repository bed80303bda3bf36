# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics.django, with the handlers that Django has for WSGI and for ASGI."""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import asyncio
import enum
import gc
import io
import re
import warnings
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, Iterator, Optional, Tuple
from wsgiref.util import FileWrapper

import django
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import ContentNotRenderedError, TemplateResponse
from django.test import AsyncClient, RequestFactory
from django.test import Client as DjangoClient
from django.test.utils import override_settings
from django.urls import include, path, re_path

import fdmetrics
import fdmetrics.django

from .frameworks_support import Clock, Connection, Key, recorded
from .support import Samples

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DEBUG=False,
        LOGGING_CONFIG=None,
        MIDDLEWARE=[f"{__name__}.Middleware"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="x",
        USE_TZ=True,
    )
    django.setup(set_prefix=False)

clock = Clock()


class Middleware(fdmetrics.django.MetricsMiddleware):
    """Records into the store of the test that runs."""

    registry: ClassVar[Any] = None


def hello(request: HttpRequest, **_: object) -> HttpResponse:
    return HttpResponse("hello")


async def hello_async(request: HttpRequest, **_: object) -> HttpResponse:
    return HttpResponse("hello")


def boom(request: HttpRequest) -> HttpResponse:
    raise KeyError("mine")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        for _ in range(4):
            clock.move(0.5)
            yield b"x"

    return StreamingHttpResponse(parts())


async def stream_async(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> Any:
        for _ in range(4):
            clock.move(0.5)
            yield b"x"

    return StreamingHttpResponse(parts())


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(Path(__file__).open("rb"))


def unrecorded(request: HttpRequest) -> HttpResponse:
    request.META["fdmetrics.path"] = False
    return HttpResponse()


def metrics(request: HttpRequest) -> HttpResponse:
    return fdmetrics.django.make_metrics_view(Middleware.registry)(request)


urlpatterns = [
    path("", hello),
    path("items/<int:id>", hello),
    path("async/<int:id>", hello_async),
    path("boom", boom),
    path("stream", stream),
    path("stream-async", stream_async),
    path("file", file),
    path("unrecorded", unrecorded),
    path("health", hello),
    path("own-metrics", metrics),
    re_path(r"^old/(?P<id>\d+)$", hello),
    path("v1/<tenant>/", include([path("users/<name>", hello), re_path(r"^old/(?P<id>\d+)$", hello)])),
]

Send = Callable[..., Any]


@pytest.fixture(autouse=True)
def middleware(registry: fdmetrics.Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the middleware record into the test's store, by the test's clock."""
    monkeypatch.setattr(Middleware, "registry", registry)
    monkeypatch.setattr(fdmetrics.django, "perf_counter", clock)


@pytest.fixture(params=["wsgi", "asgi"])
def send(request: pytest.FixtureRequest) -> Send:
    """Sends a request to Django through one of its handlers."""

    def send_sync(method: str, path: str, **options: Any) -> Any:
        return DjangoClient(raise_request_exception=False).generic(method, path, **options)

    def send_async(method: str, path: str, **options: Any) -> Any:
        return asyncio.run(AsyncClient(raise_request_exception=False).generic(method, path, **options))

    return send_sync if request.param == "wsgi" else send_async


PATHS = [
    ("/", "/", "200"),
    ("/items/5", "/items/<int:id>", "200"),
    ("/async/5", "/async/<int:id>", "200"),
    ("/v1/acme/users/me", "/v1/<tenant>/users/<name>", "200"),
    ("/v1/acme/old/5", r"/v1/<tenant>/old/(?P<id>\d+)$", "200"),
    ("/old/5", r"/old/(?P<id>\d+)$", "200"),
    ("/boom", "/boom", "500"),
    ("/nothing", "<unmatched>", "404"),
    ("/items/x", "<unmatched>", "404"),
]


def test_paths_are_templates(registry: fdmetrics.Registry, send: Send) -> None:
    expected: Dict[Key, float] = {}
    for url, template, status in PATHS * 2:
        assert send("GET", url).status_code == int(status)
        key = ("GET", template, status)
        expected[key] = expected.get(key, 0) + 1
    assert recorded(registry) == expected


def test_methods_and_exclusions(registry: fdmetrics.Registry, send: Send) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "DELETE", "BREW"):
        assert send(method, "/items/5").status_code == 200
    for url in ("/health", "/unrecorded"):
        assert send("GET", url).status_code == 200
    methods = ("GET", "HEAD", "OPTIONS", "DELETE", "<unknown>")
    assert recorded(registry) == {(method, "/items/<int:id>", "200"): 1 for method in methods}


def test_the_metrics(registry: fdmetrics.Registry, send: Send) -> None:
    send("GET", "/items/5")
    response = send("GET", "/own-metrics")
    assert (response.status_code, response["Content-Type"]) == (200, fdmetrics.CONTENT_TYPE_LATEST)
    assert response.content == registry.render()
    assert send("HEAD", "/own-metrics").content == b""
    assert (send("POST", "/own-metrics").status_code, send("POST", "/own-metrics")["Allow"]) == (405, "GET, HEAD")
    assert recorded(registry) == {("GET", "/items/<int:id>", "200"): 1}


def wsgi_response(url: str, **more: Any) -> Any:
    environ: Dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": url,
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        **more,
    }
    return WSGIHandler()(environ, lambda *_: None)


@pytest.mark.parametrize("wrapper", [None, FileWrapper])
def test_a_stream_is_timed_until_it_is_closed(registry: fdmetrics.Registry, wrapper: Optional[Any]) -> None:
    for url, content in (("/stream", b"xxxx"), ("/file", Path(__file__).read_bytes())):
        response = wsgi_response(url, **({} if wrapper is None else {"wsgi.file_wrapper": wrapper}))
        assert b"".join(response) == content
        clock.move(1)
        response.close()
    seconds = {("GET", "/stream"): 3.0, ("GET", "/file"): 1.0}
    assert recorded(registry, seconds) == {("GET", "/stream", "200"): 1, ("GET", "/file", "200"): 1}


def test_an_asynchronous_stream(registry: fdmetrics.Registry) -> None:
    connection = Connection("/stream-async")
    connection.run(ASGIHandler())
    assert b"".join(message.get("body", b"") for message in connection.sent) == b"xxxx"
    seconds = {("GET", "/stream-async"): 2.0}
    assert recorded(registry, seconds) == {("GET", "/stream-async", "200"): 1}


@pytest.mark.parametrize(("error", "status"), [(KeyError("mine"), "500"), (None, "499")])
def test_a_task_that_raises_or_is_cancelled(
    registry: fdmetrics.Registry, error: Optional[Exception], status: str
) -> None:
    async def get_response(request: HttpRequest) -> HttpResponse:
        if error is not None:
            raise error
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def cancel() -> None:
        task = asyncio.ensure_future(Middleware(get_response)(RequestFactory().get("/items/5")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(KeyError if error else asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert recorded(registry) == {("GET", "<unmatched>", status): 1}


def test_the_setting(registry: fdmetrics.Registry, send: Send) -> None:
    setting = {
        "prefix": "shop",
        "names": {"path": "view"},
        "labels": {
            "site": "eu",
            "id": lambda request: request.resolver_match and request.resolver_match.kwargs.get("id"),
        },
        "excluded": [re.compile("^/async/"), "/boom"],
        "group_status": True,
        "in_progress": True,
        "request_size": True,
        "response_size": True,
        "buckets": [1],
        "size_buckets": [5, 10],
    }
    with override_settings(FDMETRICS=setting):
        for url in ("/items/5", "/async/5", "/boom", "/nothing", "/own-metrics"):
            send("GET", url)
        send("POST", "/items/6", data=b"12345678")
    samples = Samples(registry)
    items = {"view": "/items/<int:id>", "site": "eu"}
    requests = samples.named("shop_http_requests_total")
    assert requests == {
        frozenset({"method": "GET", "id": "5", "status_code": "2xx", **items}.items()): 1,
        frozenset({"method": "POST", "id": "6", "status_code": "2xx", **items}.items()): 1,
        frozenset({"method": "GET", "id": "", "status_code": "4xx", **items, "view": "<unmatched>"}.items()): 1,
    }
    assert samples.get("shop_http_request_duration_seconds_bucket", method="GET", id="5", le="1.0", **items) == 1
    assert samples.get("shop_http_request_size_bytes_sum", method="POST", id="6", **items) == 8
    assert samples.get("shop_http_request_size_bytes_bucket", method="POST", id="6", le="5.0", **items) == 0
    assert samples.get("shop_http_response_size_bytes_sum", method="POST", id="6", **items) == 5
    assert samples.get("shop_http_requests_in_progress", method="GET") == 0


def test_requests_in_progress_do_not_have_the_metrics_themselves(registry: fdmetrics.Registry, send: Send) -> None:
    with override_settings(FDMETRICS={"in_progress": True}):
        send("GET", "/items/5")
        text = send("GET", "/own-metrics").content
    assert Samples(text).get("http_requests_in_progress", method="GET") == 0


@pytest.mark.parametrize("wrapper", [None, FileWrapper])
def test_sizes_of_streams(registry: fdmetrics.Registry, wrapper: Optional[Any]) -> None:
    length = Path(__file__).stat().st_size
    with override_settings(FDMETRICS={"response_size": True}):
        for url in ("/stream", "/file"):
            response = wsgi_response(url, **({} if wrapper is None else {"wsgi.file_wrapper": wrapper}))
            assert len(b"".join(response)) == (4 if url == "/stream" else length)
            response.close()
        connection = Connection("/stream-async")
        connection.run(ASGIHandler())
    assert b"".join(message.get("body", b"") for message in connection.sent) == b"xxxx"
    samples = Samples(registry)
    for url, size in (("/stream", 4), ("/file", length), ("/stream-async", 4)):
        assert samples.get("http_response_size_bytes_sum", method="GET", path=url) == size
        assert samples.get("http_response_size_bytes_count", method="GET", path=url) == 1


def test_what_goes_before_the_setting(
    registry: fdmetrics.Registry, monkeypatch: pytest.MonkeyPatch, send: Send
) -> None:
    monkeypatch.setattr(Middleware, "excluded", ["/boom"])
    monkeypatch.setattr(Middleware, "path_of", lambda self, request: "/mine")
    with override_settings(FDMETRICS={"excluded": ["/"], "path_of": lambda request: "/other", "registry": None}):
        for url in ("/", "/boom"):
            send("GET", url)
    assert recorded(registry) == {("GET", "/mine", "200"): 1}


def test_a_function_of_the_setting(registry: fdmetrics.Registry, send: Send) -> None:
    with override_settings(FDMETRICS={"path_of": lambda request: "/other"}):
        send("GET", "/items/5")
    assert recorded(registry) == {("GET", "/other", "200"): 1}


@pytest.mark.parametrize("setting", [None, [], "response_size"])
def test_a_setting_that_is_no_dict(send: Send, setting: Any) -> None:
    text = r"^the setting FDMETRICS is .*: give a dict of options, \{\} for none$"
    with override_settings(FDMETRICS=setting), pytest.raises(TypeError, match=text):
        send("GET", "/")


class Code(int, enum.Enum):
    MISSING = 404


def coded(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("hello")
    response.status_code = Code.MISSING
    return response


def announced(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        yield b"xx"
        if "fails" in request.GET:
            raise KeyError("mine")
        yield b"xx"

    return StreamingHttpResponse(parts(), headers={"Content-Length": "1000000"})


def unrendered(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> Any:
        return TemplateResponse(request, "none") if request.path == "/unrendered" else get_response(request)

    return middleware


urlpatterns += [path("coded", coded), path("announced", announced)]


def test_a_status_of_an_enum(registry: fdmetrics.Registry, send: Send) -> None:
    assert send("GET", "/coded").status_code == 404
    assert recorded(registry) == {("GET", "/coded", "404"): 1}


@pytest.mark.parametrize(("query", "size"), [("fails", 2), ("", 2)])
def test_the_size_of_a_stream_is_what_was_sent(registry: fdmetrics.Registry, query: str, size: int) -> None:
    with override_settings(FDMETRICS={"response_size": True}):
        response = wsgi_response("/announced", QUERY_STRING=query)
        assert next(iter(response)) == b"xx"
        if query:
            with pytest.raises(KeyError):
                next(iter(response))
        response.close()
    samples = Samples(registry)
    assert samples.get("http_response_size_bytes_sum", method="GET", path="/announced") == size
    assert samples.get("http_response_size_bytes_count", method="GET", path="/announced") == 1


def test_the_size_of_a_file_that_no_server_sends_by_itself(registry: fdmetrics.Registry) -> None:
    with override_settings(FDMETRICS={"response_size": True}):
        response = wsgi_response("/file")
        size = len(next(iter(response)))
        response.close()
    assert size < Path(__file__).stat().st_size
    assert Samples(registry).get("http_response_size_bytes_sum", method="GET", path="/file") == size


def test_a_response_that_was_not_rendered_is_for_django(registry: fdmetrics.Registry) -> None:
    chain = [f"{__name__}.Middleware", f"{__name__}.unrendered"]
    with override_settings(FDMETRICS={"response_size": True, "in_progress": True}, MIDDLEWARE=chain):
        response = wsgi_response("/unrendered")
    with pytest.raises(ContentNotRenderedError):
        list(response)
    samples = Samples(registry)
    assert samples.get("http_requests_total", method="GET", path="<unmatched>", status_code="200") == 1
    assert samples.get("http_requests_in_progress", method="GET") == 0


def test_a_setting_that_is_none(send: Send) -> None:
    with override_settings(FDMETRICS={"exclude": []}), pytest.raises(ValueError, match="FDMETRICS has 'exclude': the"):
        send("GET", "/")


async def failing_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> Any:
        clock.move(0.5)
        yield b"x"
        raise KeyError("mine")

    return StreamingHttpResponse(parts())


def failing_stream_sync(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        clock.move(0.5)
        yield b"x"
        raise KeyError("mine")

    return StreamingHttpResponse(parts())


urlpatterns += [path("failing-stream", failing_stream), path("failing-stream-sync", failing_stream_sync)]


@pytest.fixture
def leftovers() -> Iterator[None]:
    """Collects what Django leaves open where it fails, and takes its warnings of synchronous streams."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.disable()  # What is counted is not counted by the garbage collector.
        yield
        gc.enable()
        gc.collect()


@pytest.mark.parametrize("url", ["/failing-stream", "/failing-stream-sync"])
def test_a_stream_that_raises_is_counted(registry: fdmetrics.Registry, leftovers: None, url: str) -> None:
    with override_settings(FDMETRICS={"in_progress": True, "response_size": True}):
        handler = ASGIHandler()
    with pytest.raises(KeyError):
        Connection(url).run(handler)
    values = Samples(registry)
    assert values.get("http_requests_total", method="GET", path=url, status_code="200") == 1
    assert values.get("http_request_duration_seconds_sum", method="GET", path=url) == 0.5
    assert values.get("http_requests_in_progress", method="GET") == 0
    assert values.get("http_response_size_bytes_sum", method="GET", path=url) == 1


@pytest.mark.parametrize("url", ["/stream", "/stream-async", "/file"])
@pytest.mark.parametrize("fails_at", ["http.response.start", "http.response.body"])
def test_a_stream_that_cannot_be_sent_is_counted(
    registry: fdmetrics.Registry, leftovers: None, url: str, fails_at: str
) -> None:
    with override_settings(FDMETRICS={"in_progress": True}):
        handler = ASGIHandler()

    async def refuse(message: Any) -> None:
        if message["type"] == fails_at:
            raise OSError("gone")

    connection = Connection(url)
    with pytest.raises(OSError, match="gone"):
        asyncio.run(handler(connection.scope, connection.receive, refuse))
    values = Samples(registry)
    assert values.get("http_requests_total", method="GET", path=url, status_code="200") == 1
    assert values.get("http_requests_in_progress", method="GET") == 0


def test_a_stream_that_is_dropped_is_counted(registry: fdmetrics.Registry, leftovers: None) -> None:
    with override_settings(FDMETRICS={"in_progress": True}):
        response: Any = WSGIHandler().get_response(RequestFactory().get("/stream"))
    assert Samples(registry).get("http_requests_in_progress", method="GET") == 1
    del response
    gc.collect()
    assert recorded_alone(registry) == (1, 0)


def test_a_response_that_is_closed_twice_counts_once(registry: fdmetrics.Registry) -> None:
    with override_settings(FDMETRICS={"in_progress": True}):
        response: Any = WSGIHandler().get_response(RequestFactory().get("/stream"))
    response.close()
    response.close()
    assert recorded_alone(registry) == (1, 0)


def recorded_alone(registry: fdmetrics.Registry) -> Tuple[Optional[float], Optional[float]]:
    """How many requests for /stream were counted, and how many are in progress."""
    values = Samples(registry)
    return (
        values.get("http_requests_total", method="GET", path="/stream", status_code="200"),
        values.get("http_requests_in_progress", method="GET"),
    )
