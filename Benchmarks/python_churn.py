# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What native/churn.c does, with prometheus_client in multi-process mode, for comparison.

python_churn.py fill DIRECTORY COUNT
python_churn.py scrape DIRECTORY COUNT DIRECTORY COUNT
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

COUNTERS = 20
SCRAPES = 4


def fill(directory: str, count: int) -> None:
    """Runs short-lived processes, one after the other. prometheus_client is imported once: it is not what is timed."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    start = time.perf_counter()
    for _ in range(count):
        child = os.fork()
        if child == 0:
            registry = CollectorRegistry()
            requests = Counter("churn_requests", "Benchmark", ["route"], registry=registry)
            for number in range(COUNTERS):
                requests.labels(f"/api/v1/route_{number}").inc()
            Gauge("churn_queue_depth", "Benchmark", registry=registry).set(1.5)
            Histogram("churn_latency_seconds", "Benchmark", registry=registry).observe(0.3)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != 0:
            sys.exit(f"a process ended with status {status}")
    elapsed = (time.perf_counter() - start) / count * 1e9
    print(json.dumps({"program": "prometheus_client", "op": "fill", "processes": count, "ns": round(elapsed)}))


def scrape(stores: list[tuple[str, int]]) -> None:
    """Scrapes two directories in turn and prints the least time of each."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = stores[0][0]
    from prometheus_client import CollectorRegistry, generate_latest, multiprocess

    collect: Any = multiprocess.MultiProcessCollector  # It has no annotations.
    least = [float("inf")] * len(stores)
    for _ in range(SCRAPES):
        for index, (directory, count) in enumerate(stores):
            start = time.perf_counter()
            registry = CollectorRegistry()
            collect(registry, path=directory)
            text = generate_latest(registry).decode()
            least[index] = min(least[index], time.perf_counter() - start)
            lines = [line for line in text.splitlines() if line.startswith("churn_requests_total{")]
            total = sum(float(line.rsplit(" ", 1)[1]) for line in lines)
            if total != COUNTERS * count:
                sys.exit(f"{directory}: churn_requests_total adds up to {total}, not {COUNTERS * count}")
    few, many = (round(seconds * 1e9) for seconds in least)
    line = {"program": "prometheus_client", "op": "scrape", "few_ns": few, "many_ns": many}
    print(json.dumps({**line, "few": stores[0][1], "many": stores[1][1]}))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "fill":
        fill(arguments[0], int(arguments[1]))
    else:
        scrape([(arguments[0], int(arguments[1])), (arguments[2], int(arguments[3]))])
