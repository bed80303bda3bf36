# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""gunicorn: its workers have no ancestor that has imported fdmetrics, unless it preloads the application."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from campaign import IN_FASTAPI, IN_FLASK, OF_PROCESSES, OF_PYTHON, Plan
from commands import PRELOAD, UVICORN_WORKER, gunicorn

with_and_without_preload = pytest.mark.parametrize("preload", [(), PRELOAD], ids=["load-in-workers", "preload"])


@with_and_without_preload
def test_sync_workers(run: Callable[..., None], preload: Sequence[str]) -> None:
    run(gunicorn(4, *preload), "flask_service:app", Plan(IN_FLASK, OF_PROCESSES, reload=True))


def test_sync_workers_that_are_recycled(run: Callable[..., None]) -> None:
    # None answers more than 350, so there are at least 29.
    options = ("--max-requests", "300", "--max-requests-jitter", "50")
    run(gunicorn(8, *options), "flask_service:app", Plan(IN_FLASK, OF_PROCESSES, workers=29))


def test_workers_with_threads_and_the_drop_in_module(run: Callable[..., None]) -> None:
    present = (*OF_PROCESSES, *OF_PYTHON, "service_build_info")
    run(gunicorn(4, "--worker-class", "gthread", "--threads", "4"), "drop_in_flask:app", Plan((), present, reload=True))


@with_and_without_preload
def test_uvicorn_workers(run: Callable[..., None], preload: Sequence[str]) -> None:
    run(gunicorn(4, *UVICORN_WORKER, *preload), "fastapi_service:app", Plan(IN_FASTAPI, OF_PROCESSES, reload=True))


def test_uvicorn_workers_that_are_recycled_after_install(run: Callable[..., None]) -> None:
    options = (*UVICORN_WORKER, *PRELOAD, "--max-requests", "300", "--max-requests-jitter", "100")
    run(gunicorn(4, *options), "installed_fastapi:app", Plan((), (*OF_PROCESSES, *OF_PYTHON), workers=12))
