# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The program of the sidecar and the DaemonSet: it serves a store of processes that it does not know."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promql import samples_in
from running import PATIENCE_SECONDS, Running, environment, free_port

RECORD = """
import sys, fdmetrics
fdmetrics.Counter("jobs", "").inc()
fdmetrics.Gauge("busy", "", multiprocess_mode="livesum").set(1)
print("recorded", flush=True)
sys.stdin.read()
"""


class Recording:
    """A process of the service. A context manager, which kills it."""

    def __init__(self, store: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RECORD],
            env=environment(FDMETRICS_DIR=str(store)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout and self.process.stdout.readline() == "recorded\n"

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_SECONDS)


@pytest.fixture
def server(deploy: Path, memory: Path) -> Iterator[Running]:
    """Serves memory/store, which is not there yet."""
    port = free_port()
    script = deploy / "kubernetes/server/serve_store.py"
    command = [sys.executable, str(script), f"--port={port}", "--address=127.0.0.1", str(memory / "store")]
    with Running(command, port, memory / "log", environment()) as server:
        yield server


def value(text: str, name: str) -> float:
    """The value of the sample of a name and its labels."""
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))


def test_it_serves_what_others_record(server: Running, memory: Path) -> None:
    assert server.get("/healthz").status == 200
    before = server.get("/metrics")
    assert before.status == 503 and b"StoreNotFoundError" in before.body
    with Recording(memory / "store") as first, Recording(memory / "store"):
        text = server.get("/metrics").body.decode()
        assert (value(text, "jobs_total"), value(text, "busy")) == (2, 2)
        # It is none of the service's processes itself.
        assert value(text, "fdmetrics_live_processes") == 2
        assert text.count("process_open_fds{") == 2
        first.process.kill()
        first.process.wait(PATIENCE_SECONDS)
        text = server.get("/metrics").body.decode()
        assert (value(text, "jobs_total"), value(text, "busy")) == (2, 1)
    text = server.get("/metrics").body.decode()
    assert (value(text, "jobs_total"), value(text, "fdmetrics_live_processes")) == (2, 0)
    assert "jobs_total" in samples_in(text)
    with Recording(memory / "store"):
        assert value(server.get("/metrics").body.decode(), "jobs_total") == 3


def test_other_paths_are_not_found(server: Running) -> None:
    assert server.get("/metrics/store").status == 404


def test_it_ends_when_it_is_told(server: Running) -> None:
    server.get("/healthz")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE_SECONDS) == 0
