# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP metrics of WSGI applications, and an application that serves the metrics. Needs no framework.

    app = Flask(__name__)
    app.wsgi_app = fdmetrics.wsgi.MetricsMiddleware(app.wsgi_app)   # or: app = MetricsMiddleware(any_wsgi_app)

The middleware records http_requests_total{method,path,status_code} and http_request_duration_seconds{method,path} for
all processes of the service, with the labels of fdmetrics.asgi: `path` is the rule of Flask's route as the program has
it, "/items/<int:id>", and "<unmatched>" where there was none. For Django there is fdmetrics.django.
"""

from __future__ import annotations

from time import perf_counter
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Type, Union

from ._flask_rules import rule_of_environ, rule_of_url
from ._http_metrics import (
    DEFAULT_EXCLUDED_PATHS,
    METHODS,
    PATH_NOTE,
    UNKNOWN_METHOD,
    UNMATCHED_PATH,
    Excluded,
    HTTPMetrics,
)
from ._scrape import Request, Scrape
from .store import ProcessMetrics

__all__ = [
    "DEFAULT_EXCLUDED_PATHS",
    "METHODS",
    "UNKNOWN_METHOD",
    "UNMATCHED_PATH",
    "MetricsApp",
    "MetricsMiddleware",
    "make_wsgi_app",
    "metrics_app",
]

Environ = Dict[str, Any]
Headers = List[Tuple[str, str]]
ErrorInfo = Union[Tuple[Type[BaseException], BaseException, TracebackType], Tuple[None, None, None]]
# start_response and an application, as loose as what Flask's and other frameworks' hints say of them.
StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class MetricsMiddleware:
    """Records the HTTP requests of an application.

    A request is timed until the server has asked for the last chunk of its body, where there is a Content-Length, else
    until the body has been iterated to the end; or until it is closed before that. A body that is a list or a tuple is
    there at once: it is passed on as it is, and timed until then. So is a wsgi.file_wrapper, so that the server may
    send the file in its own way, but timed until it is closed where it lets close() be replaced.

    An application that raises counts as 500, and so does a body that raises before its first byte; after that the
    response has started, and keeps its status. Exceptions pass unchanged.

    Recording never makes a request fail. One object serves any number of threads, and is right in fork children.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        *,
        registry: object = None,
        excluded: Excluded = DEFAULT_EXCLUDED_PATHS,
        path_of: Optional[Callable[[Environ], Optional[str]]] = None,
    ) -> None:
        """
        app: the application.
        registry: a fdmetrics.Registry; anything else stands for the process's default one.
        excluded: the paths (PATH_INFO) that are not recorded, compared whole; or a function of a path.
        path_of: gives the label `path` of an environ when the response starts, or the application has raised; None for
        "<unmatched>". Unless given, the rule of Flask's route. It must give few different texts. What an application
        puts into the environ as "fdmetrics.path" comes first: a text, or False for a request that is not recorded.
        Errors: TypeError where `excluded` is one text; ConflictError where a metric of these names is declared
        otherwise.
        """
        self.app = app
        self._metrics = HTTPMetrics(registry, excluded, path_of or self._flask_rule)

    def _flask_rule(self, environ: Environ) -> Optional[str]:
        return rule_of_environ(environ) or rule_of_url(self.app, environ)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Runs the application for one request."""
        metrics = self._metrics
        if metrics.excludes(environ.get("PATH_INFO", "")):
            return self.app(environ, start_response)
        exchange = _Exchange(metrics, environ, start_response)
        try:
            body = self.app(environ, exchange.start_response)
        except BaseException:
            exchange.end(failed=True)
            raise
        return exchange.watched(body)


class _Exchange:
    """One request and its response. Belongs to one thread at a time."""

    __slots__ = (
        *("_ended", "_environ", "_metrics", "_path", "_start", "_start_response", "_started", "_status"),
        "left",
    )

    def __init__(self, metrics: HTTPMetrics, environ: Environ, start_response: StartResponse) -> None:
        self._metrics = metrics
        self._environ = environ
        self._start_response = start_response
        self._start = perf_counter()
        self._started = self._ended = False
        self._path: Optional[str] = None
        self._status = "500"
        #: How many bytes of the body are still to come; None where the headers do not say it.
        self.left: Optional[int] = None

    def start_response(
        self, status: str, headers: Headers, exc_info: Optional[ErrorInfo] = None
    ) -> Callable[[bytes], object]:
        """The start_response of the application."""
        # What a framework knows of the request may be gone as soon as it has answered.
        self._path = self._metrics.path_of(self._environ, self._environ)
        self._started = True
        self._status = status[:3]
        self.left = _content_length(headers)
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)

    def end(self, failed: bool = False) -> None:
        """Records the request, the first time that it is called."""
        if self._ended:
            return
        self._ended = True
        seconds = perf_counter() - self._start
        if not self._started:
            self._path = self._metrics.path_of(self._environ, self._environ)
        method = self._environ.get("REQUEST_METHOD", "")
        self._metrics.record(method, self._path, "500" if failed else self._status, seconds)

    def watched(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The body that is given to the server in place of the application's."""
        if type(body) in (list, tuple):
            self.end()
            return body
        wrapper = self._environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):
            self._watch_close(body)
            return body
        return _SizedBody(self, body) if hasattr(body, "__len__") else _Body(self, body)

    def _watch_close(self, body: Any) -> None:
        close = getattr(body, "close", None)

        def watched_close() -> None:
            try:
                if close is not None:
                    close()
            finally:
                self.end()

        try:
            body.close = watched_close
        except (AttributeError, TypeError):
            self.end()


