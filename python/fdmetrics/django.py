# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP metrics of Django, and a view that serves the metrics. Django is imported by what is called here alone.

    MIDDLEWARE = ["fdmetrics.django.MetricsMiddleware", ...]           # settings.py, first of all
    urlpatterns = [path("metrics", fdmetrics.django.metrics_view), ...]  # urls.py

The middleware records http_requests_total{method,path,status_code} and http_request_duration_seconds{method,path} for
all processes of the service, under WSGI and ASGI, with the labels of fdmetrics.asgi: `path` is the route as the program
has it, with a slash before it, "/items/<int:id>", and "<unmatched>" where there was none.

It is a middleware of Django, because Django tells a server, and what is around it, nothing of its routes.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any, Awaitable, Callable, ClassVar, Collection, Optional, Union

from ._http_metrics import CLIENT_GONE, DEFAULT_EXCLUDED_PATHS, PATH_NOTE, HTTPMetrics
from ._scrape import Request, Scrape
from .store import ProcessMetrics

__all__ = ["MetricsMiddleware", "make_metrics_view", "metrics_view"]


class MetricsMiddleware:
    """Records the requests of a Django site. Make a subclass to choose `excluded`, `path_of` or `registry`.

    A request is timed until Django closes the response, which is after the last part of a stream. A view that raises
    counts as 500, as Django answers it; a task that is cancelled before there is a response as 499.

    Recording never makes a request fail. One object serves any number of threads and tasks, and is right in fork
    children.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    #: A fdmetrics.Registry; anything else stands for the process's default one.
    registry: ClassVar[object] = None
    #: The paths (request.path_info) that are not recorded, compared whole.
    excluded: ClassVar[Collection[str]] = DEFAULT_EXCLUDED_PATHS

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        """Django calls it. Errors: TypeError where `excluded` is one text; ConflictError where a metric of these names
        is declared otherwise."""
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction

        self.get_response = get_response
        self._metrics = HTTPMetrics(self.registry, self.excluded, self.path_of)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def path_of(self, request: Any) -> Optional[str]:
        """The label `path` of an HttpRequest after it was answered; None for "<unmatched>".

        It must give few different texts. What a view puts into request.META as "fdmetrics.path" comes first: a text,
        or False for a request that is not recorded.
        """
        match = request.resolver_match
        # Django takes the ^ of a regular expression away where a route is included, and leaves the others.
        return None if match is None else "/" + str(match.route).lstrip("^")

    def __call__(self, request: Any) -> Union[Any, Awaitable[Any]]:
        """Answers one request."""
        if self._metrics.excludes(request.path_info):
            return self.get_response(request)
        return self._answer_async(request) if self._is_async else self._answer(request)

    def _answer(self, request: Any) -> Any:
        start = perf_counter()
        try:
            response = self.get_response(request)
        except BaseException:
            self._record(request, 500, start)
            raise
        return self._watched(request, response, start)

    async def _answer_async(self, request: Any) -> Any:
        start = perf_counter()
        try:
            response = await self.get_response(request)
        except BaseException as error:
            self._record(request, 500 if isinstance(error, Exception) else CLIENT_GONE, start)
            raise
        return self._watched(request, response, start)

    def _watched(self, request: Any, response: Any, start: float) -> Any:
        if not getattr(response, "streaming", False):
            self._record(request, response.status_code, start)
            return response
        close = response.close

        def watched_close() -> None:
            try:
                close()
            finally:
                self._record(request, response.status_code, start)

        # Whoever sends a stream calls it at the end, a wsgi.file_wrapper included.
        response.close = watched_close
        return response

    def _record(self, request: Any, status: int, start: float) -> None:
        seconds = perf_counter() - start
        path = self._metrics.path_of(request.META, request)
        self._metrics.record(request.method or "", path, status, seconds)


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

    request.META[PATH_NOTE] = False
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
