# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The metrics of the processes themselves, of a service of several."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

import fdmetrics

from .support import Samples, run_program

NAMES = {
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
}
TICKS = os.sysconf("SC_CLK_TCK")
#: What the kernel may leave out of a process's time: it cuts off user and system time, each to whole clock ticks.
CUT_OFF = 2 / TICKS
PROGRAM = """
import os, signal, sys, time
import fdmetrics

fdmetrics.Counter("c", "").inc()
ready, go = os.pipe(), os.pipe()
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        # Only burns time: records nothing, and asks for nothing.
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        os.write(ready[1], b"x")
        signal.pause()
    children.append(child)
for _ in children:
    os.read(ready[0], 1)

def show():
    print(fdmetrics.generate_latest(process_metrics=True).decode())
    print("#---")

show()
print(fdmetrics.generate_latest(process_metrics="worker", pid_label=True).decode())
print("# pids", os.getpid(), *children)
used = 0
for pid in (os.getpid(), *children):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    used += int(fields[11]) + int(fields[12])
print("# used", used)
print("#---")
os.kill(children[0], signal.SIGKILL)
os.waitpid(children[0], 0)
show()
for child in children[1:]:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
show()
"""


def test_live_processes_are_added_up_and_the_time_of_dead_ones_stays() -> None:
    four, by_pid, three, one, _ = run_program(PROGRAM).split("#---\n")
    shown = [Samples(text) for text in (four, three, one)]
    for samples in shown:
        assert {name for name, _ in samples.values} == NAMES | {"c_total"}
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert [samples.get("process_max_fds") for samples in shown] == [4 * limit, 3 * limit, limit]
    memory = [samples.get("process_resident_memory_bytes") or 0 for samples in shown]
    assert memory[0] > memory[1] > memory[2] > 0
    time = [samples.get("process_cpu_seconds_total") or 0 for samples in shown]
    assert 3 * (0.3 - CUT_OFF) <= time[0] <= time[1] <= time[2]
    # What the kernel says itself, a moment later: in whole clock ticks, since a sum of four fractions is not exact.
    used = int(by_pid.partition("# used ")[2].split()[0])
    assert round(time[0] * TICKS) <= used <= round((time[2] + 1) * TICKS)
    pids = by_pid.partition("# pids ")[2].split("\n")[0].split()
    assert {dict(labels)["pid"] for labels in Samples(by_pid).named("process_threads")} == set(pids)


def test_an_ordinary_end_leaves_its_time_in_the_total(tmp_path: Path) -> None:
    burn = """
    import time, fdmetrics
    fdmetrics.Counter("c", "").inc()
    while time.process_time() < 0.4:
        pass
    """
    run_program(burn, FDMETRICS_DIR=tmp_path)
    shown = Samples(fdmetrics.render_directory(tmp_path, process_metrics=True))
    total = shown.get("process_cpu_seconds_total")
    assert total is not None
    assert total > 0.4 - CUT_OFF
    # Nobody is alive: sums of nothing, and no start.
    assert shown.get("process_threads") == 0
    assert shown.get("process_start_time_seconds") is None


def test_they_are_absent_unless_asked_for(registry: fdmetrics.Registry) -> None:
    assert registry.render() == b""
    assert {name for name, _ in Samples(registry.render(process_metrics=True)).values} == NAMES
    by_worker = Samples(registry.render(process_metrics="worker"))
    assert list(by_worker.named("process_threads")) == [frozenset({("worker", "0")})]


def test_a_wrong_choice_is_refused(registry: fdmetrics.Registry) -> None:
    with pytest.raises(fdmetrics.InvalidArgumentError, match="process_metrics is 'yes': give True, False"):
        registry.render(process_metrics="yes")


def test_a_child_that_was_killed_at_once_is_not_counted(registry: fdmetrics.Registry) -> None:
    registry.attach()
    child = os.fork()
    if child == 0:
        signal.pause()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    shown = Samples(registry.render(process_metrics=True))
    assert shown.get("process_max_fds") == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_store_speaks_of_itself_when_it_is_asked(registry: fdmetrics.Registry) -> None:
    fdmetrics.Counter("c", "", registry=registry).inc()
    shown = Samples(registry.render(self_metrics=True))
    assert shown.get("fdmetrics_families") == 1
    assert shown.get("fdmetrics_live_processes") == 1
    assert shown.get("fdmetrics_build_info", version=fdmetrics.__version__) == 1
    assert {name for name, _ in Samples(registry.render()).values} == {"c_total"}
