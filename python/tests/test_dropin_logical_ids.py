# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The drop-in's metrics where the program gives its processes ids of its own, as uWSGI's users do."""

from __future__ import annotations

from .support import run_program

START = """
import os
import fdmetrics.prometheus_client as client
from fdmetrics.prometheus_client import multiprocess, values
worker = 1
values.ValueClass = values.MultiProcessValue(process_identifier=lambda: worker)

def value(name, **labels):
    return client.REGISTRY.get_sample_value(name, labels)
"""


def test_gauges_belong_to_the_workers() -> None:
    run_program(
        START
        + """
each = client.Gauge("each", "", ["a"])
least = client.Gauge("least", "", multiprocess_mode="livemin")
latest = client.Gauge("latest", "", multiprocess_mode="mostrecent")
assert value("least") == 0 and value("latest") is None
for worker in (1, 2, 3):
    each.labels("x").inc(worker)
    each.labels("x").dec(0.5)
    least.set(worker)
    latest.set(worker)
    assert each.labels("x")._value.get() == worker - 0.5
worker = 2
each.labels("x").inc(10)
assert [value("each", a="x", pid=str(one)) for one in (1, 2, 3)] == [0.5, 11.5, 2.5]
assert value("least") == 1 and value("latest") == 3
multiprocess.mark_process_dead(1)
assert value("least") == 2
for call in (latest.inc, latest.dec):
    try:
        call()
    except RuntimeError:
        continue
    raise AssertionError("inc and dec are not for this mode")
"""
    )


def test_counters_have_a_part_of_each_worker() -> None:
    run_program(
        START
        + """
hits = client.Counter("hits", "")
hits.inc(2)
worker = 2
hits.inc()
assert value("hits_total") == 3 and hits._value.get() == 1
try:
    hits.inc(-1)
except ValueError:
    pass
else:
    raise AssertionError("negative")
if os.fork() == 0:
    hits.inc(4)
    os._exit(0)
os.wait()
assert value("hits_total") == 7 and hits._value.get() == 1
"""
    )


def test_the_variable_says_the_label() -> None:
    run_program(
        START
        + """
gauge = client.Gauge("each", "")
gauge.set(7)
worker = 2
gauge.set(8)
assert value("each", worker="1") == 7 and value("each", worker="2") == 8
""",
        FDMETRICS_PID_LABEL="0",
    )
