# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The same as optioned_fastapi, of Flask."""

from __future__ import annotations

import re
import time

import flask

import fdmetrics

REQUESTS = fdmetrics.Counter("http_requests", "Requests handled", ["method"])

app = flask.Flask(__name__)
app.wsgi_app = fdmetrics.wsgi.MetricsMiddleware(  # type: ignore[method-assign]
    app.wsgi_app,
    excluded=["/health", "/metrics", re.compile("^/internal/")],
    labels={"tenant": lambda environ: flask.g.tenant, "site": "eu"},
    buckets=(0.1, 1, 10),
    in_progress=True,
    request_size=True,
    response_size=True,
)
app.wsgi_app = fdmetrics.wsgi.MetricsMiddleware(  # type: ignore[method-assign]
    app.wsgi_app, prefix="grouped", names={"path": "handler"}, group_status=True
)


@app.post("/items/<int:item>")
def item(item: int) -> str:
    """Something quick. Every third one belongs to no tenant, so that the function of the label raises."""
    if item % 3:
        flask.g.tenant = f"tenant-{item % 3}"
    REQUESTS.labels(method="POST").inc()
    flask.request.get_data()
    return str(item)


@app.get("/sleep/<int:seconds>")
def sleep(seconds: int) -> str:
    """Something slow."""
    time.sleep(seconds)
    return "null"


@app.get("/internal/state")
def state() -> str:
    """Is not recorded."""
    return "well"


@app.get("/metrics")
def metrics() -> flask.Response:
    """The totals of all workers, whichever answers."""
    return flask.Response(fdmetrics.generate_latest(), content_type=fdmetrics.CONTENT_TYPE_LATEST)
