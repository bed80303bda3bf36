# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The middleware of the API server.

    app = FastAPI()
    app.add_middleware(PrometheusMiddleware)

A program may subclass it, and override dispatch as it would that of Starlette's BaseHTTPMiddleware:

    class Middleware(PrometheusMiddleware):
        async def dispatch(self, request, call_next):
            response = await super().dispatch(request, call_next)     # records
            response.headers["X-Server"] = "api"
            return response
"""

from __future__ import annotations

from collections.abc import MutableMapping
from time import perf_counter
from typing import Any, Awaitable, Callable, Literal, Optional, Union

from .._asgi_exchange import Message
from .._http_metrics import CLIENT_GONE, Excluded
from ..asgi import ASGIApp, MetricsMiddleware, Receive, Scope, Send
from .metrics import MetricsManager, main_process_metrics

#: The paths that are not recorded. What the model answers is in the catalogue's other metrics.
EXCLUDE_PATHS = ["/health", "/metrics", "/ping", "/load", "/v1/chat/completions", "/v1/completions"]

#: Where the exchange of a request is, in its scope.
_EXCHANGE = "fdmetrics.fastdeploy.exchange"

CallNext = Callable[[Any], Awaitable[Any]]


class PrometheusMiddleware(MetricsMiddleware):
    """Records into http_requests_total and http_request_duration_seconds of main_process_metrics.

    An ASGI middleware, with the rules of fdmetrics.asgi.MetricsMiddleware: the label `path` is the route's template. A
    subclass that overrides dispatch needs Starlette, and costs what BaseHTTPMiddleware costs.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        registry: object = None,
        excluded: Optional[Excluded] = None,
        path_of: Optional[Callable[[Scope], Union[str, Literal[False], None]]] = None,
    ) -> None:
        """As MetricsMiddleware; excluded: None stands for EXCLUDE_PATHS as it is now. Errors: as MetricsMiddleware;
        ImportError, where dispatch is overridden and Starlette is missing.
        """
        super().__init__(
            app,
            registry=main_process_metrics.registry if registry is None else registry,
            excluded=EXCLUDE_PATHS if excluded is None else excluded,
            path_of=path_of,
        )
        self._dispatching: Optional[ASGIApp] = None
        if type(self).dispatch is not PrometheusMiddleware.dispatch:
            from starlette.middleware.base import BaseHTTPMiddleware

            self._dispatching = BaseHTTPMiddleware(self._watched, dispatch=self.dispatch)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application for one connection."""
        if self._dispatching is None or scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope[_EXCHANGE] = _Exchange()
        await self._dispatching(scope, receive, send)

    async def dispatch(self, request: Any, call_next: CallNext) -> Any:
        """Gives a request of Starlette to call_next, records it, and returns the response as it is.

        It is timed until the application has handed on the last part of the response. One that call_next has not from
        the application is recorded at once. An exception is recorded as 500 and goes on unchanged.
        """
        scope: Optional[Scope] = getattr(request, "scope", None)
        # Not isinstance, as in _record: of a mock, everything is a mock.
        if not issubclass(type(scope), MutableMapping):
            scope = None
        exchange: Optional[_Exchange] = None if scope is None else scope.get(_EXCHANGE)
        path = request.url.path if scope is None else _path(scope)
        if self._metrics.excludes(path):
            return await call_next(request)
        start = perf_counter()
        try:
            response = await call_next(request)
        except BaseException as error:
            # What is no Exception is a cancellation, or the end of the process.
            gone = not isinstance(error, Exception) or (exchange is not None and exchange.gone)
            self._record(request, scope, path, CLIENT_GONE if gone else 500, start)
            raise
        status = response.status_code
        if exchange is None:
            self._record(request, scope, path, status, start)
        else:
            exchange.when_ended(lambda: self._record(request, scope, path, status, start))
        return response

    def _record(self, request: Any, scope: Optional[Scope], path: str, status: int, start: float) -> None:
        seconds = perf_counter() - start
        # What has no scope came from no client, but from the program itself, a test of it say.
        about = (path,) if scope is None else self._metrics.about(scope, scope, path)
        # Not isinstance: a mock with the specification of one says that it is one.
        if issubclass(type(main_process_metrics), MetricsManager):
            self._metrics.record(request.method, about, status, seconds)
        elif about is not None:
            # Something that a program has put in its place.
            labels = {"method": request.method, "path": about[0]}
            main_process_metrics.inc_value("http_requests_total", labelvalues={**labels, "status_code": status})
            main_process_metrics.obs_value("http_request_duration_seconds", seconds, labelvalues=labels)

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, seen by the exchange of its request."""
        # Now: a middleware of this kind further in puts its own there.
        exchange: Optional[_Exchange] = scope.get(_EXCHANGE)
        if exchange is None:
            await self.app(scope, receive, send)
            return
        await exchange.run(self.app, scope, receive, send)


class _Exchange:
    """A request that goes through dispatch, and how far the application is with its response."""

    def __init__(self) -> None:
        #: Whether the client went away.
        self.gone = False
        self._running = False
        self._record: Optional[Callable[[], None]] = None

    def when_ended(self, record: Callable[[], None]) -> None:
        """Calls record once the application has handed on the last part of its response; now, if it has already, or
        was not asked at all.
        """
        if self._running:
            self._record = record
        else:
            record()

    def _end(self) -> None:
        self._running = False
        record, self._record = self._record, None
        if record is not None:
            record()

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application."""
        self._running = True

        async def watched_receive() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone = True
            return message

        # Not a coroutine function, because that would cost one more coroutine a message.
        def watched_send(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._end()
            return send(message)

        try:
            await app(scope, watched_receive, watched_send)
        finally:
            self._end()


def _path(scope: Scope) -> str:
    """The path below the root path, as it stands there before a router moves the border between the two."""
    path: str = scope.get("path", "")
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path
