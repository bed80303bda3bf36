# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Servers of several processes whose host boots again: they count from zero, exactly, with nothing done by hand."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from programs import HANG_SECONDS, after_reboot, environment, run, samples
from stores import FORK_SERVER, own_directory

APPLICATION = """
import os
import fdmetrics

requests = fdmetrics.Counter("requests", "Requests", ["kind"])
jobs = fdmetrics.Counter("jobs", "Jobs")


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/metrics":
        return [fdmetrics.generate_latest()]
    jobs.inc()
    requests.labels(kind=environ["PATH_INFO"][1:]).inc()
    return [str(os.getpid()).encode()]
"""
#: A worker that is asked to end before it has its signal handlers does not hear it.
CONFIGURATION = """
def post_worker_init(worker):
    worker.log.info("worker %d is ready", worker.pid)
"""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=HANG_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Gunicorn:
    """gunicorn with two workers. A context manager, which ends it."""

    def __init__(self, folder: Path, options: Sequence[str], prefix: Sequence[str], **changes: str) -> None:
        (folder / "application.py").write_text(APPLICATION)
        (folder / "gunicorn.conf.py").write_text(CONFIGURATION)
        self._socket = folder / "socket"
        self._log = folder / "log"
        self._socket.unlink(missing_ok=True)
        server = ("-m", "gunicorn", "--bind", f"unix:{self._socket}", "--workers", "2", "--threads", "2")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, *server, *options, "application:app"],
                cwd=folder,
                env=environment(**changes),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + HANG_SECONDS
        while self.log.count(" is ready") < 2 or not self._answers():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.get("/metrics")
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    @property
    def log(self) -> str:
        """What it printed."""
        return self._log.read_text(errors="replace")

    @property
    def lines(self) -> list[str]:
        """What the library had to say."""
        return [line for line in self.log.splitlines() if line.startswith("fdmetrics")]

    def get(self, path: str) -> str:
        """The answer to one request, on a connection of its own."""
        connection = _Connection(self._socket)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            text = response.read().decode()
            assert response.status == 200, f"{response.status}: {text}\n{self.log}"
            return text
        finally:
            connection.close()

    def work(self, count: int) -> None:
        """Sends requests, each to the worker that comes first."""
        for _ in range(count):
            assert self.get("/a").isdigit()

    def totals(self) -> dict[str, float]:
        """What it counted."""
        return samples(self.get("/metrics"))

    def store(self) -> Path:
        """The directory of the one store that its processes have mapped."""
        found: set[str] = set()
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.getpgid(int(entry.name)) == self.process.pid:
                    found.update(re.findall(r"(/\S+)/fdmetrics-0\.seg$", (entry / "maps").read_text(), re.MULTILINE))
            except (FileNotFoundError, ProcessLookupError):
                continue
        assert len(found) == 1, f"{found}\n{self.log}"
        return Path(found.pop())

    def stop(self) -> None:
        """Ends it as its supervisor does."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(HANG_SECONDS) == 0, self.log

    def kill(self) -> None:
        """Ends all of its processes at once, as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(HANG_SECONDS)

    def __enter__(self) -> Gunicorn:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def totals_of(count: int) -> dict[str, float]:
    """The totals after so many requests."""
    return {"jobs_total": count, 'requests_total{kind="a"}': count} if count else {"jobs_total": 0}


#: Who loads the application.
loading = pytest.mark.parametrize("options", [(), ("--preload",)], ids=["load-in-workers", "preload"])


@loading
def test_gunicorn_with_a_named_directory(folder: Path, options: Sequence[str]) -> None:
    store = own_directory(folder / "store")
    named = {"PROMETHEUS_MULTIPROC_DIR": str(store)}
    with Gunicorn(folder, options, (), **named) as server:
        server.work(20)
        assert server.totals() == totals_of(20)
        assert server.store() == store
        server.kill()
    with Gunicorn(folder, options, after_reboot(folder), **named) as server:
        assert server.totals() == totals_of(0)
        server.work(30)
        assert server.totals() == totals_of(30)
        assert server.store() == store
        server.stop()
        assert ["made before this host's last boot" in line for line in server.lines] == [True], server.log
    # Another restart, within the same boot, goes on.
    with Gunicorn(folder, options, after_reboot(folder), **named) as server:
        assert server.totals() == totals_of(30)
        server.work(5)
        assert server.totals() == totals_of(35)
        server.stop()
        assert server.lines == []


@loading
def test_gunicorn_with_an_automatic_directory(folder: Path, options: Sequence[str]) -> None:
    with Gunicorn(folder, options, ()) as server:
        server.work(20)
        assert server.totals() == totals_of(20)
        left = server.store()
        server.kill()
    assert left.is_dir()
    with Gunicorn(folder, options, after_reboot(folder)) as server:
        server.work(30)
        assert server.totals() == totals_of(30)
        store = server.store()
        # Where it is on a disk, what the boot before left is of no use to anybody.
        assert store != left
        assert not left.exists()
        server.stop()
        assert server.lines == []
    run("import fdmetrics; fdmetrics.attach()", prefix=after_reboot(folder))
    assert not store.exists()


def test_a_fork_server_with_a_named_directory(folder: Path) -> None:
    store = own_directory(folder / "store")
    for prefix, totals, said in (
        ((), (40, 80), (0, 0)),
        (after_reboot(folder), (40, 80), (1, 0)),
    ):
        for total, lines in zip(totals, said):
            outcome = run(FORK_SERVER, prefix=prefix, FDMETRICS_DIR=str(store))
            assert set(outcome.output.splitlines()) == {f"jobs_total {total}.0 workers 4.0 {store}"}
            assert len(outcome.output.splitlines()) == 4
            assert len(outcome.lines) == lines, outcome.log


def test_a_fork_server_with_an_automatic_directory(folder: Path) -> None:
    for prefix in ((), after_reboot(folder)):
        outcome = run(FORK_SERVER, prefix=prefix)
        assert len(outcome.output.splitlines()) == 4
        (line,) = set(outcome.output.splitlines())
        assert line.startswith("jobs_total 40.0 workers 4.0 /dev/shm/fdmetrics-")
        assert outcome.lines == []
