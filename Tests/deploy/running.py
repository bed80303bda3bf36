# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that tests start: the service, and others that answer over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

Self = TypeVar("Self", bound="Running")
HERE = Path(__file__).parent
PYTHON_PACKAGE = HERE.parents[1] / "python"
#: How long anything may take before the test gives up; nothing is measured with it.
PATIENCE_SECONDS = 60.0
#: Before a command: the kernel kills it when the thread that started it is gone.
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
#: What would name another store than the test's own.
SETTINGS = ("FDMETRICS_DIR", "FDMETRICS_AUTO_DIR", "FDMETRICS_AUTO_PID", "PROMETHEUS_MULTIPROC_DIR")


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    body: bytes


def get(url: str) -> Answer | None:
    """The answer at an address; None where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:
            return Answer(response.status, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read())
    except OSError:
        return None


def free_port() -> int:
    """A port of this host that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**own: str) -> dict[str, str]:
    """This process's, without what names a store."""
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    path = os.pathsep.join(filter(None, [str(PYTHON_PACKAGE), inherited.get("PYTHONPATH", "")]))
    return {**inherited, "PYTHONPATH": path, **own}


class Running:
    """A program that answers at a port of this host, or of the network namespace that this thread is in.

    A context manager, which ends it. It ends with these tests in any case, even if they are killed.
    """

    def __init__(
        self, command: Sequence[str], port: int, log: Path, variables: Mapping[str, str], address: str = "127.0.0.1"
    ) -> None:
        self.port = port
        self.address = address
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*ENDS_WITH_US, *command], cwd=HERE, env=variables, stdout=output, stderr=output, start_new_session=True
            )

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://{self.address}:{self.port}{path}"

    def get(self, path: str) -> Answer:
        """The answer to a path, once there is one."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (answer := get(self.url(path))) is None:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < deadline, f"it does not answer:\n{self.log}"
            time.sleep(0.05)
        return answer

    @property
    def log(self) -> str:
        """The end of what it printed."""
        return self._log.read_text(errors="replace")[-8000:]

    def kill(self) -> None:
        """Ends it with SIGKILL, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            # Its session's other processes too.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Serving(Running):
    """`fdmctl serve`."""

    def metrics(self) -> str:
        """What it exposes, as text."""
        answer = self.get("/metrics")
        assert answer.status == 200, answer.body
        return answer.body.decode()


class Service(Running):
    """recorded_service in two worker processes, both of which have recorded everything."""

    WORKERS = 2

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.store = folder / "store"
        command = [
            *(sys.executable, "-m", "uvicorn", "--workers", str(self.WORKERS), "--port", str(port)),
            *("--log-level", "warning", "recorded_service:app"),
        ]
        variables = environment(
            SERVICE_FOLDER=str(folder),
            FDMETRICS_DIR=str(self.store),
            FDMETRICS_FASTDEPLOY_GAUGE_MODES="*=livemax,num_requests_running=livesum",
        )
        super().__init__(command, port, folder / "log", variables)

    def __enter__(self) -> Service:
        try:
            self.use()
        except BaseException:
            self.__exit__()
            raise
        return self

    def use(self) -> None:
        """Requests, until each process has answered, and one that fails."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        answered: set[bytes] = set()
        while len(answered) < self.WORKERS:
            assert time.monotonic() < deadline, f"only {answered} of {self.WORKERS} processes answer:\n{self.log}"
            answer = self.get("/work")
            assert answer.status == 200, f"{answer}:\n{self.log}"
            answered.add(answer.body)
        assert self.get("/fail").status == 500
