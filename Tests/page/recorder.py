# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A process that records what it is told to, one JSON list on each line of standard input, and answers "done".

    ["counter", NAME, LABELS, AMOUNT]       adds
    ["gauge", NAME, LABELS, VALUE]          sets, in mode liveall
    ["histogram", NAME, LABELS, [VALUES]]   observes; the bounds are 0.1, 1 and 10
    ["summary", NAME, LABELS, [VALUES]]     observes
    ["info", NAME, PAIRS]
    ["state", NAME, STATE]                  of "starting", "running" and "done"
    ["remove", NAME, [LABEL VALUES]]        removes a series
    ["many", NAME, COUNT]                   makes COUNT series of a counter, and adds 1 to each
    ["families", PREFIX, COUNT]             makes COUNT counters without labels
    ["name", NAME]                          is called that from now on
    ["tick", NAME, LABELS, PER SECOND]      adds by itself from now on, about a hundred times a second

LABELS is an object of label names and values. The store is the one of the environment.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import fdmetrics

STATES = ["starting", "running", "done"]
families: dict[str, Any] = {}


def family(kind: Any, name: str, labels: dict[str, str], **options: Any) -> Any:
    """A metric, or its child with these labels."""
    if name not in families:
        families[name] = kind(name, f"The {kind.__name__.lower()} {name}.", list(labels), **options)
    return families[name].labels(**labels) if labels else families[name]


def tick(counter: Any, rate: float) -> None:
    """Adds what has come due by the clock, so that the total is exact however late a thread wakes up."""
    start, added = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - start) * rate)
        counter.inc(due - added)
        added = due
        time.sleep(0.01)


def obey(command: str, name: str, *rest: Any) -> None:
    """Does what a line says."""
    if command == "counter":
        family(fdmetrics.Counter, name, rest[0]).inc(rest[1])
    elif command == "gauge":
        family(fdmetrics.Gauge, name, rest[0], multiprocess_mode="liveall").set(rest[1])
    elif command == "histogram":
        histogram = family(fdmetrics.Histogram, name, rest[0], buckets=(0.1, 1, 10))
        for value in rest[1]:
            histogram.observe(value)
    elif command == "summary":
        for value in rest[1]:
            family(fdmetrics.Summary, name, rest[0]).observe(value)
    elif command == "info":
        family(fdmetrics.Info, name, {}).info(rest[0])
    elif command == "state":
        family(fdmetrics.Enum, name, {}, states=STATES).state(rest[0])
    elif command == "remove":
        families[name].remove(*rest[0])
    elif command == "many":
        for number in range(rest[0]):
            family(fdmetrics.Counter, name, {"item": f"{number:05}", "shard": str(number % 7)}).inc()
    elif command == "families":
        for number in range(rest[0]):
            family(fdmetrics.Counter, f"{name}{number:04}", {}).inc()
    elif command == "name":
        fdmetrics.set_process_name(name)
    elif command == "tick":
        counter = family(fdmetrics.Counter, name, rest[0])
        threading.Thread(target=tick, args=(counter, rest[1]), daemon=True).start()
    else:
        raise ValueError(f"unknown command {command}")


def main() -> None:
    """Attaches the store, and obeys."""
    fdmetrics.Gauge("recorder_up", "Recorders that run.", multiprocess_mode="livesum").set(1)
    print("done", flush=True)
    for line in sys.stdin:
        obey(*json.loads(line))
        print("done", flush=True)


if __name__ == "__main__":
    main()
