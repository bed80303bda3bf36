# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Times prometheus_client as it is, in multi-process mode, and with fdmetrics.install(), in turn.

Each is in a process of its own, because a process has one value class; they take turns in slices of milliseconds, and
the same code is timed in both. Afterwards the exposition of each must hold exactly the calls that were timed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import timeit
from typing import Any

from python_ops import BOUNDS, SLICE_SECONDS, SLICES

STATEMENTS = {"inc": "counter.inc()", "observe": "histogram.observe(0.3)"}
SAMPLES = {"inc": "bench_counter_total", "observe": "bench_histogram_count"}


def serve(installed: bool) -> None:
    """Times one slice of an operation for each line that comes, until there are no more; then checks the counts."""
    if installed:
        import fdmetrics

        fdmetrics.install()
    import prometheus_client
    from prometheus_client import multiprocess

    names = {
        "counter": prometheus_client.Counter("bench_counter", "Benchmark"),
        "histogram": prometheus_client.Histogram("bench_histogram", "Benchmark", buckets=BOUNDS),
    }
    setup = "\n".join(f"{name} = names[{name!r}]" for name in names)
    timers = {op: timeit.Timer(statement, setup, globals={"names": names}) for op, statement in STATEMENTS.items()}
    counts = dict.fromkeys(STATEMENTS, 0)
    number = dict.fromkeys(STATEMENTS, 1000)
    for line in sys.stdin:
        op = line.strip()
        elapsed = timers[op].timeit(number[op])
        counts[op] += number[op]
        print(elapsed / number[op] * 1e9, flush=True)
        number[op] = max(100, int(number[op] * SLICE_SECONDS / elapsed))
    registry = prometheus_client.CollectorRegistry()
    collect: Any = multiprocess.MultiProcessCollector  # It has no annotations.
    collect(registry)
    text = prometheus_client.generate_latest(registry).decode().splitlines()
    for op, sample in SAMPLES.items():
        found = [float(line.rsplit(" ", 1)[1]) for line in text if line.startswith(sample + " ")]
        if found != [counts[op]]:
            sys.exit(f"{sample} is {found}, but {counts[op]} was recorded")


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    processes = {
        which: subprocess.Popen(
            [sys.executable, __file__, which], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for which in ("install", "peer")
    }
    least = {(op, which): float("inf") for op in STATEMENTS for which in processes}
    for _ in range(2 * SLICES):
        for op in STATEMENTS:
            for which, process in processes.items():
                assert process.stdin is not None and process.stdout is not None
                process.stdin.write(op + "\n")
                least[op, which] = min(least[op, which], float(process.stdout.readline()))
    for which, process in processes.items():
        process.communicate()
        if process.returncode != 0:
            sys.exit(f"{which} ended with status {process.returncode}")
    for op in STATEMENTS:
        ours, theirs = (round(least[op, which], 1) for which in ("install", "peer"))
        print(json.dumps({"program": "install", "op": op, "ns": ours, "peer_ns": theirs}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1] == "install")
    else:
        main()
