# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The load of worker/load.c: what its updates must have made of the exposition, and the file that acknowledges them."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from expositions import SampleKey, key, parse, total

KINDS = 13
PROGRESS_KINDS = 16
ROW = 512
HEADER = 4096
# A row: begun[16], done[16], ready, finished.
READY_OFFSET = 2 * PROGRESS_KINDS * 8
FINISHED_OFFSET = READY_OFFSET + 8

LIVESUM_KIND = 9


class Progress:
    """The file in which every thread writes what it has begun and done."""

    def __init__(self, path: Path, rows: int) -> None:
        self.path = path
        self._rows = rows
        path.write_bytes(b"")
        with path.open("r+b") as file:
            file.truncate(HEADER + rows * ROW)
            self._map = mmap.mmap(file.fileno(), 0)

    def set_phase(self, phase: int) -> None:
        """Tells all workers the phase."""
        struct.pack_into("Q", self._map, 0, phase)

    def _words(self, row: int, offset: int, count: int) -> tuple[int, ...]:
        return struct.unpack_from(f"{count}Q", self._map, HEADER + row * ROW + offset)

    def ready(self, row: int) -> bool:
        """Whether this thread has begun to update."""
        return self._words(row, READY_OFFSET, 1)[0] == 1

    def finished(self, row: int) -> bool:
        """Whether this thread has done its fixed work."""
        return self._words(row, FINISHED_OFFSET, 1)[0] == 1

    def begun(self, row: int) -> list[int]:
        """How many updates of each kind a thread has begun."""
        return list(self._words(row, 0, KINDS))

    def done(self, row: int) -> list[int]:
        """How many updates of each kind a thread has completed."""
        return list(self._words(row, PROGRESS_KINDS * 8, KINDS))

    def sums(self, rows: Sequence[int]) -> tuple[list[int], list[int]]:
        """Begun and done of some threads together, by kind; at most one update of a thread is in flight."""
        begun = [0] * KINDS
        done = [0] * KINDS
        for row in rows:
            mine, completed = self.begun(row), self.done(row)
            in_flight = sum(mine) - sum(completed)
            assert 0 <= in_flight <= 1, f"row {row} has {in_flight} updates in flight: the file itself is wrong"
            for kind in range(KINDS):
                begun[kind] += mine[kind]
                done[kind] += completed[kind]
        return begun, done


def _named(name: str) -> Callable[[dict[SampleKey, float]], float]:
    return lambda samples: samples.get(key(name), 0.0)


def _all_of(name: str) -> Callable[[dict[SampleKey, float]], float]:
    return lambda samples: total(samples, name)


def _families(samples: dict[SampleKey, float]) -> float:
    return sum(value for (name, _), value in samples.items() if name.startswith("load_family_"))


def _link(name: str) -> Callable[[dict[SampleKey, float]], float]:
    return lambda samples: samples.get(key(f"load:zmq:{name}", {"address": "ipc:///load"}), 0.0)


def _low(samples: dict[SampleKey, float]) -> float:
    return samples.get(key("load_histogram_bucket", {"le": "1.0"}), 0.0)


def _high(samples: dict[SampleKey, float]) -> float:
    return samples.get(key("load_histogram_bucket", {"le": "+Inf"}), 0.0) - samples.get(
        key("load_histogram_bucket", {"le": "5.0"}), 0.0
    )


# (kind, what it shows in the exposition, how much one update adds to that). GAUGE_LIVESUM is not a total.
EFFECTS: list[tuple[int, str, Callable[[dict[SampleKey, float]], float], float]] = [
    (0, "load_plain_total", _named("load_plain_total"), 1),
    (1, "load_fraction_total", _named("load_fraction_total"), 0.5),
    (2, "load_whole_total", _named("load_whole_total"), 3),
    (3, "load_labelled_total", _all_of("load_labelled_total"), 1),
    (4, "load_fresh_total", _all_of("load_fresh_total"), 1),
    (5, "load_histogram, first bucket", _low, 1),
    (6, "load_histogram, last bucket", _high, 1),
    (7, "load_summary_count", _named("load_summary_count"), 1),
    (7, "load_summary_sum", _named("load_summary_sum"), 1.5),
    (8, "load_gauge_sum", _named("load_gauge_sum"), 2),
    (10, "load_gauge_labelled", _all_of("load_gauge_labelled"), 1),
    (11, "load:zmq:msg_send_total", _link("msg_send_total"), 1),
    (11, "load:zmq:msg_bytes_send_total", _link("msg_bytes_send_total"), 100),
    (12, "load_family_*_total", _families, 1),
]


def check_totals(text: str, begun: Sequence[int], done: Sequence[int]) -> dict[SampleKey, float]:
    """Every total lies between what was acknowledged and what was begun; equal where nothing was cut short."""
    samples = parse(text)
    for kind, name, value, amount in EFFECTS:
        shown = value(samples)
        low, high = done[kind] * amount, begun[kind] * amount
        assert low <= shown <= high, f"{name} is {shown}; acknowledged {low}, with those in flight {high}"
        assert shown % amount == 0, f"{name} is {shown}: not a whole number of updates of {amount}"
    low_count, high_count = _low(samples), _high(samples)
    assert samples[key("load_histogram_count")] == low_count + high_count
    assert samples[key("load_histogram_sum")] == 0.5 * low_count + 7.5 * high_count
    return samples
