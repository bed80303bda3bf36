# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A service with prometheus_client's own multi-process mode, as its documentation has it, without fdmetrics."""

from __future__ import annotations

import time

from flask import Flask, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

REQUESTS = Counter("service_requests", "Requests that were begun.", ["kind"])
SECONDS = Histogram("service_request_seconds", "Time to answer a request.")
IN_PROGRESS = Gauge("service_requests_in_progress", "Requests being handled.", multiprocess_mode="livesum")

app = Flask(__name__)


@app.get("/items/<int:item>")
def item(item: int) -> str:
    """Something quick."""
    REQUESTS.labels("item").inc()
    with IN_PROGRESS.track_inprogress(), SECONDS.time():
        return f"item {item}\n"


@app.get("/sleep/<int:seconds>")
def sleep(seconds: int) -> str:
    """Something slow."""
    REQUESTS.labels("sleep").inc()
    with IN_PROGRESS.track_inprogress(), SECONDS.time():
        time.sleep(seconds)
    return f"slept {seconds} s\n"


@app.get("/metrics")
def metrics() -> Response:
    """A registry of its own, with prometheus_client's collector."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
