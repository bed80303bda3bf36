# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The truth of the demo: what each process says that it recorded, independently of fdmetrics.

Each process writes two lines on its standard output around every update:

    try inc demo_requests_total{stage="worker"} 1
    done

A process that is killed leaves at most one `try` without its `done`: that update was made or was not, and nothing else
is in doubt. The updates are `inc SAMPLE AMOUNT`, `observe HISTOGRAM VALUE` and `set GAUGE VALUE`; one call that updates
several series puts "; " between them.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter, defaultdict
from typing import Dict, Iterator, List, NamedTuple, Optional


class Update(NamedTuple):
    """One update of one series."""

    kind: str
    series: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Update:
        """Reads `inc SAMPLE AMOUNT` and its like. Errors: ValueError."""
        kind, series, value = text.split(" ")
        if kind not in ("inc", "observe", "set"):
            raise ValueError(f"{kind!r} is no kind of update: inc, observe or set is expected")
        return cls(kind, series, float(value))


@contextlib.contextmanager
def step(*updates: str) -> Iterator[None]:
    """Writes the two lines around a block that makes these updates. For the processes that record."""
    say("try " + "; ".join(updates))
    yield
    say("done")


def say(line: str) -> None:
    """Writes a line in one system call: a pipe takes short ones whole, also from a process that is killed just then."""
    os.write(1, line.encode() + b"\n")


class Account:
    """What one process has acknowledged. For the process that checks."""

    def __init__(self) -> None:
        self.counters: Dict[str, float] = defaultdict(float)
        self.gauges: Dict[str, float] = {}
        #: How often each value was observed, by histogram.
        self.observations: Dict[str, Counter[float]] = defaultdict(Counter)
        #: The updates that were announced and not acknowledged.
        self.in_flight: List[Update] = []

    def read(self, line: str) -> None:
        """Takes up one line. Errors: ValueError, for a line that is none of the two, or out of turn."""
        announced = line[len("try ") :] if line.startswith("try ") else None
        if (announced is None) != bool(self.in_flight) or (announced is None and line != "done"):
            raise ValueError(f"unexpected line in a ledger: {line!r}")
        if announced is not None:
            self.in_flight = [Update.parse(text) for text in announced.split("; ")]
            return
        for update in self.in_flight:
            self._apply(update)
        self.in_flight = []

    def completed(self) -> Account:
        """The same account if what is in flight was recorded."""
        account = Account()
        account.counters.update(self.counters)
        account.gauges.update(self.gauges)
        for name, values in self.observations.items():
            account.observations[name].update(values)
        for update in self.in_flight:
            account._apply(update)
        return account

    def _apply(self, update: Update) -> None:
        if update.kind == "inc":
            self.counters[update.series] += update.value
        elif update.kind == "observe":
            self.observations[update.series][update.value] += 1
        else:
            self.gauges[update.series] = update.value

    @property
    def doubt(self) -> Optional[str]:
        """What is in flight, as text; None if everything was acknowledged."""
        return "; ".join(f"{kind} {series} {value:g}" for kind, series, value in self.in_flight) or None
