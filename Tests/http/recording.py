# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A process that records into FDMETRICS_DIR, says "done", and adds one to "steps" for each line on standard input.

recording.py few          a counter, a histogram, a gauge
recording.py many COUNT   these, and COUNT series of one counter
"""

from __future__ import annotations

import os
import sys

# Read when the library is imported.
os.environ.setdefault("FDMETRICS_SERIES_LIMIT", "1000000")

import fdmetrics


def main() -> None:
    steps = fdmetrics.Counter("steps", "Lines read")
    fdmetrics.Histogram("delay_seconds", "A time", buckets=[0.1, 1]).observe(0.5)
    fdmetrics.Gauge("level", "A height", multiprocess_mode="max").set(3)
    if sys.argv[1] == "many":
        many = fdmetrics.Counter("many_requests", "Requests handled", ["method", "path"])
        for number in range(int(sys.argv[2])):
            many.labels("GET", f"/some/path/of/a/service/{number}").inc(number)
    print("done", flush=True)
    for _ in sys.stdin:
        steps.inc()
        print("done", flush=True)


if __name__ == "__main__":
    main()
