# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Times the same statement with fdmetrics and with prometheus_client in multi-process mode, in turn in one process.

The environment must have FDMETRICS_DIR, PROMETHEUS_MULTIPROC_DIR, FDMETRICS_LIBRARY and a PYTHONPATH with fdmetrics.
Afterwards the exposition of each library must hold exactly the calls that were timed.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import timeit
from typing import Any

import prometheus_client
from prometheus_client import multiprocess

import fdmetrics

SLICES = 12
SLICE_SECONDS = 0.004
#: The default bounds of prometheus_client and one more.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20)
STATEMENTS = {
    "counter_inc": "counter.inc()",
    "counter_inc_2.5": "fractions.inc(2.5)",
    "child_inc": "child.inc()",
    "labels_inc": "labelled.labels(address='ipc:///x').inc()",
    "labels_two_inc": "pair.labels('a', 'b').inc()",
    "gauge_set": "gauge.set(1.5)",
    "histogram_observe": "histogram.observe(0.3)",
    "histogram_observe_varying": "varying.observe(next(values))",
    "observe_15_bounds": "bounded.observe(0.3)",
    "labels_observe": "labelled_histogram.labels(address='ipc:///x').observe(0.3)",
}
#: The sample that counts the calls of a statement, and what one call adds to it.
CHECKED = {
    "counter_inc": ("bench_counter_total", 1.0),
    "counter_inc_2.5": ("bench_fractions_total", 2.5),
    "histogram_observe": ("bench_histogram_count", 1.0),
    "histogram_observe_varying": ("bench_varying_count", 1.0),
    "labels_two_inc": ('bench_pair_total{a="a",b="b"}', 1.0),
    "observe_15_bounds": ("bench_bounded_count", 1.0),
    "labels_observe": ('bench_labelled_histogram_count{address="ipc:///x"}', 1.0),
}


def instruments(module: Any) -> dict[str, Any]:
    """The names that the statements use, made with one of the libraries."""
    labelled = module.Counter("bench_labelled", "Benchmark", ["address"])
    generator = random.Random(20)
    return {
        "counter": module.Counter("bench_counter", "Benchmark"),
        "fractions": module.Counter("bench_fractions", "Benchmark"),
        "labelled": labelled,
        "child": labelled.labels(address="ipc:///x"),
        "gauge": module.Gauge("bench_gauge", "Benchmark", multiprocess_mode="livesum"),
        "histogram": module.Histogram("bench_histogram", "Benchmark"),
        "pair": module.Counter("bench_pair", "Benchmark", ["a", "b"]),
        "bounded": module.Histogram("bench_bounded", "Benchmark", buckets=BOUNDS),
        "varying": module.Histogram("bench_varying", "Benchmark"),
        "labelled_histogram": module.Histogram("bench_labelled_histogram", "Benchmark", ["address"]),
        "values": itertools.cycle([0.002 * 10000 ** generator.random() for _ in range(1024)]),
    }


class Statement:
    """One statement with one library."""

    def __init__(self, op: str, names: dict[str, Any]) -> None:
        # The names are locals of the timing loop, as they are in a caller that is meant to be fast.
        setup = "\n".join(f"{name} = names[{name!r}]" for name in names)
        self.timer = timeit.Timer(STATEMENTS[op], setup, globals={"names": names})
        self.calls = 0
        self.least = float("inf")
        self.number = 200
        while (elapsed := self.time(self.number)) < SLICE_SECONDS / 4:
            self.number *= 2
        self.number = max(1, int(self.number * SLICE_SECONDS / elapsed))

    def time(self, number: int) -> float:
        self.calls += number
        return self.timer.timeit(number)

    def slice(self) -> None:
        self.least = min(self.least, self.time(self.number) / self.number * 1e9)


def verify(library: str, text: str, op: str, calls: int) -> None:
    """Ends the process when the library did not record what was timed."""
    sample, amount = CHECKED[op]
    expected = calls * amount
    found = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(sample + " ")]
    if [float(value) for value in found] != [expected]:
        sys.exit(f"{library}: {sample} is {', '.join(found) or 'not there'}, but {expected} was recorded")


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    libraries = {"fdmetrics": instruments(fdmetrics), "prometheus_client": instruments(prometheus_client)}
    statements = {op: {name: Statement(op, names) for name, names in libraries.items()} for op in STATEMENTS}
    for _ in range(SLICES):
        for by_library in statements.values():
            for statement in by_library.values():
                statement.slice()

    registry = prometheus_client.CollectorRegistry()
    collect: Any = multiprocess.MultiProcessCollector  # It has no annotations.
    collect(registry)
    texts = {
        "fdmetrics": fdmetrics.generate_latest().decode(),
        "prometheus_client": prometheus_client.generate_latest(registry).decode(),
    }
    for op, by_library in statements.items():
        if op in CHECKED:
            for name, statement in by_library.items():
                verify(name, texts[name], op, statement.calls)
        ours, theirs = by_library["fdmetrics"].least, by_library["prometheus_client"].least
        print(json.dumps({"program": "python", "op": op, "ns": round(ours, 1), "peer_ns": round(theirs, 1)}))


if __name__ == "__main__":
    main()
