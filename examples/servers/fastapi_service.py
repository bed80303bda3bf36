# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A FastAPI service of several worker processes.

uvicorn --workers 4 fastapi_service:app
gunicorn --workers 4 --worker-class uvicorn_worker.UvicornWorker fastapi_service:app
"""

from __future__ import annotations

import asyncio

from fastapi import FastAPI

import fdmetrics
import fdmetrics.asgi

REQUESTS = fdmetrics.Counter("service_requests", "Requests that were begun.", ["kind"])
SECONDS = fdmetrics.Histogram("service_request_seconds", "Time to answer a request.")
IN_PROGRESS = fdmetrics.Gauge(
    "service_requests_in_progress", "Requests that workers are handling.", multiprocess_mode="livesum"
)

app = FastAPI()
# Adds http_requests_total{method,path,status_code} and http_request_duration_seconds{method,path}.
app.add_middleware(fdmetrics.asgi.MetricsMiddleware)
# The totals of all workers, whichever answers.
app.add_route("/metrics", fdmetrics.asgi.make_asgi_app(process_metrics=True))


@app.get("/items/{item}")
async def item(item: int) -> dict[str, int]:
    """Something quick."""
    REQUESTS.labels("item").inc()
    with IN_PROGRESS.track_inprogress(), SECONDS.time():
        return {"item": item}


@app.get("/sleep/{seconds}")
async def sleep(seconds: int) -> dict[str, int]:
    """Something slow: kill the worker meanwhile, and see the gauge fall."""
    REQUESTS.labels("sleep").inc()
    with IN_PROGRESS.track_inprogress(), SECONDS.time():
        await asyncio.sleep(seconds)
    return {"slept": seconds}
