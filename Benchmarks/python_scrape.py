# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Times generate_latest() after many short-lived processes, here and with prometheus_client in multi-process mode.

Each process records into 500 series, 200 of them histograms: 3,700 lines. The peer's files are filled by the same
number of processes; its scrape takes seconds, so there is one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, Callable

import prometheus_client
from adoption_rows import LINES, PROCESSES
from prometheus_client import multiprocess

import fdmetrics

COUNTERS, GAUGES, HISTOGRAMS = 200, 100, 200
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
SCRAPES = 50


def record(module: Any, registry: Any) -> None:
    """What one process does."""
    counter = module.Counter("scrape_requests", "Benchmark", ["route"], registry=registry)
    gauge = module.Gauge("scrape_depth", "Benchmark", ["queue"], multiprocess_mode="sum", registry=registry)
    histogram = module.Histogram("scrape_seconds", "Benchmark", ["route"], buckets=BOUNDS, registry=registry)
    for number in range(COUNTERS):
        counter.labels(f"/api/v1/route_{number}").inc()
    for number in range(GAUGES):
        gauge.labels(f"queue_{number}").inc()
    for number in range(HISTOGRAMS):
        histogram.labels(f"/api/v1/route_{number}").observe(0.3)


def fill(module: Any, registry: Callable[[], Any]) -> None:
    """Lets the processes live and end, one after the other."""
    for _ in range(PROCESSES):
        child = os.fork()
        if child == 0:
            record(module, registry())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != 0:
            sys.exit(f"a process ended with status {status}")


def scrape_peer() -> bytes:
    """prometheus_client's way: a registry of its own for each scrape."""
    registry = prometheus_client.CollectorRegistry()
    collect: Any = multiprocess.MultiProcessCollector  # It has no annotations.
    collect(registry)
    return prometheus_client.generate_latest(registry)


def verify(library: str, text: bytes) -> None:
    """Ends the process when the totals are not exact."""
    samples = [line for line in text.decode().splitlines() if not line.startswith("#")]
    total = sum(float(line.rsplit(" ", 1)[1]) for line in samples if line.startswith("scrape_requests_total{"))
    if len(samples) != LINES or total != COUNTERS * PROCESSES:
        sys.exit(f"{library}: {len(samples)} lines, {total} requests; {LINES} and {COUNTERS * PROCESSES} expected")


def main() -> None:
    fill(fdmetrics, lambda: None)
    fill(prometheus_client, prometheus_client.CollectorRegistry)
    least = float("inf")
    for _ in range(SCRAPES):
        start = time.perf_counter()
        text = fdmetrics.generate_latest()
        least = min(least, time.perf_counter() - start)
    verify("fdmetrics", text)
    start = time.perf_counter()
    text = scrape_peer()
    peer = time.perf_counter() - start
    verify("prometheus_client", text)
    line = {"program": "scrape", "op": "generate_latest", "ns": round(least * 1e9), "peer_ns": round(peer * 1e9)}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
