# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A Flask service of several worker processes.

gunicorn --workers 4 flask_service:app
"""

from __future__ import annotations

import time

from flask import Flask, Response

import fdmetrics
import fdmetrics.wsgi

REQUESTS = fdmetrics.Counter("service_requests", "Requests that were begun.", ["kind"])
SECONDS = fdmetrics.Histogram("service_request_seconds", "Time to answer a request.")
IN_PROGRESS = fdmetrics.Gauge(
    "service_requests_in_progress", "Requests that workers are handling.", multiprocess_mode="livesum"
)

app = Flask(__name__)
# Adds http_requests_total{method,path,status_code} and http_request_duration_seconds{method,path}.
app.wsgi_app = fdmetrics.wsgi.MetricsMiddleware(app.wsgi_app)  # type: ignore[method-assign]


@app.get("/items/<int:item>")
def item(item: int) -> str:
    """Something quick."""
    REQUESTS.labels("item").inc()
    with IN_PROGRESS.track_inprogress(), SECONDS.time():
        return f"item {item}\n"


@app.get("/sleep/<int:seconds>")
def sleep(seconds: int) -> str:
    """Something slow: kill the worker meanwhile, and see the gauge fall."""
    REQUESTS.labels("sleep").inc()
    with IN_PROGRESS.track_inprogress(), SECONDS.time():
        time.sleep(seconds)
    return f"slept {seconds} s\n"


@app.get("/metrics")
def metrics() -> Response:
    """The totals of all workers, whichever answers."""
    return Response(fdmetrics.generate_latest(process_metrics=True), content_type=fdmetrics.CONTENT_TYPE_LATEST)
