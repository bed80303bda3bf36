# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the middlewares, in the program's log, its functions and its responses, fails no request."""

from __future__ import annotations

import asyncio
import enum
import functools
import gc
import http
import io
import logging
import re
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple
from wsgiref.handlers import SimpleHandler

import pytest

import fdmetrics
import fdmetrics.asgi
import fdmetrics.wsgi

from .frameworks_support import BODY, PART, START, Connection, Message
from .support import Samples, ended_program

REQUEST: Dict[str, Any] = {"path": "<unmatched>", "method": "GET"}


def ask_asgi(registry: fdmetrics.Registry, *messages: Message, **options: Any) -> List[Message]:
    """What an application that sends these messages has sent, behind the middleware."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return Connection().run(fdmetrics.asgi.MetricsMiddleware(app, registry=registry, **options))


def ask_wsgi(registry: fdmetrics.Registry, body: Any, status: Any = "200 OK", **options: Any) -> Any:
    """The body that a server gets."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, [])
        return body

    middleware = fdmetrics.wsgi.MetricsMiddleware(app, registry=registry, **options)
    return middleware({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: print)


@pytest.fixture
def failing_log() -> Iterator[List[str]]:
    """A filter of the program's that raises outside of what it knows; the lines that it was given."""
    seen: List[str] = []

    def filter(record: logging.LogRecord) -> bool:
        seen.append(record.getMessage())
        raise LookupError("no request")

    logger = logging.getLogger("fdmetrics")
    logger.addFilter(filter)
    yield seen
    logger.removeFilter(filter)


def wrong(_: Any) -> Any:
    raise RuntimeError("mine")


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"excluded": wrong}, ["the function given as `excluded` of an"]),
        ({"path_of": wrong}, ["path_of of an"]),
        ({"labels": {"x": wrong}}, ["the function of the label x of an"]),
    ],
)
def test_a_log_that_fails_fails_no_request(
    registry: fdmetrics.Registry, failing_log: List[str], options: Dict[str, Any], lines: List[str]
) -> None:
    for _ in range(2):
        assert ask_asgi(registry, START, BODY, **options) == [START, BODY]
        assert ask_wsgi(registry, [b"hello"], **options) == [b"hello"]
    assert [any(line in message for line in lines) for message in failing_log] == [True] * 4
    assert sum(Samples(registry).all_values("http_requests_total")) == 4


@pytest.mark.parametrize("name", ["http_requests_total", "http_requests_in_progress", "http_requests"])
def test_a_metric_that_is_refused_while_the_log_fails(
    registry: fdmetrics.Registry, failing_log: List[str], name: str
) -> None:
    fdmetrics.Gauge(name, "Mine.", registry=registry).set(1)
    assert ask_asgi(registry, START, BODY, in_progress=True) == [START, BODY]
    assert ask_wsgi(registry, [b"hello"], in_progress=True) == [b"hello"]
    # By whichever says it first: the middleware, or the registry where the store has refused it.
    told = "".join(failing_log)
    assert "is recorded into http_requests" in told or "nothing is recorded into metric http_requests" in told
    assert Samples(registry).get("http_request_duration_seconds_count", **REQUEST) == 2


def test_a_recording_that_fails_while_the_log_does(registry: fdmetrics.Registry, failing_log: List[str]) -> None:
    class Broken(Dict[str, Any]):
        def setdefault(self, *_: Any) -> Any:
            raise RuntimeError("mine")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return []

    middleware = fdmetrics.wsgi.MetricsMiddleware(app, registry=registry, in_progress=True)
    assert middleware(Broken(REQUEST_METHOD="GET"), lambda *_: print) == []
    assert ["the recording of an HTTP request failed" in line for line in failing_log] == [True]


def test_the_cause_of_a_refusal_is_the_store_s(registry: fdmetrics.Registry, caplog: pytest.LogCaptureFixture) -> None:
    fdmetrics.Gauge("http_requests_total", "Mine.", registry=registry).set(1)
    with caplog.at_level(logging.ERROR, "fdmetrics"):
        ask_asgi(registry, START, BODY)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("fdmetrics: nothing is recorded into metric http_requests: http_requests (counter)")
    assert "as the gauge http_requests_total does" in line
    assert "another process" not in caplog.text


def test_a_program_that_does_not_log_reads_the_traceback(tmp_path: Path) -> None:
    program = """
        import sys
        import fdmetrics.wsgi

        def app(environ, start_response):
            start_response("200 OK", [])
            return []

        middleware = fdmetrics.wsgi.MetricsMiddleware(app, path_of=lambda environ: environ["nothing"])
        assert middleware({"REQUEST_METHOD": "GET"}, lambda *_: None) == []
        assert "logging" not in sys.modules
    """
    said = ended_program(program, FDMETRICS_DIR=tmp_path / "store").stderr
    first, *traceback = said.splitlines()
    assert first == "fdmetrics: path_of of an HTTP request failed, which is not told again"
    assert traceback[0] == "Traceback (most recent call last):"
    assert traceback[-1] == "KeyError: 'nothing'"


