# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""install() with real processes: started in every way, killed at any time, and recording by other ways too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .support import Samples, run_program

WORKERS = """
import multiprocessing, os, random, signal, sys, time
import fdmetrics
fdmetrics.install()
import prometheus_client as pc

COUNTER = pc.Counter("c", "", ["a"])
HISTOGRAM = pc.Histogram("h", "", buckets=(1, 2, 3))
GAUGE = pc.Gauge("g", "", multiprocess_mode="livesum")
SUMMARY = pc.Summary("s", "")

def record(number):
    COUNTER.labels(str(number % 7)).inc()
    HISTOGRAM.observe(number % 4)
    GAUGE.inc()
    SUMMARY.observe(1)

def work(amount):
    for number in range(amount):
        record(number)

def work_until_killed(pipe):
    number = 0
    while True:
        record(number)
        number += 1
        pipe.send_bytes(b"x")
"""

USE = """
if __name__ == "__main__":
    method, seed = sys.argv[1], int(sys.argv[2])
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=work, args=(500,)) for _ in range(4)]
    receivers = []
    killed = []
    for _ in range(3):
        receiver, sender = context.Pipe(duplex=False)
        killed.append(context.Process(target=work_until_killed, args=(sender,)))
        receivers.append((receiver, sender))
    for process in processes + killed:
        process.start()
    chance = random.Random(seed)
    acknowledged = 0
    for process, (receiver, sender) in zip(killed, receivers):
        sender.close()
        for _ in range(chance.randrange(1, 300)):
            receiver.recv_bytes()
            acknowledged += 1
        process.kill()
        process.join()
        try:
            while receiver.poll(0):
                receiver.recv_bytes()
                acknowledged += 1
        except EOFError:
            pass
    for process in processes:
        process.join()
        assert process.exitcode == 0
    work(10)
    assert COUNTER.labels("0")._value.get() == 2
    print("# acknowledged", acknowledged)
    print(pc.generate_latest().decode())
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing(tmp_path: Path, method: str) -> None:
    seed = int.from_bytes(os.urandom(4), "little")
    print("seed", seed)
    program = tmp_path / "service.py"
    program.write_text(WORKERS + USE)
    printed = run_program(
        "import runpy, sys; sys.argv = sys.argv[1:]; import subprocess; "
        "sys.exit(subprocess.call([sys.executable, *sys.argv]))",
        program,
        method,
        str(seed),
    )
    acknowledged = int(printed.splitlines()[0].split()[-1])
    known = 4 * 500 + 10 + acknowledged
    samples = Samples(printed)
    # A killed process may have died between any two of its records, the last of which is not acknowledged.
    total = sum(samples.named("c_total").values())
    assert known <= total <= known + 3
    assert samples.get("h_count") == samples.get("h_bucket", le="+Inf")
    for number in (samples.get("h_count"), samples.get("s_count")):
        assert number is not None and known <= number <= known + 3
    assert samples.get("s_sum") == samples.get("s_count")
    assert samples.get("g") == 10


def test_all_ways_to_record_add_up(tmp_path: Path) -> None:
    """fdmetrics' own instruments, the module in prometheus_client's place, and prometheus_client itself."""
    declarations = """
        import sys
        counter = Counter("c", "C.", ["a"], namespace="n", unit="bytes")
        seconds = Histogram("h", "H.", ["a"], unit="seconds", buckets=(0.5, 1, float("inf")))
        default = Histogram("d", "D.")
        gauge = Gauge("g", "G.", multiprocess_mode="livemax", subsystem="s")
        total = Gauge("t", "T.", multiprocess_mode="sum")
        summary = Summary("s", "S.", unit="ratio")
        info = Info("i", "I.", ["a"])
        state = Enum("e", "E.", ["a"], states=["on", "off"])
        amount = int(sys.argv[1])
        counter.labels("x").inc(amount)
        seconds.labels("x").observe(amount / 4)
        default.observe(amount)
        gauge.set(amount)
        total.set(amount)
        summary.observe(amount)
        info.labels(str(amount)).info({"k": "v"})
        state.labels("x").state("off")
        """
    ways = (
        "from fdmetrics import Counter, Enum, Gauge, Histogram, Info, Summary",
        "import fdmetrics; fdmetrics.install(); from prometheus_client import *",
        "from fdmetrics.prometheus_client import Counter, Enum, Gauge, Histogram, Info, Summary",
    )
    shows = (
        "import fdmetrics; print(fdmetrics.generate_latest().decode())",
        "import prometheus_client as pc; print(pc.generate_latest().decode())",
        "import fdmetrics.prometheus_client as pc; print(pc.generate_latest().decode())",
    )
    printed = ""
    for rotation in range(3):
        directory = tmp_path / str(rotation)
        for place in range(3):
            way = (place + rotation) % 3
            lines = [*ways[way].split("; "), *map(str.strip, declarations.splitlines()), *shows[way].split("; ")]
            printed = run_program("\n".join(lines), str(way + 1), FDMETRICS_DIR=directory)
        samples = Samples(printed)
        assert samples.get("n_c_bytes_total", a="x") == 6
        buckets = [samples.get("h_seconds_bucket", a="x", le=le) for le in ("0.5", "1.0", "+Inf")]
        assert (buckets, samples.get("h_seconds_sum", a="x")) == ([2, 3, 3], 1.5)
        assert (samples.get("d_count"), samples.get("d_bucket", le="1.0")) == (3, 1)
        assert samples.get("t") == 6
        assert (samples.get("s_ratio_count"), samples.get("s_ratio_sum")) == (3, 6)
        assert len(samples.named("i_info")) == 3
        assert (samples.get("e", a="x", e="on"), samples.get("e", a="x", e="off")) == (0, 1)
        assert samples.get("s_g") == (2 + rotation) % 3 + 1


def test_forks_while_threads_record(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "little")
    print("seed", seed)
    printed = run_program(
        """
        import os, random, sys, threading, time, warnings
        warnings.simplefilter("ignore")
        import fdmetrics
        fdmetrics.install()
        import prometheus_client as pc
        chance = random.Random(int(sys.argv[1]))
        counter = pc.Counter("c", "")
        histogram = pc.Histogram("h", "")
        gauge = pc.Gauge("g", "", multiprocess_mode="sum")
        done = threading.Event()
        recorded = [0] * 4
        # The locks of prometheus_client's own dictionaries of children may be held at a fork, so no labels here.
        def record():
            counter.inc()
            histogram.observe(1)
            gauge.inc()
        def work(thread):
            while not done.is_set():
                record()
                recorded[thread] += 1
        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(30):
            time.sleep(chance.random() / 1000)
            child = os.fork()
            if child == 0:
                for _ in range(10):
                    record()
                parts = counter._value.get(), histogram._sum.get(), sum(b.get() for b in histogram._buckets)
                os._exit(0 if parts == (10, 10, 10) else 1)
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
        own = sum(recorded)
        assert (counter._value.get(), histogram._sum.get(), gauge._value.get()) == (own, own, own)
        print("# expected", own + 300)
        print(pc.generate_latest().decode())
        """,
        str(seed),
    )
    expected = int(printed.splitlines()[0].split()[-1])
    samples = Samples(printed)
    assert samples.get("c_total") == samples.get("h_count") == samples.get("h_sum") == samples.get("g") == expected


def test_a_handler_of_signals_may_record(tmp_path: Path) -> None:
    run_program(
        """
        import signal, sys
        import fdmetrics
        fdmetrics.install()
        import prometheus_client as pc
        counter, histogram = pc.Counter("c", ""), pc.Histogram("h", "")
        interrupts = 0
        def handle(number, frame):
            global interrupts
            counter.inc()
            histogram.observe(1)
            interrupts += 1
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        loops = 0
        while interrupts < 200:
            counter.inc()
            histogram.observe(1)
            loops += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        expected = loops + interrupts
        assert pc.REGISTRY.get_sample_value("c_total") == pc.REGISTRY.get_sample_value("h_count") == expected
        if sys.version_info >= (3, 10):
            assert counter._value.get() == histogram._sum.get() == expected
        """
    )
