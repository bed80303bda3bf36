# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What fdmetrics adds to the memory of a Python process, and the same of prometheus_client in multi-process mode.

Of one process: its resident memory after the import and one counter, or 1,000 series of one, less what it was before.
Of a service: the proportional set size (each page divided by the processes that have it) of ten workers, less that of
nine, less the same difference of interpreters that do nothing. The workers are interpreters started apart, as uvicorn
and gunicorn without preloading have them, which attach to one store and record into the same metrics; forked ones share
more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

RESIDENT = """
def resident():
    with open("/proc/self/smaps_rollup", "rb") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith(b"Rss:")) * 1024
resident()
before = resident()
import {module}
{work}
print(resident() - before)
# What cannot be recorded is no error of the recording.
assert b"_total" in {module}.generate_latest()
"""
ONE = '{module}.Counter("first", "Benchmark").inc()'
MANY = """
counter = {module}.Counter("requests", "Benchmark", ["path"])
for number in range(1000):
    counter.labels(str(number)).inc()
"""
#: Each worker says that it has recorded, and ends when its standard input does.
WAIT = """
import sys
print("ready", flush=True)
sys.stdin.read()
"""
SERVICE = """
import {module}
requests = {module}.Counter("requests", "Benchmark", ["method", "status"])
running = {module}.Gauge("running", "Benchmark", multiprocess_mode="livesum")
seconds = {module}.Histogram("seconds", "Benchmark", ["method"])
for method in ("GET", "POST"):
    for status in ("200", "404", "500"):
        requests.labels(method, status).inc()
    seconds.labels(method).observe(0.1)
running.set(1)
"""
#: What the workers have recorded, all of them together.
TOTALS = {
    "fdmetrics": "text = fdmetrics.generate_latest()",
    "prometheus_client": """
from prometheus_client import multiprocess
registry = prometheus_client.CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
text = prometheus_client.generate_latest(registry)
""",
}
WORKERS = 10


def environment_of(directory: str, cache: str) -> dict[str, str]:
    """An environment with a store of its own, for either library, and compiled modules as an installed package has."""
    chosen = dict.fromkeys(("FDMETRICS_DIR", "PROMETHEUS_MULTIPROC_DIR"), directory)
    environment = {**os.environ, **chosen, "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def added(module: str, work: str, environment: dict[str, str]) -> int:
    """The bytes by which one new process has grown."""
    program = RESIDENT.format(module=module, work=work.format(module=module))
    command = [sys.executable, "-c", program]
    return int(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


class Workers:
    """Interpreters that have run a program, and wait."""

    def __init__(self, program: str, environment: dict[str, str]) -> None:
        self.command = [sys.executable, "-c", program + WAIT]
        self.environment = environment
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Starts one more, and waits until it has recorded."""
        pipe = subprocess.PIPE
        worker = subprocess.Popen(self.command, env=self.environment, stdin=pipe, stdout=pipe)
        self.started.append(worker)
        assert worker.stdout is not None
        if worker.stdout.readline() != b"ready\n":
            raise SystemExit("a worker has ended before it has recorded; what it said is above")

    def share(self) -> int:
        """The proportional set size of them all, in bytes."""
        rollups = [Path(f"/proc/{worker.pid}/smaps_rollup").read_text("ascii") for worker in self.started]
        lines = [line for rollup in rollups for line in rollup.splitlines() if line.startswith("Pss:")]
        return sum(int(line.split()[1]) for line in lines) * 1024

    def end(self) -> None:
        """Ends them all."""
        for worker in self.started:
            worker.communicate()


def last_worker(program: str, environment: dict[str, str]) -> int:
    """The bytes that the last of the workers adds to what they all have."""
    workers = Workers(program, environment)
    try:
        for _ in range(WORKERS - 1):
            workers.start()
        before = workers.share()
        workers.start()
        return workers.share() - before
    finally:
        workers.end()


def check(module: str, environment: dict[str, str]) -> None:
    """Fails where the workers have not recorded exactly, all of them in one store."""
    total = f'requests_total{{method="GET",status="200"}} {WORKERS}.0\n'
    program = f"import {module}\n{TOTALS[module]}\nassert {total.encode()!r} in text, text.decode()"
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def main() -> None:
    figures: dict[str, dict[str, int]] = {"one_metric": {}, "thousand_series": {}, "tenth_worker": {}}
    with tempfile.TemporaryDirectory() as cache:
        for module, key in (("fdmetrics", "bytes"), ("prometheus_client", "peer_bytes")):
            for op, work in (("one_metric", ONE), ("thousand_series", MANY)):
                # The first run compiles the modules.
                for _ in range(2):
                    with tempfile.TemporaryDirectory() as directory:
                        figures[op][key] = added(module, work, environment_of(directory, cache))
            with tempfile.TemporaryDirectory() as directory:
                environment = environment_of(directory, cache)
                bare = last_worker("", environment)
                figures["tenth_worker"][key] = last_worker(SERVICE.format(module=module), environment) - bare
                check(module, environment)
    for op, values in figures.items():
        print(json.dumps({"program": "memory", "op": op, **values}))


if __name__ == "__main__":
    main()
