# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The drop-in's metrics over real processes: forked, spawned, killed."""

from __future__ import annotations

from pathlib import Path

from .support import Samples, run_program

# What the programs share: they declare their metrics as a service's module does, and talk through pipes.
SERVICE = """
import os, signal, sys
from fdmetrics.prometheus_client import *

HITS = Counter("hits", "Hits.", ["path"])
BUSY = Gauge("busy", "Busy.", multiprocess_mode="livesum")
EACH = Gauge("each", "Each.")
SECONDS = Histogram("seconds", "Seconds.", buckets=(1, 2))
BUILD = Info("build", "Build.")
PHASE = Enum("phase", "Phase.", states=["starting", "running"])

def worker(body):
    # Runs a body in a fork child, which then waits; returns its process id, and where to write that it may end.
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            body()
            os.write(ready[1], b"x")
            os.read(go[0], 1)
        finally:
            os._exit(0)
    os.close(ready[1])
    assert os.read(ready[0], 1) == b"x"
    return child, go[1]

def end(child, go):
    os.write(go, b"x")
    os.waitpid(child, 0)

def kill(child, go):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels)
"""


def test_totals_of_forked_workers_and_of_killed_ones(directory: Path) -> None:
    text = run_program(
        SERVICE
        + """
def answer():
    HITS.labels("/a").inc(10)
    BUSY.inc()
    EACH.set(os.getpid() % 100)
    SECONDS.observe(1.5)

workers = [worker(answer) for _ in range(3)]
assert value("hits_total", path="/a") == 30
assert value("busy") == 3
assert sum(1 for family in REGISTRY.collect() if family.name == "each" for _ in family.samples) == 3
kill(*workers[0])
assert value("busy") == 2
for child, go in workers[1:]:
    end(child, go)
HITS.labels("/a").inc()
sys.stdout.write(generate_latest().decode())
""",
        FDMETRICS_DIR=directory,
    )
    samples = Samples(text)
    assert samples.get("hits_total", path="/a") == 31
    assert samples.get("busy") == 0
    assert samples.get("seconds_count") == 3
    assert samples.get("seconds_bucket", le="2.0") == 3
    assert "pid=" not in text


def test_texts_states_and_removals_are_those_of_all(directory: Path) -> None:
    run_program(
        SERVICE
        + """
def set_all():
    BUILD.info({"version": "1"})
    PHASE.state("running")
    HITS.labels("/a").inc()
    HITS.labels("/b").inc()

def remove():
    HITS.remove("/a")
    BUILD.info({"version": "2"})

workers = [worker(set_all)]
assert value("build_info", version="1") == 1
assert value("phase", phase="running") == 1
HITS.labels("/a").inc()
assert value("hits_total", path="/a") == 2
workers.append(worker(remove))
assert value("hits_total", path="/a") is None
assert value("build_info", version="1") is None and value("build_info", version="2") == 1
HITS.labels("/a").inc()
assert value("hits_total", path="/a") == 1
workers.append(worker(HITS.clear))
assert value("hits_total", path="/a") is None and value("hits_total", path="/b") is None
HITS.labels("/b").inc(3)
assert value("hits_total", path="/b") == 3
for child, go in workers:
    end(child, go)
""",
        FDMETRICS_DIR=directory,
    )


def test_any_process_shows_all_of_them(directory: Path) -> None:
    run_program(
        SERVICE
        + """
from fdmetrics.prometheus_client.multiprocess import MultiProcessCollector

def declare_more():
    Counter("of_the_child", "").inc(2)
    HITS.labels("/a").inc()

workers = [worker(declare_more)]
assert value("of_the_child_total") == 2  # Declared in no other process.
registry = CollectorRegistry()
MultiProcessCollector(registry)
assert registry.get_sample_value("hits_total", {"path": "/a"}) == 1

def scrape():
    assert value("hits_total", path="/a") == 1
    assert value("of_the_child_total") == 2
    HITS.labels("scraped").inc()

workers.append(worker(scrape))
assert value("hits_total", path="scraped") == 1
for child, go in workers:
    end(child, go)
""",
        FDMETRICS_DIR=directory,
    )


def test_spawned_processes_share_the_store_without_a_directory(tmp_path: Path) -> None:
    program = tmp_path / "service.py"
    program.write_text(
        SERVICE
        + """
def answer(amount):
    HITS.labels("/a").inc(amount)

if __name__ == "__main__":
    import multiprocessing

    for method in ("spawn", "forkserver", "fork"):
        context = multiprocessing.get_context(method)
        processes = [context.Process(target=answer, args=(amount,)) for amount in (1, 10)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0
    assert value("hits_total", path="/a") == 33
    print("shared")
"""
    )
    run = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    assert run_program(run, program) == "shared\n"


def test_functions_of_gauges_are_each_process_s_own(directory: Path) -> None:
    run_program(
        SERVICE
        + """
DEPTH = Gauge("depth", "Depth.", multiprocess_mode="livesum")
DEPTH.set_function(lambda: 5)

def scrape():
    DEPTH.set_function(lambda: 7)
    assert value("depth") == 12

assert value("depth") == 5
child, go = worker(scrape)
assert value("depth") == 12
end(child, go)
assert value("depth") == 5
""",
        FDMETRICS_DIR=directory,
    )


def test_processes_and_interpreters_are_those_of_all(directory: Path) -> None:
    run_program(
        SERVICE
        + """
import gc

def collect_garbage():
    gc.collect()
    BUSY.set(1)

gc.disable()
BUSY.set(1)
memory, threads = value("process_resident_memory_bytes"), value("process_threads")
collections = value("python_gc_collections_total", generation="2")
children = [worker(collect_garbage) for _ in range(2)]
assert value("process_threads") == threads + 2
assert value("process_resident_memory_bytes") > memory
assert value("python_gc_collections_total", generation="2") == collections + 2
for child, go in children:
    kill(child, go)
assert value("process_threads") == threads
assert value("python_gc_collections_total", generation="2") == collections + 2
""",
        FDMETRICS_DIR=directory,
    )