class Number(int, enum.Enum):
    MISSING = 404


class Other:
    """A number that is no int, as those of numpy."""

    def __int__(self) -> int:
        return 404

    def __eq__(self, other: object) -> bool:
        return other == 404

    def __hash__(self) -> int:
        return hash(404)


class Text(str, enum.Enum):
    MISSING = "404 Not Found"


@pytest.mark.parametrize("first", [404, Number.MISSING])
@pytest.mark.parametrize("status", [Number.MISSING, http.HTTPStatus.NOT_FOUND, Other(), 404.0])
def test_a_status_of_an_enum_is_a_number(registry: fdmetrics.Registry, first: Any, status: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "status": scope["status"]})
        await send(BODY)

    middleware = fdmetrics.asgi.MetricsMiddleware(app, registry=registry)
    for one in (first, status, 404):
        (start, _) = Connection(status=one).run(middleware)
        assert start["status"] is one
    assert Samples(registry).get("http_requests_total", **REQUEST, status_code="404") == 3


def test_a_status_that_is_an_enum_s_text(registry: fdmetrics.Registry) -> None:
    ask_wsgi(registry, [], Text.MISSING)
    ask_asgi(registry, {**START, "status": "404"}, BODY)
    assert Samples(registry).get("http_requests_total", **REQUEST, status_code="404") == 2


@pytest.mark.parametrize("status", [404.5, None, [404], b"404", "4040", True])
def test_a_status_that_is_none(registry: fdmetrics.Registry, status: Any) -> None:
    """Whatever came before."""
    ask_asgi(registry, {**START, "status": 404}, BODY)
    assert ask_asgi(registry, {**START, "status": status}, BODY)[0]["status"] is status
    assert Samples(registry).named("http_requests_total") == {
        frozenset({**REQUEST, "status_code": code}.items()): 1 for code in ("404", "<unknown>")
    }


WRONG_BODIES: List[Callable[[], Any]] = [
    lambda: [None],
    lambda: ["a", 5],
    lambda: (object(),),
    lambda: iter([None]),
    lambda: iter([b"a", 5]),
    lambda: [b"a", None],
]


@pytest.mark.parametrize("body", WRONG_BODIES)
@pytest.mark.parametrize("response_size", [False, True])
def test_the_server_sees_what_is_wrong_with_a_body(
    registry: fdmetrics.Registry, body: Callable[[], Any], response_size: bool
) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return body()

    request = {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1"}

    def served(application: Any) -> Tuple[str, bytes]:
        errors, output = io.StringIO(), io.BytesIO()
        handler = SimpleHandler(io.BytesIO(), output, errors, request)
        handler.run(application)
        return errors.getvalue().splitlines()[-1], output.getvalue().partition(b"\r\n\r\n")[2]

    middleware = fdmetrics.wsgi.MetricsMiddleware(app, registry=registry, in_progress=True, response_size=response_size)
    assert served(middleware) == served(app)
    samples = Samples(registry)
    assert samples.get("http_requests_in_progress", method="GET") == 0
    assert samples.all_values("http_requests_total") == [1]


def test_a_chunk_that_cannot_be_sent_is_as_if_it_had_been_raised(registry: fdmetrics.Registry) -> None:
    for chunks in ([None, b"a"], [b"a", None]):
        assert list(ask_wsgi(registry, iter(chunks), response_size=True)) == chunks
    counts = {dict(labels)["status_code"]: n for labels, n in Samples(registry).named("http_requests_total").items()}
    assert counts == {"200": 1, "500": 1}
    assert Samples(registry).get("http_response_size_bytes_sum", **REQUEST) == 1


def test_bytes_that_are_none(registry: fdmetrics.Registry) -> None:
    """In messages of ASGI and in WSGI's write."""
    parts: List[Message] = [{**PART, "body": body} for body in (5, None, b"hello", bytearray(b"x"))]
    assert ask_asgi(registry, START, *parts, BODY, response_size=True, in_progress=True) == [START, *parts, BODY]
    given: List[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])(None)
        return []

    middleware = fdmetrics.wsgi.MetricsMiddleware(app, registry=registry, response_size=True)
    assert middleware({"REQUEST_METHOD": "GET"}, lambda *_: given.append) == []
    assert given == [None]
    samples = Samples(registry)
    assert samples.get("http_response_size_bytes_sum", **REQUEST) == 11
    assert samples.get("http_response_size_bytes_count", **REQUEST) == 2
    assert samples.get("http_requests_in_progress", method="GET") == 0


