# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A process that records into the store of FDMETRICS_DIR, and does what standard input says. It answers with one line.

record    one of everything, and 10 more of recorder_jobs_total; answers the total
run       records in a thread from now on
halt      ends that, and answers the total
remove    removes the series of worker "b"
"""

from __future__ import annotations

import sys
import threading

import fdmetrics

JOBS = fdmetrics.Counter("recorder_jobs", "Jobs done.", ["worker"])
QUEUE = fdmetrics.Gauge("recorder_queue", 'Jobs that "wait".', ["name"], multiprocess_mode="sum")
SECONDS = fdmetrics.Histogram("recorder_job_seconds", "Time of a job.", buckets=(0.1, 1, 10), unit="seconds")
SIZE = fdmetrics.Summary("recorder_size_bytes", "Size of a job.")
BUILD = fdmetrics.Info("recorder_build", "What was built.")
STATE = fdmetrics.Enum("recorder_state", "What it does.", states=["idle", "busy"])
AWKWARD = 'C:\\x "y"\nä/ö, {z="1"}'

running = threading.Event()


def record() -> None:
    """One of everything."""
    for worker in ("a", "b"):
        JOBS.labels(worker).inc(5)
    QUEUE.labels(AWKWARD).set(2.5)
    QUEUE.labels("").set(1)
    for seconds in (0.05, 0.5, 0.5, 20):
        SECONDS.observe(seconds)
    SIZE.observe(100)
    BUILD.info({"version": "1"})
    STATE.state("busy")


def run() -> None:
    """Counts as fast as a service might."""
    while running.is_set():
        for _ in range(20):
            JOBS.labels("a").inc()
            SECONDS.observe(0.5)
        threading.Event().wait(0.002)


def total() -> int:
    """Of recorder_jobs_total."""
    lines = fdmetrics.generate_latest().decode().splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("recorder_jobs_total{"))


def main() -> None:
    """Does what standard input says."""
    thread = threading.Thread(target=run)
    for line in sys.stdin:
        command = line.strip()
        if command == "record":
            record()
        elif command == "run":
            running.set()
            thread.start()
        elif command == "halt":
            running.clear()
            thread.join()
        elif command == "remove":
            JOBS.remove("b")
        print(total(), flush=True)


main()
