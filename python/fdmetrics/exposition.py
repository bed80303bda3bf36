# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering, and an HTTP endpoint for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Collection, Tuple

from .registry import registry_of
from .store import TEXT_CONTENT_TYPE, ProcessMetrics

if TYPE_CHECKING:
    import threading
    from http.server import ThreadingHTTPServer

#: The HTTP content type of what generate_latest gives.
CONTENT_TYPE_LATEST = TEXT_CONTENT_TYPE


def generate_latest(
    registry: object = None,
    *,
    pid_label: bool = False,
    process_metrics: ProcessMetrics = False,
    self_metrics: bool = False,
    format: str = "text",
    escaping: str = "underscores",
    names: Collection[str] = (),
) -> bytes:
    """All series of the store, of all processes, in the Prometheus text format 0.0.4, or another one.

    registry: a fdmetrics.Registry; anything else stands for the process's default one. The others are those of
    Store.render. Any process that has the store gives the same answer, but for gauges of the mode local. Releases the
    interpreter lock. Errors: those of Registry.render.
    """
    return registry_of(registry).render(
        pid_label=pid_label,
        process_metrics=process_metrics,
        self_metrics=self_metrics,
        format=format,
        escaping=escaping,
        names=names,
    )


def start_http_server(
    port: int,
    addr: str = "127.0.0.1",
    registry: object = None,
    *,
    pid_label: bool = False,
    process_metrics: ProcessMetrics = False,
    self_metrics: bool = False,
) -> Tuple[ThreadingHTTPServer, threading.Thread]:
    """Serves the metrics at /metrics and / from a daemon thread, as plain HTTP.

    The scraper says in its headers what it wants: text, OpenMetrics or protobuf, how names are escaped, and gzip; with
    name[]=... in its query the families of these names alone; with If-None-Match nothing where nothing has changed.
    port 0 takes a free port: server.server_port has it. The others are those of generate_latest. Returns the server and
    its thread; server.shutdown(), then server.server_close() end it. A fork child does not serve. Errors: OSError where
    the address cannot be bound.
    """
    # Only who serves pays for the import of http.server.
    from ._scrape import Scrape
    from .http_server import serve

    return serve(port, addr, Scrape(registry, pid_label, process_metrics, self_metrics))
