# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A service that was written for prometheus_client in one process; only the import is another one."""

from __future__ import annotations

import time

from flask import Flask, Response

from fdmetrics.prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, Info, generate_latest

REQUESTS = Counter("service_requests", "Requests that were begun.", ["kind"])
SECONDS = Histogram("service_request_seconds", "Time to answer a request.")
IN_PROGRESS = Gauge("service_requests_in_progress", "Requests being handled.", multiprocess_mode="livesum")
BUILD = Info("service_build", "What this is.")
BUILD.info({"version": "1.2.3"})

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
    """The default registry, with its collectors of the process and of the interpreter."""
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)
