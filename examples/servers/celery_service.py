# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A Celery application whose tasks run in a pool of processes.

celery --app celery_service worker --pool prefork --concurrency 4
"""

from __future__ import annotations

import os
import time

from celery import Celery
from celery.signals import worker_init

import fdmetrics

REQUESTS = fdmetrics.Counter("service_requests", "Tasks that were begun.", ["kind"])
SECONDS = fdmetrics.Histogram("service_request_seconds", "Time to run a task.")
IN_PROGRESS = fdmetrics.Gauge(
    "service_requests_in_progress", "Tasks that processes of the pool are running.", multiprocess_mode="livesum"
)

app = Celery("celery_service", broker=os.environ.get("CELERY_BROKER_URL", "memory://"))
app.conf.task_ignore_result = True


@worker_init.connect
def serve_metrics(**_: object) -> None:
    """The main process serves /metrics, and runs no task; it shows the totals of the pool all the same."""
    # In a container METRICS_ADDR=0.0.0.0: its 127.0.0.1 is its own.
    address = os.environ.get("METRICS_ADDR", "127.0.0.1")
    fdmetrics.start_http_server(int(os.environ.get("METRICS_PORT", "9808")), addr=address)


@app.task(name="item")
def item(number: int) -> str:
    """Something quick."""
    REQUESTS.labels("item").inc()
    with IN_PROGRESS.track_inprogress(), SECONDS.time():
        return f"item {number}"


@app.task(name="sleep")
def sleep(seconds: float) -> str:
    """Something slow: kill the process meanwhile, and see the gauge fall."""
    REQUESTS.labels("sleep").inc()
    with IN_PROGRESS.track_inprogress(), SECONDS.time():
        time.sleep(seconds)
    return f"slept {seconds} s"


@app.task(name="metrics")
def metrics() -> str:
    """The totals of all processes, from whichever runs this."""
    return fdmetrics.generate_latest(process_metrics=True).decode()
