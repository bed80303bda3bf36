# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A Celery worker with a pool of processes whose host boots again: it counts from zero, exactly."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from programs import HANG_SECONDS, after_reboot, environment, samples
from stores import own_directory

#: The main process sends as many tasks as each line says, and answers with the totals; the pool's processes do them.
APPLICATION = """
import os, sys, threading
import fdmetrics
from celery import Celery
from celery.signals import worker_ready

jobs = fdmetrics.Counter("jobs", "Jobs", ["main"])
app = Celery("application", broker="memory://")
app.conf.update(task_ignore_result=True, worker_redirect_stdouts=False)
main = os.getpid()


@app.task(name="job")
def job():
    jobs.labels("yes" if os.getpid() == main else "no").inc()


def answer():
    for line in sys.stdin:
        for _ in range(int(line)):
            job.delay()
        print("totals:" + fdmetrics.generate_latest().decode().replace("\\n", "\\f"), flush=True)


@worker_ready.connect
def start(**_):
    threading.Thread(target=answer, daemon=True).start()
"""
TOTAL = 'jobs_total{main="no"}'


class Worker:
    """Celery with two processes. A context manager, which ends it."""

    def __init__(self, folder: Path, prefix: Sequence[str], **changes: str) -> None:
        (folder / "application.py").write_text(APPLICATION)
        self._log = folder / "log"
        pool = ("--pool", "prefork", "--concurrency", "2")
        quiet = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "celery", "--app", "application", "worker", *pool, *quiet],
                cwd=folder,
                env=environment(C_FORCE_ROOT="1", **changes),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
                start_new_session=True,
            )

    @property
    def lines(self) -> list[str]:
        """What the library had to say."""
        return [line for line in self._log.read_text(errors="replace").splitlines() if "fdmetrics: " in line]

    def totals(self, tasks: int = 0) -> dict[str, float]:
        """Sends tasks, and says what has been counted by now."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{tasks}\n")
        for line in self.process.stdout:
            # Before it Celery says what it is.
            if line.startswith("totals:"):
                return samples(line.removeprefix("totals:").replace("\f", "\n"))
        raise AssertionError(self._log.read_text(errors="replace"))

    def work(self, tasks: int, total: int) -> None:
        """Sends tasks, and waits until all are counted: then the total is this one, and stays so."""
        self.totals(tasks)
        deadline = time.monotonic() + HANG_SECONDS
        while self.totals().get(TOTAL, 0) < total:
            assert time.monotonic() < deadline, self.totals()
            time.sleep(0.02)
        time.sleep(0.2)
        assert self.totals() == {TOTAL: total}

    def kill(self) -> None:
        """Ends all of its processes at once, as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=HANG_SECONDS)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@pytest.mark.parametrize("named", [True, False], ids=["named directory", "automatic directory"])
def test_celery(folder: Path, named: bool) -> None:
    changes = {"PROMETHEUS_MULTIPROC_DIR": str(own_directory(folder / "store"))} if named else {}
    with Worker(folder, (), **changes) as worker:
        worker.work(20, 20)
    with Worker(folder, after_reboot(folder), **changes) as worker:
        assert worker.totals() == {}
        worker.work(30, 30)
        assert ["made before this host's last boot" in line for line in worker.lines] == [True] * named
    # Another restart, within the same boot, goes on.
    with Worker(folder, after_reboot(folder), **changes) as worker:
        worker.work(5, 35 if named else 5)
        assert worker.lines == []
