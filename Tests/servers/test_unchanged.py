# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Services that know nothing of fdmetrics, under `python -m fdmetrics run -- COMMAND`."""

from __future__ import annotations

from collections.abc import Callable

from campaign import OF_PROCESSES, OF_PYTHON, Plan
from commands import PRELOAD, RUN, UVICORN_WORKER, gunicorn, uvicorn

PRESENT = (*OF_PROCESSES, *OF_PYTHON)


def test_the_usual_multi_process_endpoint(run: Callable[..., None]) -> None:
    run([*RUN, *gunicorn(4)], "unchanged_flask:app", Plan((), PRESENT, reload=True))


def test_no_multi_process_code_in_workers_of_gunicorn(run: Callable[..., None]) -> None:
    run([*RUN, *gunicorn(4, *UVICORN_WORKER, *PRELOAD)], "unchanged_fastapi:app", Plan((), PRESENT, reload=True))


def test_no_multi_process_code_in_workers_of_uvicorn(run: Callable[..., None]) -> None:
    run([*RUN, *uvicorn(4)], "unchanged_fastapi:app", Plan((), PRESENT))
