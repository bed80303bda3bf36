# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of a service whose store is deleted under them, and what shows which store each is in."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from programs import HANG_SECONDS, Program, environment, samples

#: How each way of recording gets its names: `p` has them.
WAYS = {
    "native": "import fdmetrics as p",
    "install": "import fdmetrics; fdmetrics.install(); import prometheus_client as p",
    "drop-in": "import fdmetrics.prometheus_client as p",
}
#: A service's metrics, a fork child that answers expressions, and updates that come fast enough to notice something.
SERVICE = """
import os, time
{way}
jobs = p.Counter("jobs", "Jobs")
routes = p.Counter("routes", "Routes", ["route"])
wait = p.Histogram("wait_seconds", "Wait", buckets=[1, 2])
size = p.Summary("size", "Size")
busy = p.Gauge("busy", "Busy", multiprocess_mode="livesum")
version = p.Info("build", "Build")
phase = p.Enum("phase", "Phase", states=["starting", "running", "ending"])
kept = routes.labels("kept")

def update():
    for _ in range(2048):
        jobs.inc(0)

def all_types(amount):
    jobs.inc(amount); kept.inc(amount); busy.inc(amount); busy.dec(1)
    for _ in range(amount):
        wait.observe(1.5); size.observe(10)

class Child:
    def __init__(self):
        asked, self.questions = os.pipe()
        self.answers, answered = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.questions)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            for line in os.fdopen(asked):
                os.write(answered, (str(eval(line)) + "\\n").encode())
            os._exit(0)
        os.close(asked)
        self.lines = os.fdopen(self.answers)

    def ask(self, line):
        os.write(self.questions, (line + "\\n").encode())
        return self.lines.readline().rstrip()

    def end(self):
        os.close(self.questions)
        self.lines.close()
        os.waitpid(self.pid, 0)
"""


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    """Waits until something is so; fails when that hangs."""
    deadline = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.05)


def service(way: str) -> str:
    """The beginning of a Python process of the service."""
    return SERVICE.format(way=WAYS[way])


def scrape(program: Program) -> dict[str, float]:
    """What a Python process of the service shows of the service, by the calls of its own way."""
    return _of_service(program.ask("p.generate_latest().decode()"))


def _of_service(text: str) -> dict[str, float]:
    """The samples that do not change by themselves."""
    return {name: value for name, value in samples(text).items() if not name.startswith(("process_", "python_"))}


def is_in(store: Path, pid: int) -> bool:
    """Whether a process has the file mapped that is the store's first segment now."""
    try:
        inode = (store / "fdmetrics-0.seg").stat().st_ino
    except FileNotFoundError:
        return False
    return any(line.split()[4] == str(inode) for line in Path(f"/proc/{pid}/maps").read_text().splitlines())


class Recorder:
    """recorder.c."""

    def __init__(self, path: Path, directory: Path) -> None:
        self.process = subprocess.Popen(
            [str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment()
        )
        self.ask(f"open {directory}")

    def ask(self, line: str) -> str:
        """Sends a line and gives the answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        assert answer, f"{line}: the recorder ended with {self.process.wait()}"
        return answer.replace("\f", "\n")

    def scrape(self) -> dict[str, float]:
        """What it shows of the service."""
        return _of_service(self.ask("scrape"))

    def end(self) -> None:
        """Lets it end."""
        self.process.communicate(timeout=HANG_SECONDS)
        assert self.process.returncode == 0

    def kill(self) -> None:
        """Ends it by kill -9."""
        os.kill(self.process.pid, 9)
        self.process.communicate(timeout=HANG_SECONDS)
