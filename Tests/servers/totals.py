# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What scrapes must show: nothing that only rises ever falls, and totals are those of the witness."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from clients import HANG_SECONDS
from witness import Rows

Labels = tuple[tuple[str, str], ...]
SampleKey = tuple[str, Labels]

RISING_TYPES = ("counter", "histogram", "summary")


class Exposition:
    """The samples of one scrape; a family or a sample that is there twice is an error."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: dict[SampleKey, float] = {}
        #: The samples of them that may never fall.
        self.rising: dict[SampleKey, float] = {}
        names: set[str] = set()
        for family in text_string_to_metric_families(text):
            assert family.name not in names, f"the family {family.name} is there twice:\n{text}"
            names.add(family.name)
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                assert key not in self.samples, f"the sample {key} is there twice:\n{text}"
                self.samples[key] = sample.value
                if family.type in RISING_TYPES:
                    self.rising[key] = sample.value

    def total(self, name: str, labels: Labels = ()) -> float:
        """The sum over all series of a sample name that have these labels."""
        return sum(
            value for (found, present), value in self.samples.items() if found == name and set(labels) <= set(present)
        )


class Monotonic:
    """Compares each scrape with the one before it."""

    def __init__(self) -> None:
        self._last = Exposition("")

    def check(self, shown: Exposition) -> None:
        """No sample of a counter, histogram or summary is less than it was, or gone."""
        for key, before in self._last.rising.items():
            now = shown.rising.get(key)
            assert now is not None, f"{key} was {before} and is gone:\n{shown.text}"
            assert now >= before, f"{key} fell from {before} to {now}"
        self._last = shown


@dataclass(frozen=True)
class Counted:
    """A sample name whose total over all series is the number of requests."""

    name: str
    #: Labels of the series that count.
    labels: Labels = ()
    #: Whether it counts a request that is held until its worker is killed.
    of_held: bool = False
    #: Whether it may be recorded after the client has its answer, as a middleware does.
    after_answer: bool = False


@dataclass
class _Doubt:
    """How many requests of killed workers were in doubt so far, and how many of them turned out to be counted."""

    requests: int = 0
    counted: float = 0


@dataclass
class Truth:
    """The totals by the witness."""

    rows: Rows
    answered: set[int]
    counted: Iterable[Counted]
    is_alive: Callable[[int], bool]
    held: set[int] = field(default_factory=set)
    _doubts: dict[str, _Doubt] = field(default_factory=dict)

    def check_meanwhile(self, shown: Exposition, answered: int, issued: int, connections: int) -> None:
        """Requests answered before the scrape are counted in it, those that begin after it are not."""
        for each in self.counted:
            late = connections if each.after_answer else 0
            total = shown.total(each.name, each.labels)
            assert answered - late <= total <= issued, f"{each.name} {total}, {answered} answered, {issued} sent"

    def settle(self) -> None:
        """Waits until every request that was begun is done, or its worker is dead."""
        deadline = time.monotonic() + HANG_SECONDS
        while any(self.is_alive(self.rows.worker(number)) for number in self.rows.all_begun()):
            assert time.monotonic() < deadline, f"requests {self.rows.all_begun()} are not done in {HANG_SECONDS} s"
            time.sleep(0.001)

    def check_settled(self, shown: Exposition) -> None:
        """Every total is exact.

        A request of a killed worker may be in doubt: begun and not done. At the first look it counts or not; from then
        on that may not change.
        """
        done = set(self.rows.all_done())
        begun = set(self.rows.all_begun())
        lost = self.answered - done - begun
        assert not lost, f"requests {sorted(lost)} were answered, and the witness knows nothing of them"
        for each in self.counted:
            known = set(done) if each.after_answer else done | self.answered
            known = known | self.held if each.of_held else known - self.held
            in_doubt = len(begun - known - self.held)
            last = self._doubts.setdefault(each.name, _Doubt())
            # A request leaves the doubt only by having its state changed, which a dead worker cannot do.
            assert in_doubt >= last.requests
            total = shown.total(each.name, each.labels)
            extra = total - len(known)
            assert last.counted <= extra <= last.counted + in_doubt - last.requests, (
                f"{each.name} shows {total:g}, and {len(known)} requests are known; of {in_doubt} that are in doubt "
                f"{last.requests} were before, and {last.counted:g} of those were counted:\n{shown.text}"
            )
            self._doubts[each.name] = _Doubt(in_doubt, extra)

    @property
    def summary(self) -> str:
        """For the log."""
        done = sum(1 for _ in self.rows.all_done())
        counted = {name: f"{doubt.counted:g} of {doubt.requests}" for name, doubt in self._doubts.items()}
        return f"{done} done, {len(self.held)} held, in doubt and counted {counted}"
