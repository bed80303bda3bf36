# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A service that was written for one process, with prometheus_client. Knows nothing of fdmetrics."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

REQUESTS = Counter("service_requests", "Requests that were begun.", ["kind"])
SECONDS = Histogram("service_request_seconds", "Time to answer a request.")
IN_PROGRESS = Gauge("service_requests_in_progress", "Requests being handled.", multiprocess_mode="livesum")

app = FastAPI()


@app.get("/items/{item}")
async def item(item: int) -> dict[str, int]:
    """Something quick."""
    REQUESTS.labels("item").inc()
    with IN_PROGRESS.track_inprogress(), SECONDS.time():
        return {"item": item}


@app.get("/sleep/{seconds}")
async def sleep(seconds: int) -> dict[str, int]:
    """Something slow."""
    REQUESTS.labels("sleep").inc()
    with IN_PROGRESS.track_inprogress(), SECONDS.time():
        await asyncio.sleep(seconds)
    return {"slept": seconds}


@app.get("/metrics")
async def metrics() -> Response:
    """The default registry, with its collectors of the process and of the interpreter."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
