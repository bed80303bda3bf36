# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Times updates that the store refuses: of a label set beyond the limit of series, looked up anew and kept.

The environment must have FDMETRICS_DIR, FDMETRICS_LIBRARY and a PYTHONPATH with fdmetrics. Afterwards each lost update
must have been counted once.
"""

from __future__ import annotations

import json
import logging
import os
import timeit

LIMIT = 100
SLICES = 12
CALLS = 20_000


def main() -> None:
    os.environ["FDMETRICS_SERIES_LIMIT"] = str(LIMIT)
    # The runner takes what is written to standard error for something that could not be measured.
    logging.getLogger("fdmetrics").setLevel(logging.CRITICAL)
    import fdmetrics

    counter = fdmetrics.Counter("limited", "Benchmark", ["id"])
    for number in range(LIMIT):
        counter.labels(str(number)).inc()
    names = {"counter": counter, "kept": counter.labels("beyond")}
    lost = fdmetrics.REGISTRY.lost_updates
    for op, statement in (("refused_labels_inc", "counter.labels('beyond').inc()"), ("refused_inc", "kept.inc()")):
        timer = timeit.Timer(statement, globals=names)
        least = min(timer.timeit(CALLS) for _ in range(SLICES)) / CALLS
        print(json.dumps({"program": "python_refused", "op": op, "ns": least * 1e9}))
    counted = fdmetrics.REGISTRY.lost_updates - lost
    assert counted == 2 * SLICES * CALLS, f"{counted} lost updates were counted, not {2 * SLICES * CALLS}"


if __name__ == "__main__":
    main()
