# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Several interpreters in one process, as mod_wsgi has them, record into one store."""

from __future__ import annotations

from pathlib import Path

from .support import Samples, run_program

#: The module of interpreters has another name in each version, and is public from 3.14 on.
PROGRAM = """
import sys
import fdmetrics

# With the lock that all interpreters share: ctypes, which fdmetrics is made of, does not load in the others.
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
    create = lambda: interpreters.create("legacy")
else:
    import _xxsubinterpreters as interpreters
    create = lambda: interpreters.create(isolated=False)

RECORD = '''
import fdmetrics
counter = fdmetrics.Counter("c", "", ["how"])
gauge = fdmetrics.Gauge("g", "", multiprocess_mode="sum")
histogram = fdmetrics.Histogram("h", "", buckets=(1, 2))
for number in range(1000):
    counter.labels("x").inc()
    counter.labels(how="x").inc(2)
    gauge.inc()
    histogram.observe(1.5)
for wrong in (lambda: counter.labels("x").inc(-1), lambda: counter.labels("x").inc("1"), lambda: counter.labels()):
    try:
        wrong()
    except (ValueError, TypeError):
        counter.labels("refused").inc()
'''

exec(RECORD)
several = [create() for _ in range(3)]
for _ in range(2):
    for interpreter in several:
        failure = interpreters.run_string(interpreter, RECORD)
        assert failure is None, failure
for interpreter in several[:2]:
    interpreters.destroy(interpreter)
# What is left goes on when the others have ended.
assert interpreters.run_string(several[2], RECORD) is None
exec(RECORD)
print(fdmetrics.generate_latest().decode())
"""


def test_totals_are_exact(tmp_path: Path) -> None:
    samples = Samples(run_program(PROGRAM, FDMETRICS_DIR=tmp_path / "store"))
    runs = 2 + 3 * 2 + 1
    assert samples.get("c_total", how="x") == runs * 3000
    assert samples.get("c_total", how="refused") == runs * 3
    assert samples.get("h_count") == runs * 1000
    assert samples.get("g") == runs * 1000
