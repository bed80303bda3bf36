# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What `fdmctl serve` costs: a scrape over HTTP, its memory, and the writers whose store it serves.

    python_serve.py scrape|memory|writers SERVICE DIRECTORY

SERVICE is the program of native/serve.c; FDMCTL names the tool. Prints a JSON line for each figure.
"""

from __future__ import annotations

import gc
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRAPED_SERIES = 20_000
STORED_SERIES = 100_000
#: Scrapes of each format, with and without gzip.
MEMORY_SCRAPES = 50
FORMATS = {
    "text": "text/plain;version=0.0.4",
    "OpenMetrics": "application/openmetrics-text;version=1.0.0",
    "protobuf": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
}
PAIRS = 60
SCRAPES_PER_SECOND = 20
TURNS = 15
TURN_SECONDS = 0.4
PATIENCE_SECONDS = 60


class Failure(Exception):
    """What could not be measured, and why."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """The program that records into the store."""

    def __init__(self, program: str, directory: Path, series: int, cpu: int) -> None:
        self.process = subprocess.Popen(
            [program, directory, str(series)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        )
        self._expect("ready")

    def _expect(self, answer: str) -> None:
        line = self.process.stdout.readline().strip()
        if line != answer:
            raise Failure(f"the service answered {line!r}, not {answer!r}")

    def begin(self, command: str) -> None:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        line = self.process.stdout.readline().strip()
        if not line:
            raise Failure("the service has ended")
        return line

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE_SECONDS)


@contextmanager
def served(directory: Path, cpu: int, *options: str) -> Iterator[tuple[subprocess.Popen, int]]:
    """`fdmctl serve` on one CPU, and its port."""
    tool = os.environ.get("FDMCTL") or shutil.which("fdmctl")
    if not tool:
        raise Failure("no fdmctl: set FDMCTL")
    port = free_port()
    process = subprocess.Popen(
        [tool, "serve", directory, "--listen", f"127.0.0.1:{port}", "--quiet", *options],
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > until:
                    raise Failure(f"fdmctl serve does not listen on {port}") from error
                time.sleep(0.05)
        yield process, port
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def get(connection: http.client.HTTPConnection, headers: dict[str, str], body: bytearray) -> int:
    """One scrape into a buffer that is used again; how long the answer was."""
    connection.request("GET", "/metrics", headers=headers)
    response = connection.getresponse()
    if response.status != 200:
        raise Failure(f"the answer was {response.status} {response.reason}")
    total = 0
    view = memoryview(body)
    while count := response.readinto(view):
        total += count
    return total


def measure_scrape(service: Service, directory: Path, cpus: list[int]) -> None:
    """Both sides give the same bytes, so the server leaves out what it says of itself."""
    with served(directory, cpus[-1], "--no-self-metrics", "--process-metrics", "none") as (_, port):
        service.begin(f"compare {port} {PAIRS} {cpus[-1]}")
        figures = json.loads(service.answer())
    print(json.dumps({"program": "serve", "op": "scrape", "series": SCRAPED_SERIES, **figures}))


def memory_of(process: int) -> dict[str, int]:
    """The sizes that the kernel keeps of a process, in bytes."""
    sizes = {}
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name in ("VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem"):
            sizes[name] = int(value.split()[0]) * 1024
    return sizes


def measure_memory(directory: Path, cpus: list[int]) -> None:
    body = bytearray(1 << 20)
    with served(directory, cpus[-1]) as (process, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        lengths = {}
        peaks = {}
        for name, accept in FORMATS.items():
            for encoding in ("identity", "gzip"):
                for _ in range(MEMORY_SCRAPES):
                    count = get(connection, {"Accept": accept, "Accept-Encoding": encoding}, body)
                lengths[f"{name}, {encoding}"] = count
                peaks[f"{name}, {encoding}"] = memory_of(process.pid)["VmHWM"]
        connection.close()
        sizes = memory_of(process.pid)
    line = {"program": "serve", "op": "memory", "series": STORED_SERIES, "peak_bytes": sizes["VmHWM"]}
    print(json.dumps({**line, "now": sizes, "peaks": peaks, "answers": lengths}))


def measure_writers(service: Service, directory: Path, cpus: list[int]) -> None:
    """One writer on a CPU of its own; the server and its scraper share the other one."""
    if len(cpus) < 2:
        raise Failure("a writer and a server need two CPUs")
    os.sched_setaffinity(0, {cpus[1]})
    body = bytearray(1 << 20)
    plain, scraped = [], []
    with served(directory, cpus[1]) as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        headers = {"Accept": FORMATS["text"], "Accept-Encoding": "identity"}
        get(connection, headers, body)
        gc.disable()
        command = f"write {TURN_SECONDS * 1e3}"
        late = 0
        for turn in range(TURNS):
            # First one, then the other way round, so that a drift of the machine favours neither.
            for with_scrapes in (False, True) if turn % 2 else (True, False):
                service.begin(command)
                if with_scrapes:
                    start = time.monotonic()
                    for number in range(int(TURN_SECONDS * SCRAPES_PER_SECOND)):
                        pause = start + number / SCRAPES_PER_SECOND - time.monotonic()
                        late += pause < -1 / SCRAPES_PER_SECOND
                        time.sleep(max(0, pause))
                        get(connection, headers, body)
                (scraped if with_scrapes else plain).append(float(service.answer()))
        connection.close()
    if late:
        raise Failure(f"{late} scrapes were late: the machine has too much to do for {SCRAPES_PER_SECOND} a second")
    line = {"program": "serve", "op": "writers", "threads": 2, "tried": TURNS, "two_thread_ns": scraped}
    ratios = [one / other for one, other in zip(scraped, plain)]
    print(json.dumps({**line, "unscraped_ns": plain, "against_unscraped": ratios}))


def main() -> int:
    figure, program, directory = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    cpus = sorted(os.sched_getaffinity(0))[:2]
    series = STORED_SERIES if figure == "memory" else SCRAPED_SERIES
    try:
        service = Service(program, directory, series, cpus[0])
        try:
            if figure == "scrape":
                measure_scrape(service, directory, cpus)
            elif figure == "memory":
                measure_memory(directory, cpus)
            else:
                measure_writers(service, directory, cpus)
        finally:
            service.end()
    except (Failure, OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
        print(f"{figure}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