def _content_length(headers: Headers) -> Optional[int]:
    for name, value in headers:
        if len(name) == 14 and name.lower() == "content-length" and value.isdecimal():
            return int(value)
    return None


class _Body:
    """The chunks of a body, which says when it has ended."""

    __slots__ = ("_chunks", "_exchange", "_iterator", "_sent")

    def __init__(self, exchange: _Exchange, chunks: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._chunks = chunks
        self._iterator: Optional[Iterator[bytes]] = None
        self._sent = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._iterator is None:
                self._iterator = iter(self._chunks)
            chunk = next(self._iterator)
        except StopIteration:
            self._exchange.end()
            raise
        except BaseException:
            # A server that has sent nothing yet answers with 500 itself.
            self._exchange.end(failed=not self._sent)
            raise
        if chunk:
            self._sent = True
        left = self._exchange.left
        if left is not None:
            self._exchange.left = left = left - len(chunk)
            if left <= 0:
                # The client has the whole response before the server comes back for more.
                self._exchange.end()
        return chunk

    def close(self) -> None:
        """Closes the application's body."""
        try:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()
        finally:
            self._exchange.end()


class _SizedBody(_Body):
    """A body of a known number of chunks, from which a server concludes the length of one chunk."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._chunks)  # type: ignore[arg-type]


class MetricsApp:
    """A WSGI application that answers GET and HEAD at any path with the metrics of all processes.

    It answers in the format that Accept asks for: text, OpenMetrics or protobuf; compressed where Accept-Encoding asks
    for gzip; with the families of name[]=... in the query alone; and with 304 where If-None-Match says that the client
    has the same already. Other methods get 405, and a store that cannot be rendered 500 and the error's text.
    Rendering releases the interpreter lock. Its own requests are not recorded.
    """

    def __init__(
        self,
        registry: object = None,
        *,
        pid_label: bool = False,
        process_metrics: ProcessMetrics = False,
        self_metrics: bool = False,
    ) -> None:
        """The arguments are those of fdmetrics.generate_latest."""
        self._scrape = Scrape(registry, pid_label, process_metrics, self_metrics)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        environ[PATH_NOTE] = False
        method = environ.get("REQUEST_METHOD", "")
        answer = self._scrape.answer(_request(environ))
        start_response(f"{answer.status} {answer.reason}", answer.headers)
        return [] if method == "HEAD" else [answer.body]


def _request(environ: Environ) -> Request:
    return Request(
        environ.get("REQUEST_METHOD", ""),
        environ.get("HTTP_ACCEPT", ""),
        environ.get("HTTP_ACCEPT_ENCODING", ""),
        environ.get("HTTP_IF_NONE_MATCH", ""),
        environ.get("QUERY_STRING", ""),
    )


def make_wsgi_app(
    registry: object = None,
    *,
    pid_label: bool = False,
    process_metrics: ProcessMetrics = False,
    self_metrics: bool = False,
) -> MetricsApp:
    """A WSGI application that serves the metrics; the arguments are those of fdmetrics.generate_latest.

    werkzeug's DispatcherMiddleware(app.wsgi_app, {"/metrics": make_wsgi_app()}) puts it beside a Flask application.
    """
    return MetricsApp(registry, pid_label=pid_label, process_metrics=process_metrics, self_metrics=self_metrics)


metrics_app = make_wsgi_app
