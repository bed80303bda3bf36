# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Forking while threads record: no child hangs, and nothing is lost or counted twice."""

from __future__ import annotations

import os
from pathlib import Path

from .support import Samples, run_program

PROGRAM = """
import os, random, sys, threading, time
import fdmetrics

forks, seed = map(int, sys.argv[1:])
chance = random.Random(seed)
counter = fdmetrics.Counter("c", "")
labelled = fdmetrics.Counter("l", "", ["number"])
histogram = fdmetrics.Histogram("h", "")
gauge = fdmetrics.Gauge("g", "", multiprocess_mode="sum")
done = threading.Event()
recorded = [0] * 8

def record(number):
    counter.inc()
    labelled.labels(str(number % 20)).inc()
    histogram.observe(1)
    gauge.inc()

def work(thread):
    while not done.is_set():
        record(recorded[thread])
        recorded[thread] += 1

threads = [threading.Thread(target=work, args=(thread,), daemon=True) for thread in range(8)]
for thread in threads:
    thread.start()
for _ in range(forks):
    time.sleep(chance.random() / 1000)
    child = os.fork()
    if child == 0:
        for number in range(10):
            record(number)
        text = fdmetrics.generate_latest()
        os._exit(0 if b"c_total" in text else 1)
    deadline = time.monotonic() + 60
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        assert time.monotonic() < deadline, "a child hangs"
        time.sleep(0.0005)
    assert status == 0, status
done.set()
for thread in threads:
    thread.join()
print("# expected", sum(recorded) + 10 * forks)
print(fdmetrics.generate_latest().decode())
"""


def test_forks_while_threads_record(tmp_path: Path) -> None:
    forks = 30 * int(os.environ.get("FDM_STRESS", "1"))
    seed = int.from_bytes(os.urandom(4), "little")
    print("seed", seed)
    program = "import warnings; warnings.simplefilter('ignore')\n" + PROGRAM
    printed = run_program(program, str(forks), str(seed), timeout=60 * forks, FDMETRICS_DIR=tmp_path / "store")
    expected = int(printed.splitlines()[0].split()[-1])
    samples = Samples(printed)
    assert samples.get("c_total") == expected
    assert sum(samples.all_values("l_total")) == expected
    assert samples.get("h_count") == samples.get("h_sum") == samples.get("h_bucket", le="+Inf") == expected
    assert samples.get("g") == expected


def test_a_kept_series_records_in_children_and_grandchildren(tmp_path: Path) -> None:
    printed = run_program(
        """
        import os, fdmetrics
        first = os.getpid()
        inc = fdmetrics.Counter("c", "", ["a"]).labels("x").inc
        observe = fdmetrics.Summary("s", "").observe
        for _ in range(3):  # 8 processes in the end.
            os.fork()
        inc()
        observe(0.5)
        try:
            while True:
                os.wait()
        except ChildProcessError:
            pass
        if os.getpid() != first:
            os._exit(0)
        print(fdmetrics.generate_latest().decode())
        """,
        FDMETRICS_DIR=tmp_path / "store",
    )
    samples = Samples(printed)
    assert (samples.get("c_total", a="x"), samples.get("s_count"), samples.get("s_sum")) == (8, 8, 4)
