# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The Celery example with a witness around its tasks, and with requests by HTTP.

The process of the pool that has run a task tells the gateway so through a datagram. Thus a request is answered by the
pool, whichever process of it that is, and no result backend is needed.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from celery.signals import task_postrun, task_prerun, worker_ready

from celery_gateway import NUMBER, REPLIES, TICKET, start_gateway
from celery_service import app
from witness import ROWS_FILE, Rows

ROWS = Rows(os.environ[ROWS_FILE])

app.conf.broker_transport_options = {"polling_interval": 0.001}


@task_prerun.connect
def begin(task: Any, **_: object) -> None:
    """In the pool's process, before the task."""
    number = task.request.headers[NUMBER]
    if number is not None:
        ROWS.begin(number)


@task_postrun.connect
def end(task: Any, retval: object, **_: object) -> None:
    """In the pool's process, after the task."""
    reply = {"ticket": task.request.headers[TICKET], "worker": os.getpid(), "text": str(retval)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as replies:
        replies.sendto(json.dumps(reply).encode(), REPLIES)
    number = task.request.headers[NUMBER]
    if number is not None:
        ROWS.done(number)


@worker_ready.connect
def serve(**_: object) -> None:
    """In the worker's main process, where alone a broker in memory can be reached."""
    start_gateway(app, os.environ["WITNESSED_GATEWAY"])
