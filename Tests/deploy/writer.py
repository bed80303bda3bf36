# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""One process that records, in Python; writer.c is the same in C, and load.py says what both do.

writer.py LEDGER ROW
"""

from __future__ import annotations

import mmap
import select
import struct
import sys
import time
from collections.abc import Callable

import fdmetrics

KINDS = 5
HEADER = 4096
ROW = 128
#: Seconds between two rounds of updates.
PAUSE = 0.002


def instruments(row: int) -> list[Callable[[], object]]:
    """The updates of one round, by kind. All series are there before the first."""
    requests = fdmetrics.Counter("load_requests", "Requests of all writers.")
    work = fdmetrics.Counter("load_work_seconds", "Fractions that are exact in binary.")
    steps = fdmetrics.Counter("load_steps", "Rounds of each writer.", ["writer"]).labels(str(row))
    size = fdmetrics.Histogram("load_size_bytes", "Observations in the middle bucket.", buckets=(16, 100))
    stage = fdmetrics.Counter("load:stage:requests", "A name with colons.", ["stage"]).labels(f"stage {row % 3}")
    return [requests.inc, lambda: work.inc(0.25), steps.inc, lambda: size.observe(64), stage.inc]


def main() -> None:
    """Records from the first byte on the standard input to the next one, and ends with the end of it."""
    row = int(sys.argv[2])
    with open(sys.argv[1], "r+b") as file:
        ledger = mmap.mmap(file.fileno(), 0)
    updates = instruments(row)
    print("ready", flush=True)
    sys.stdin.buffer.raw.read(1)
    begun, done = (HEADER + row * ROW + offset for offset in (0, ROW // 2))
    count = 0
    while not select.select([0], [], [], 0)[0]:
        count += 1
        for kind, update in enumerate(updates):
            struct.pack_into("Q", ledger, begun + 8 * kind, count)
            update()
            struct.pack_into("Q", ledger, done + 8 * kind, count)
        time.sleep(PAUSE)
    print("idle", flush=True)
    while sys.stdin.buffer.raw.read(1):
        pass


if __name__ == "__main__":
    main()
