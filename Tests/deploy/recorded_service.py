# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A service of an LLM server's kind: HTTP, the catalogue of FastDeploy, ZeroMQ links. Each request records all of it.

uvicorn --workers 2 recorded_service:app
"""

from __future__ import annotations

import os

import zmq
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import fdmetrics
import fdmetrics.asgi
import fdmetrics.zmq
from fdmetrics.fastdeploy import main_process_metrics
from fdmetrics.fastdeploy.catalogue import CORE, GAUGES, SERVER, speculative

main_process_metrics.init_speculative_metrics("mtp", 2)
DECLARED = {**GAUGES, **CORE, **SERVER, **speculative("mtp")}


class Link:
    """Both ends of a link, in this process; other processes have ends of the same link."""

    def __init__(self, name: str, prefix: str) -> None:
        self._context = fdmetrics.zmq.Context()
        endpoint = f"ipc://{os.environ['SERVICE_FOLDER']}/{name}-{os.getpid()}"
        options = {"carrier": "trailer", "link": name, "prefix": prefix, "monitor": True}
        self._receiver = self._context.socket(zmq.PULL, **options)
        self._receiver.bind(endpoint)
        self._sender = self._context.socket(zmq.PUSH, **options)
        self._sender.connect(endpoint)

    def exchange(self) -> None:
        """One message, from one end to the other."""
        self._sender.send(b"work")
        self._receiver.recv()


links: list[Link] = []


def record() -> None:
    """Updates every metric of the catalogue, and both links."""
    if not links:
        links.extend([Link("jobs", "fastdeploy"), Link("others", "other")])
    for link in links:
        link.exchange()
    for name, declaration in DECLARED.items():
        if declaration.type is fdmetrics.Histogram:
            main_process_metrics.obs_value(name, 0.05)
        elif declaration.type is fdmetrics.Gauge:
            main_process_metrics.set_value(name, 0.5)
        else:
            main_process_metrics.inc_value(name, 1)


def work(_request: Request) -> Response:
    """Answers with the process that does."""
    record()
    return PlainTextResponse(str(os.getpid()))


def fail(_request: Request) -> Response:
    """Is counted as an error."""
    return PlainTextResponse("no", status_code=500)


def metrics(_request: Request) -> Response:
    """The totals of both processes, and the processes one by one."""
    text = fdmetrics.generate_latest(process_metrics="worker", self_metrics=True)
    return Response(text, headers={"Content-Type": fdmetrics.CONTENT_TYPE_LATEST})


app = Starlette(
    routes=[Route("/work", work), Route("/fail", fail), Route("/metrics", metrics)],
    middleware=[Middleware(fdmetrics.asgi.MetricsMiddleware)],
)
