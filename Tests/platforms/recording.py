# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""recording.py: one process of the store that processes of two machines share.

recording.py work NAME ROUNDS    records, prints its machine, and waits to be killed or told to end
recording.py render              prints the metrics that were recorded, as text
"""

from __future__ import annotations

import os
import platform
import sys

import fdmetrics

BUCKETS = (0.001, 0.1, 1.0)
MODES = ("all", "livesum", "sum", "max", "mostrecent")
OBSERVED = 0.5


def work(name: str, rounds: int) -> None:
    """Updates of each kind; a fork child does the same under the same name."""
    jobs = fdmetrics.Counter("jobs", "Jobs done, \u00e9", ["who"]).labels(who=name)
    everyone = fdmetrics.Counter("everyone", "Jobs of all", ["text"]).labels(text="a\u0301 \u00e9 \U0001f600")
    seconds = fdmetrics.Histogram("seconds", "Time of a job", buckets=BUCKETS)
    sizes = fdmetrics.Summary("sizes", "Size of a job")
    gauges = [fdmetrics.Gauge(f"level_{mode}", "A level", multiprocess_mode=mode) for mode in MODES]
    child = os.fork()
    for number in range(rounds):
        jobs.inc()
        everyone.inc(3)
        seconds.observe(OBSERVED if number % 2 else 2 * OBSERVED)
        sizes.observe(7)
    for gauge in gauges:
        gauge.set(2)
    if child == 0:
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    print(platform.machine(), flush=True)
    sys.stdin.readline()


def main() -> None:
    if sys.argv[1] == "work":
        work(sys.argv[2], int(sys.argv[3]))
    else:
        sys.stdout.buffer.write(fdmetrics.Registry(os.environ["FDMETRICS_DIR"]).render())


if __name__ == "__main__":
    main()
