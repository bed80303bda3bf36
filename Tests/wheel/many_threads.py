# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""many_threads.py: run by the Python of an environment that has the wheel, and nothing else.

Threads register families, look up series and update the same ones at once, while others render. The totals at the end
are exact, and no rendering on the way shows more than there was. Prints whether the GIL was there, and `exact`.
"""

from __future__ import annotations

import re
import sys
import threading

import fdmetrics

THREADS = 16
ROUNDS = 1_000
LABELS = 8


def declare() -> tuple[fdmetrics.Counter, fdmetrics.Gauge, fdmetrics.Histogram]:
    """The families; each thread declares them for itself."""
    return (
        fdmetrics.Counter("jobs", "Jobs done", ["kind"]),
        fdmetrics.Gauge("level", "The level now", ["kind"], multiprocess_mode="sum"),
        fdmetrics.Histogram("job_seconds", "Time of a job", ["kind"], buckets=(0.5, 1.0)),
    )


def work(number: int) -> None:
    """The updates of one thread: to series that all have, and to one of its own."""
    jobs, level, seconds = declare()
    own = jobs.labels(kind=f"own-{number}")
    for turn in range(ROUNDS):
        kind = f"k{(number + turn) % LABELS}"
        jobs.labels(kind).inc()
        level.labels(kind=kind).inc(2)
        level.labels(kind=kind).dec()
        seconds.labels(kind).observe(0.25 if turn % 2 else 0.75)
        own.inc()


def total(text: str, name: str, kind: str = "k[0-9]") -> float:
    """The sum of a name's samples."""
    return sum(float(value) for value in re.findall(rf'^{name}{{kind="{kind}"}} (\S+)$', text, re.MULTILINE))


def main() -> None:
    errors: list[BaseException] = []
    done = threading.Event()
    most = THREADS * ROUNDS

    def guarded(task: object, *arguments: int) -> None:
        try:
            task(*arguments)  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    def render() -> None:
        before = 0.0
        while not done.is_set():
            now = total(fdmetrics.generate_latest().decode(), "jobs_total")
            assert before <= now <= most, (before, now, most)
            before = now

    declare()
    workers = [threading.Thread(target=guarded, args=(work, number)) for number in range(THREADS)]
    renderers = [threading.Thread(target=guarded, args=(render,)) for _ in range(2)]
    for thread in workers + renderers:
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    for thread in renderers:
        thread.join()
    assert not errors, errors

    text = fdmetrics.generate_latest().decode()
    assert total(text, "jobs_total") == most, text
    assert total(text, "level") == most, text
    assert total(text, "job_seconds_count") == most, text
    assert total(text, "job_seconds_sum") == most * (0.25 + 0.75) / 2, text
    for number in range(THREADS):
        assert total(text, "jobs_total", f"own-{number}") == ROUNDS, text
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    print("with the GIL" if locked else "without the GIL")
    print("exact")


if __name__ == "__main__":
    main()
