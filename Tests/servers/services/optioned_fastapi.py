# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A FastAPI service with every option of the middleware, and a counter that has the middleware's name."""

from __future__ import annotations

import asyncio
import re

from fastapi import FastAPI, Request

import fdmetrics

REQUESTS = fdmetrics.Counter("http_requests", "Requests handled", ["method"])

app = FastAPI()
app.add_middleware(
    fdmetrics.asgi.MetricsMiddleware,
    excluded=["/health", "/metrics", re.compile("^/internal/")],
    labels={"tenant": lambda scope: scope["state"]["tenant"], "site": "eu"},
    buckets=(0.1, 1, 10),
    in_progress=True,
    request_size=True,
    response_size=True,
)
app.add_middleware(fdmetrics.asgi.MetricsMiddleware, prefix="grouped", names={"path": "handler"}, group_status=True)
app.add_route("/metrics", fdmetrics.make_asgi_app())


@app.post("/items/{item}")
async def item(item: int, request: Request) -> int:
    """Something quick. Every third one belongs to no tenant, so that the function of the label raises."""
    if item % 3:
        request.state.tenant = f"tenant-{item % 3}"
    REQUESTS.labels(method="POST").inc()
    await request.body()
    return item


@app.get("/sleep/{seconds}")
async def sleep(seconds: int) -> None:
    """Something slow."""
    await asyncio.sleep(seconds)


@app.get("/internal/state")
async def state() -> str:
    """Is not recorded."""
    return "well"
