# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""How the servers are started, by hand as here: no setting, hook or directory is for the metrics."""

from __future__ import annotations

import sys

UVICORN_WORKER = ("--worker-class", "uvicorn_worker.UvicornWorker")
PRELOAD = ("--preload",)

#: Goes before the command of a service that knows nothing of fdmetrics.
RUN = (sys.executable, "-m", "fdmetrics", "run", "--")


def gunicorn(workers: int, *options: str) -> list[str]:
    """gunicorn, with the witnessed service."""
    command = [sys.executable, "-m", "gunicorn", "--bind", "unix:SOCKET", "--workers", str(workers)]
    return [*command, "--no-control-socket", *options, "witnessed:app"]


def uvicorn(workers: int) -> list[str]:
    """uvicorn, with the witnessed service."""
    command = [sys.executable, "-m", "uvicorn", "--uds", "SOCKET", "--workers", str(workers), "--log-level", "warning"]
    # On a busy machine a worker may take longer to import the application than uvicorn waits by itself. As long as this
    # it also waits, in vain, for a worker that is killed just when it is asked whether it lives.
    return [*command, "--timeout-worker-healthcheck", "20", "witnessed:app"]


def celery(processes: int) -> list[str]:
    """A Celery worker, with the witnessed tasks."""
    command = [sys.executable, "-m", "celery", "--app", "celery_witnessed", "worker", "--pool", "prefork"]
    quiet = ["--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [*command, "--concurrency", str(processes), *quiet]
