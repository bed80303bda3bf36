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
from typing import Any, Callable, Coroutine, Literal, Mapping, Optional, Union, overload

from ._asgi_exchange import ASGIApp as ASGIApp
from ._asgi_exchange import Exchange
from ._asgi_exchange import Receive as Receive
from ._asgi_exchange import Scope as Scope
from ._asgi_exchange import Send as Send
from ._http_metrics import METHODS, UNKNOWN_METHOD, UNMATCHED_PATH, HTTPMetrics, leave_unrecorded
from ._http_options import DEFAULT_EXCLUDED_PATHS, Buckets, Excluded, Names, Options, check_callable
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
        excluded: Optional[Excluded] = None,
        path_of: Optional[Callable[[Scope], Union[str, Literal[False], None]]] = None,
        prefix: str = "",
        names: Optional[Names] = None,
        labels: Optional[Mapping[str, Union[str, float, Callable[[Scope], object], None]]] = None,
        buckets: Optional[Buckets] = None,
        group_status: bool = False,
        in_progress: bool = False,
        request_size: bool = False,
        response_size: bool = False,
        size_buckets: Optional[Buckets] = None,
    ) -> None:
        """
        app: the application; add_middleware of Starlette and FastAPI gives it.
        registry: a fdmetrics.Registry; anything else stands for the process's default one.
        excluded: the paths that are not recorded, without the root path: each a text, which is compared whole, or a
        pattern of re.compile, which is searched for; or a function of a path. None: DEFAULT_EXCLUDED_PATHS.
        path_of: gives the label `path` of a scope after the application has answered, None for "<unmatched>", False for
        a request that is not recorded; unless given, the template of Starlette's and FastAPI's routes. It must give few
        different texts. What an application puts into the scope as "fdmetrics.path" comes first.
        prefix: put before the names of all metrics, with an underscore.
        names: other names for metrics and labels of the table, {"path": "handler"}; None in it leaves one out.
        labels: more labels of all metrics but the gauge: each a text, or a function of the scope, which is called when
        path_of is, and must give few different values too. Anything else becomes text by str(), None the empty one; a
        function that raises gives "<unknown>".
        buckets: the upper bounds of http_request_duration_seconds.
        group_status: status_code is "2xx", and not "200".
        in_progress: also records http_requests_in_progress{method}, a gauge of the requests that are being answered.
        request_size, response_size: also records http_request_size_bytes and http_response_size_bytes{method,path},
        histograms of the bodies' bytes, with the upper bounds of size_buckets.

        A metric that this process has declared otherwise is not recorded, with a line in the log; the others are.
        Errors: TypeError and ValueError, for an argument that can never be right.
        """
        self.app = check_callable("app", app, "an ASGI application")
        self._metrics = HTTPMetrics(
            Options(
                registry,
                excluded,
                path_of,
                prefix,
                names,
                labels,
                buckets,
                group_status,
                in_progress,
                request_size,
                response_size,
                size_buckets,
            ),
            RouteTemplates(app).template,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application for one connection."""
        # Read now, because a router that hands on to a mounted application moves the border between the two.
        path, root = scope.get("path", ""), scope.get("root_path", "")
        if root and path.startswith(root + "/"):
            path = path[len(root) :]
        if scope["type"] != "http" or self._metrics.excludes(path):
            await self.app(scope, receive, send)
        else:
            await Exchange(self._metrics, scope, path, receive, send).run(self.app)


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

    @overload
    def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> Coroutine[Any, Any, None]: ...

    @overload
    def __call__(self, request: Any, /) -> Coroutine[Any, Any, Any]: ...

    async def __call__(self, scope: Any, receive: Any = None, send: Any = None, /) -> Any:
        """Answers one connection; refuses websockets.

        With a request of Starlette alone it is an endpoint, and gives the response to it: the application itself, which
        answers any request. So it is one by its type too, for add_route.
        """
        if send is None:
            return self
        await self._answer_connection(scope, receive, send)
        return None

    async def _answer_connection(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            leave_unrecorded(scope)
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
