# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP metrics of Django, and a view that serves the metrics. Django is imported by what is called here alone.

    MIDDLEWARE = ["fdmetrics.django.MetricsMiddleware", ...]           # settings.py, first of all
    urlpatterns = [path("metrics", fdmetrics.django.metrics_view), ...]  # urls.py

The middleware records http_requests_total{method,path,status_code} and http_request_duration_seconds{method,path} for
all processes of the service, under WSGI and ASGI, with the labels of fdmetrics.asgi: `path` is the route as the program
has it, with a slash before it, "/items/<int:id>", and "<unmatched>" where there was none.

The options are in the setting FDMETRICS, a dict with the names of fdmetrics.asgi.MetricsMiddleware's arguments:

    FDMETRICS = {"prefix": "shop", "labels": {"site": "eu", "staff": lambda request: request.user.is_staff}}

It is a middleware of Django, because Django tells a server, and what is around it, nothing of its routes.
"""

from __future__ import annotations

import asyncio
import contextlib
from time import perf_counter
from typing import Any, AsyncIterator, Awaitable, Callable, ClassVar, Iterator, Literal, Optional, Union

from ._http_metrics import CLIENT_GONE, About, HTTPMetrics, InProgress, leave_unrecorded, length_of
from ._http_options import Excluded, Options
from ._scrape import Request, Scrape
from ._wsgi_exchange import request_size_of
from .store import ProcessMetrics

__all__ = ["MetricsMiddleware", "make_metrics_view", "metrics_view"]


class MetricsMiddleware:
    """Records the requests of a Django site, as the setting FDMETRICS says.

    Its functions take the HttpRequest when the view has answered; a stream is sent after that. A subclass may choose
    `registry`, `excluded` and `path_of`, which go before the setting.

    A request is timed until Django closes the response, which is after the last part of a stream; or until the stream
    or its sending fails, after which Django closes nothing with ASGI. A view that raises counts as 500, as Django
    answers it; a task that is cancelled before there is a response as 499.

    Recording never makes a request fail. One object serves any number of threads and tasks, and is right in fork
    children.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    #: A fdmetrics.Registry; None: that of the setting, else the process's default one.
    registry: ClassVar[object] = None
    #: The paths (request.path_info) that are not recorded; None: those of the setting.
    excluded: ClassVar[Optional[Excluded]] = None

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        """Django calls it. Errors: TypeError and ValueError, for a setting that can never be right."""
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction
        from django.conf import settings  # type: ignore[import-untyped]

        options = Options.of(getattr(settings, "FDMETRICS", {}), "the setting FDMETRICS")
        if self.registry is not None:
            options = options._replace(registry=self.registry)
        if self.excluded is not None:
            options = options._replace(excluded=self.excluded)
        if type(self).path_of is not MetricsMiddleware.path_of:
            options = options._replace(path_of=self.path_of)
        self.get_response = get_response
        self._metrics = HTTPMetrics(options, self.path_of)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def path_of(self, request: Any) -> Union[str, Literal[False], None]:
        """The label `path` of an HttpRequest after it was answered; None for "<unmatched>", False for no recording.

        It must give few different texts. What a view puts into request.META as "fdmetrics.path" comes first.
        """
        match = request.resolver_match
        # Django takes the ^ of a regular expression away where a route is included, and leaves the others.
        return None if match is None else "/" + str(match.route).lstrip("^")

    def __call__(self, request: Any) -> Union[Any, Awaitable[Any]]:
        """Answers one request."""
        if self._metrics.excludes(request.path_info):
            return self.get_response(request)
        exchange = _Exchange(self._metrics, request)
        return self._answer_async(request, exchange) if self._is_async else self._answer(request, exchange)

    def _answer(self, request: Any, exchange: _Exchange) -> Any:
        try:
            return exchange.watched(self.get_response(request))
        except BaseException:
            exchange.end(500)
            raise

    async def _answer_async(self, request: Any, exchange: _Exchange) -> Any:
        try:
            response = exchange.watched(await self.get_response(request))
        except BaseException as error:
            exchange.end(500 if isinstance(error, Exception) else CLIENT_GONE)
            raise
        exchange.watch_task()
        return response


