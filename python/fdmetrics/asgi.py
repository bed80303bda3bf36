# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP metrics of ASGI applications, and an application that serves the metrics. Needs no framework.

    app = FastAPI()
    app.add_middleware(fdmetrics.asgi.MetricsMiddleware)      # or: app = MetricsMiddleware(any_asgi_app)
    app.add_route("/metrics", fdmetrics.asgi.make_asgi_app())  # or: app.mount("/metrics", ...)

The middleware records http_requests_total{method,path,status_code} and http_request_duration_seconds{method,path} for
all processes of the service. Its labels have few values, whatever clients send:

  path          the route's template as the program has it, "/items/{id}", with the prefixes of mounts and routers;
                "<unmatched>" where no route was chosen
  method        "<unknown>" for what is no method of HTTP
  status_code   of the response once it has started; else 500 where the application raises, or returns without having
                answered, and 499 where the client went away or the task was cancelled
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any, Awaitable, Callable, MutableMapping, Optional

from ._http_metrics import (
    CLIENT_GONE,
    DEFAULT_EXCLUDED_PATHS,
    METHODS,
    PATH_NOTE,
    UNKNOWN_METHOD,
    UNMATCHED_PATH,
    Excluded,
    HTTPMetrics,
)
from ._route_templates import RouteTemplates
from ._scrape import Answer, Request, Scrape
from .store import ProcessMetrics

__all__ = [
    "DEFAULT_EXCLUDED_PATHS",
    "METHODS",
    "UNKNOWN_METHOD",
    "UNMATCHED_PATH",
    "MetricsApp",
    "MetricsMiddleware",
    "make_asgi_app",
    "metrics_app",
]

# The types of the ASGI specification, alike to those of asgiref and Starlette.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class MetricsMiddleware:
    """Records the HTTP requests of an application; websockets and lifespan events pass through.

    A request is timed until the last part of its response is handed to the server, without background tasks, and is
    counted just before that: whoever has the whole response finds it counted. A response that has started keeps its
    status, even where it fails later. Exceptions and messages pass unchanged.

    Recording never makes a request fail. One object serves any number of tasks, and is right in fork children.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        registry: object = None,
        excluded: Excluded = DEFAULT_EXCLUDED_PATHS,
        path_of: Optional[Callable[[Scope], Optional[str]]] = None,
    ) -> None:
        """
        app: the application; add_middleware of Starlette and FastAPI gives it.
        registry: a fdmetrics.Registry; anything else stands for the process's default one.
        excluded: the paths that are not recorded, without the root path, compared whole; or a function of a path.
        path_of: gives the label `path` of a scope after the application has answered, None for "<unmatched>"; unless
        given, the template of Starlette's and FastAPI's routes. It must give few different texts. What an application
        puts into the scope as "fdmetrics.path" comes first: a text, or False for a request that is not recorded.
        Errors: TypeError where `excluded` is one text; ConflictError where a metric of these names is declared
        otherwise.
        """
        self.app = app
        templates = RouteTemplates(app).template
        self._metrics = HTTPMetrics(registry, excluded, templates if path_of is None else _of_scope(path_of))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application for one connection."""
        metrics = self._metrics
        # Read now, because a router that hands on to a mounted application moves the border between the two.
        path, root = scope.get("path", ""), scope.get("root_path", "")
        if root and path.startswith(root + "/"):
            path = path[len(root) :]
        if scope["type"] != "http" or metrics.excludes(path):
            await self.app(scope, receive, send)
            return

        start = perf_counter()
        status = 0
        gone = ended = False

        def end(status: int) -> None:
            nonlocal ended
            ended = True
            seconds = perf_counter() - start
            metrics.record(scope["method"], metrics.path_of(scope, scope, path), status, seconds)

        async def watched_receive() -> Message:
            nonlocal gone
            message = await receive()
            if message["type"] == "http.disconnect":
                gone = True
            return message

        # Not a coroutine function, because that would cost one more coroutine a message.
        def watched_send(message: Message) -> Awaitable[None]:
            nonlocal status
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
            elif kind == "http.response.body" and not ended and not message.get("more_body", False):
                end(status)
            return send(message)

        try:
            await self.app(scope, watched_receive, watched_send)
        except BaseException as error:
            if not ended:
                # What is no Exception is a cancellation, or the end of the process.
                end(status or (CLIENT_GONE if gone or not isinstance(error, Exception) else 500))
            raise
        if not ended:
            end(status or (CLIENT_GONE if gone else 500))


class MetricsApp:
    """An ASGI application that answers GET and HEAD at any path with the metrics of all processes.

    It answers in the format that Accept asks for: text, OpenMetrics or protobuf; compressed where Accept-Encoding asks
    for gzip; with the families of name[]=... in the query alone; and with 304 where If-None-Match says that the client
    has the same already. Other methods get 405, and a store that cannot be rendered 500 and the error's text.
    Rendering is done by the event loop's default executor, so that the loop goes on. Its own requests are not recorded.
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one connection; refuses websockets."""
        if scope["type"] == "http":
            scope[PATH_NOTE] = False
            await self._serve(scope, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _serve(self, scope: Scope, send: Send) -> None:
        answer = await self._answer(_request(scope))
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, request: Request) -> Answer:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # A server that runs on no asyncio loop, but on trio.
            return self._scrape.answer(request)
        return await loop.run_in_executor(None, self._scrape.answer, request)


def make_asgi_app(
    registry: object = None,
    *,
    pid_label: bool = False,
    process_metrics: ProcessMetrics = False,
    self_metrics: bool = False,
) -> MetricsApp:
    """An ASGI application that serves the metrics; the arguments are those of fdmetrics.generate_latest.

    app.add_route("/metrics", make_asgi_app()) answers at that path alone. app.mount("/metrics", make_asgi_app()) of
    Starlette and FastAPI answers below it, at "/metrics/", to which they redirect "/metrics".
    """
    return MetricsApp(registry, pid_label=pid_label, process_metrics=process_metrics, self_metrics=self_metrics)


metrics_app = make_asgi_app


def _of_scope(path_of: Callable[[Scope], Optional[str]]) -> Callable[[Scope, str], Optional[str]]:
    return lambda scope, _path: path_of(scope)


def _request(scope: Scope) -> Request:
    def header(wanted: bytes) -> str:
        return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name.lower() == wanted)

    query = scope.get("query_string", b"").decode("latin-1")
    return Request(scope["method"], header(b"accept"), header(b"accept-encoding"), header(b"if-none-match"), query)


async def _live(receive: Receive, send: Send) -> None:
    """Answers the events of a server's start and end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
