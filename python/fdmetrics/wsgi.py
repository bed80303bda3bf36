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

from typing import Callable, Iterable, Literal, Mapping, Optional, Union

from ._flask_rules import rule_of_environ, rule_of_url
from ._http_metrics import METHODS, UNKNOWN_METHOD, UNMATCHED_PATH, HTTPMetrics, leave_unrecorded
from ._http_options import DEFAULT_EXCLUDED_PATHS, Buckets, Excluded, Names, Options, check_callable
from ._scrape import Request, Scrape
from ._wsgi_exchange import Environ, Exchange, StartResponse
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
        excluded: Optional[Excluded] = None,
        path_of: Optional[Callable[[Environ], Union[str, Literal[False], None]]] = None,
        prefix: str = "",
        names: Optional[Names] = None,
        labels: Optional[Mapping[str, Union[str, float, Callable[[Environ], object], None]]] = None,
        buckets: Optional[Buckets] = None,
        group_status: bool = False,
        in_progress: bool = False,
        request_size: bool = False,
        response_size: bool = False,
        size_buckets: Optional[Buckets] = None,
    ) -> None:
        """
        app: the application.
        excluded: the paths (PATH_INFO) that are not recorded: each a text, which is compared whole, or a pattern of
        re.compile, which is searched for; or a function of a path. None: DEFAULT_EXCLUDED_PATHS.
        path_of: gives the label `path` of an environ when the response starts, or the application has raised; None for
        "<unmatched>", False for a request that is not recorded. Unless given, the rule of Flask's route. It must give
        few different texts. What an application puts into the environ as "fdmetrics.path" comes first.
        labels: more labels of all metrics but the gauge: each a text, or a function of the environ, called when path_of
        is. The others, and the errors, are those of fdmetrics.asgi.MetricsMiddleware. The size of a request whose body
        comes in chunks is not recorded.
        """
        self.app = check_callable("app", app, "a WSGI application")
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
            self._flask_rule,
        )

    def _flask_rule(self, environ: Environ) -> Optional[str]:
        return rule_of_environ(environ) or rule_of_url(self.app, environ)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Runs the application for one request."""
        metrics = self._metrics
        if metrics.excludes(environ.get("PATH_INFO", "")):
            return self.app(environ, start_response)
        exchange = Exchange(metrics, environ, start_response)
        try:
            return exchange.watched(self.app(environ, exchange.start_response))
        except BaseException:
            exchange.end(failed=True)
            raise


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
        leave_unrecorded(environ)
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
