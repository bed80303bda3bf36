# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python -m fdmetrics serve: a store over HTTP, for Prometheus, by the server of fdmetrics.start_http_server."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from http import HTTPStatus
from typing import Collection

from ._http_request import Head
from ._http_tls import TLS
from ._scrape import Answer, Scrape, plain_answer
from .errors import StoreNotFoundError
from .http_server import metrics_of, serve
from .registry import Registry
from .store import ProcessMetrics, render_directory

_CANNOT_SERVE = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(program: str, directory: str, options: argparse.Namespace) -> int:
    """Serves a store until SIGINT or SIGTERM; the exit code."""
    process_metrics: ProcessMetrics = "worker" if options.process_metrics == "worker" else True
    if options.process_metrics == "none":
        process_metrics = False
    scrape = Scrape(_OfDirectory(directory), options.pid_label, process_metrics, not options.no_self_metrics)
    metrics = metrics_of(scrape)

    def respond(head: Head) -> Answer:
        return plain_answer(HTTPStatus.OK, "ok\n") if head.path == "/healthz" else metrics(head)

    # Before the server's threads are there, which get the same mask: so a signal comes to nobody but sigwait.
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        tls = TLS(options.tls_cert, options.tls_key, options.client_ca, client_auth_required=bool(options.client_ca))
        server, thread = serve(options.port, options.host, respond, tls.context(), options.allowed_host)
    except (OSError, ValueError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return _CANNOT_SERVE
    host = f"[{options.host}]" if ":" in options.host else options.host
    scheme = "https" if options.tls_cert else "http"
    print(f"{program}: {directory} is at {scheme}://{host}:{server.server_port}/metrics", file=sys.stderr, flush=True)
    signal.sigwait(_SIGNALS)
    # A second one ends it at once.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, former)
    server.shutdown()
    server.server_close()
    thread.join()
    _wait_for_answers()
    return 0


def _wait_for_answers() -> None:
    """Waits for the requests in flight, each of which has its limits of time; idle connections are closed already."""
    for thread in threading.enumerate():
        if thread.name == "fdmetrics-http-client":
            thread.join()


class _OfDirectory(Registry):
    """What is rendered: the store in a directory, with read access alone. Nothing is attached."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self._path = directory

    def render(
        self,
        *,
        pid_label: bool = False,
        process_metrics: ProcessMetrics = False,
        self_metrics: bool = False,
        format: str = "text",
        escaping: str = "underscores",
        names: Collection[str] = (),
        created: bool = False,
    ) -> bytes:
        """See fdmetrics.render_directory. A store that is not there yet has no metrics."""
        try:
            return render_directory(
                self._path,
                pid_label=pid_label,
                process_metrics=process_metrics,
                self_metrics=self_metrics,
                format=format,
                escaping=escaping,
                names=names,
            )
        except StoreNotFoundError:
            return b"# EOF\n" if format == "openmetrics" else b""