class _Exchange:
    """One request and its response. Belongs to one thread or task at a time."""

    __slots__ = ("_about", "_ended", "_metrics", "_progress", "_request", "_sent", "_start", "_status")

    def __init__(self, metrics: HTTPMetrics, request: Any) -> None:
        self._metrics = metrics
        self._request = request
        self._about: Optional[About] = None
        #: The status of a stream that is being sent; 0 without one.
        self._status = 0
        self._ended = False
        #: How many bytes of the response's body there are, as far as that is known.
        self._sent: Optional[int] = None
        self._start = perf_counter()
        self._progress: Optional[InProgress] = metrics.begin(request.method or "", request.META)

    def watched(self, response: Any) -> Any:
        """The response, whose end is recorded."""
        if not getattr(response, "streaming", False):
            if self._metrics.wants_response_size:
                self._sent = _size_of_content(response)
            self.end(response.status_code)
            return response
        # A stream that nobody closes may end in the garbage collector, where no function of the program's may run.
        self._about = self._metrics.about(self._request.META, self._request)
        self._status = response.status_code
        self._watch_parts(response)
        close = response.close

        def watched_close() -> None:
            try:
                close()
            finally:
                self.end(response.status_code)

        # Whoever has sent a stream calls it at the end, a wsgi.file_wrapper included.
        response.close = watched_close
        return response

    def watch_task(self) -> None:
        """Lets the request end with the task that sends its stream, where that fails: Django closes nothing then."""
        if self._ended:
            return
        with contextlib.suppress(RuntimeError):  # Whoever runs it has no loop of asyncio.
            task = asyncio.current_task()
            if task is not None:
                task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        # A task that is done well may be one of a synchronous middleware around this one, which sends nothing.
        if task.cancelled() or task.exception() is not None:
            self.end(self._status)

    def __del__(self) -> None:
        # Whoever sent the stream has dropped it: a server that cancelled Django's handler, or failed in a task of its
        # own. Each other request has ended, unless the process does.
        if self._status:
            self.end(self._status)
        elif self._progress is not None:
            self._progress.leave()

    def _watch_parts(self, response: Any) -> None:
        counts = self._metrics.wants_response_size
        if getattr(response, "file_to_stream", None) is not None:
            if not counts:
                return
            if self._request.META.get("wsgi.file_wrapper") is not None:
                # It stays a file, so that the server may send it in its own way: its bytes do not pass here.
                self._sent = length_of(response.get("Content-Length"))
                return
        if counts:
            self._sent = 0
        parts = response.streaming_content
        watched = self._watched_async if response.is_async else self._watched
        response.streaming_content = watched(parts, counts)

    def _watched(self, parts: Any, counts: bool) -> Iterator[bytes]:
        try:
            for part in parts:
                if counts:
                    self._sent = (self._sent or 0) + len(part)
                yield part
        except BaseException:
            self.end(self._status)
            raise

    async def _watched_async(self, parts: Any, counts: bool) -> AsyncIterator[bytes]:
        try:
            async for part in parts:
                if counts:
                    self._sent = (self._sent or 0) + len(part)
                yield part
        except BaseException:
            self.end(self._status)
            raise

    def end(self, status: int) -> None:
        """Records the request, the first time that it is called."""
        if self._ended:
            return
        self._ended = True
        seconds = perf_counter() - self._start
        if self._progress is not None:
            self._progress.leave()
        metrics, request = self._metrics, self._request
        method = request.method or ""
        about = self._about if self._status else metrics.about(request.META, request)
        request_size = request_size_of(request.META) if metrics.wants_request_size else None
        response_size = 0 if method == "HEAD" and self._sent is not None else self._sent
        metrics.record(method, about, status, seconds, request_size, response_size)


def _size_of_content(response: Any) -> Optional[int]:
    try:
        return len(response.content)
    except Exception:
        return None  # A template that nobody has rendered says so to Django.


def metrics_view(request: Any) -> Any:
    """A view that answers GET and HEAD with the metrics of all processes; see fdmetrics.wsgi.MetricsApp.

    For options of fdmetrics.generate_latest, or another registry, use make_metrics_view.
    """
    return _view(Scrape(), request)


def make_metrics_view(
    registry: object = None,
    *,
    pid_label: bool = False,
    process_metrics: ProcessMetrics = False,
    self_metrics: bool = False,
) -> Callable[[Any], Any]:
    """A view as metrics_view. The arguments are those of fdmetrics.generate_latest."""
    scrape = Scrape(registry, pid_label, process_metrics, self_metrics)

    def view(request: Any) -> Any:
        return _view(scrape, request)

    return view


def _view(scrape: Scrape, request: Any) -> Any:
    from django.http import HttpResponse  # type: ignore[import-untyped]

    leave_unrecorded(request.META)
    meta = request.META
    answer = scrape.answer(
        Request(
            request.method,
            meta.get("HTTP_ACCEPT", ""),
            meta.get("HTTP_ACCEPT_ENCODING", ""),
            meta.get("HTTP_IF_NONE_MATCH", ""),
            meta.get("QUERY_STRING", ""),
        )
    )
    body = b"" if request.method == "HEAD" else answer.body
    return HttpResponse(body, status=answer.status, headers=dict(answer.headers))