def test_a_body_that_will_not_be_looked_at_ends_its_request(registry: fdmetrics.Registry) -> None:
    class Body:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        ask_wsgi(registry, Body(), in_progress=True)
    samples = Samples(registry)
    assert samples.get("http_requests_in_progress", method="GET") == 0
    assert samples.get("http_requests_total", **REQUEST, status_code="500") == 1


@pytest.mark.parametrize(("messages", "size"), [((), 0), ((PART,), 5)])
def test_the_size_of_a_response_that_fails_is_what_was_sent(
    registry: fdmetrics.Registry, messages: Any, size: int
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"content-length", b"1000000")]})
        for message in messages:
            await send(message)
        raise ConnectionError("upstream")

    with pytest.raises(ConnectionError):
        Connection().run(fdmetrics.asgi.MetricsMiddleware(app, registry=registry, response_size=True))
    assert Samples(registry).get("http_response_size_bytes_sum", **REQUEST) == size
    assert Samples(registry).get("http_response_size_bytes_count", **REQUEST) == 1


async def late(_: Any) -> str:
    return "x"


class Late:
    async def __call__(self, _: Any) -> str:
        return "x"


async def late_parts(_: Any) -> Any:
    yield "x"


def parts(_: Any) -> Any:
    yield "x"


@pytest.mark.parametrize("function", [late, Late(), Late().__call__, functools.partial(Late()), late_parts, parts])
def test_functions_that_give_no_value_are_refused(registry: fdmetrics.Registry, function: Any) -> None:
    options: List[Tuple[str, Dict[str, Any]]] = [
        *(("excluded", {"excluded": function}), ("path_of", {"path_of": function})),
        ("tenant", {"labels": {"tenant": function}}),
    ]
    for name, one in options:
        with pytest.raises(TypeError, match=rf"^{name} is .*, which is async or a generator: give one that returns"):
            ask_wsgi(registry, [], **one)


@pytest.mark.parametrize("function", [lambda _: late(_), lambda _: late_parts(_), lambda _: asyncio.Future()])
def test_a_value_that_would_have_to_be_awaited_is_unknown(
    registry: fdmetrics.Registry, caplog: pytest.LogCaptureFixture, function: Any
) -> None:
    options = {"excluded": function, "path_of": function, "labels": {"x": function}}
    middleware = fdmetrics.asgi.MetricsMiddleware(_hello, registry=registry, **options)
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.ERROR, "fdmetrics"):
        warnings.simplefilter("always")
        for _ in range(3):
            assert Connection().run(middleware) == [START, BODY]
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    assert len(caplog.records) == 3
    assert caplog.text.count("\nTypeError: <") == 3
    assert caplog.text.count("> would have to be awaited: give a function that returns its value\n") == 3
    assert Samples(registry).get("http_requests_total", **REQUEST, status_code="200", x="<unknown>") == 3


async def _hello(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(BODY)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"names": {"http_requests_total": 3}}, "^names has 3 for http_requests_total: give a str, or None"),
        ({"names": {"path": b"x"}}, "^names has b'x' for path: give a str"),
        ({"names": [("path", "x")]}, r"^names is \[\('path', 'x'\)\]: give a dict"),
        ({"excluded": [re.compile(b"x")]}, r"^excluded has re.compile\(b'x'\): give paths, each a str"),
    ],
)
def test_options_of_another_type(registry: fdmetrics.Registry, options: Dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        ask_wsgi(registry, [], **options)


def test_bounds_that_can_be_read_once_are_those_of_both_sizes(registry: fdmetrics.Registry) -> None:
    bounds = (10.0**power for power in range(3))
    ask_wsgi(registry, [b"hello"], size_buckets=bounds, request_size=True, response_size=True)
    samples = Samples(registry)
    for name in ("request", "response"):
        found = samples.named(f"http_{name}_size_bytes_bucket")
        assert {dict(labels)["le"] for labels in found} == {"1.0", "10.0", "100.0", "+Inf"}


def test_bytes_that_the_server_refuses_are_not_sent(registry: fdmetrics.Registry) -> None:
    def write(data: bytes) -> None:
        if data == b"gone":
            raise ConnectionError("the client")

    def app(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [])
        for data in (b"hello", b"gone"):
            write(data)

    middleware = fdmetrics.wsgi.MetricsMiddleware(app, registry=registry, response_size=True)
    with pytest.raises(ConnectionError):
        middleware({"REQUEST_METHOD": "GET"}, lambda *_: write)
    assert Samples(registry).get("http_response_size_bytes_sum", **REQUEST) == 5
