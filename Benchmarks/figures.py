# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the programs of all rounds printed, and how one figure is made of it."""

from __future__ import annotations

import json
import statistics
from typing import Any

Key = tuple[str, str, int]

#: Fewer repeats with two threads than this, of all rounds together, are no result.
LEAST_REPEATS = 5


class Figures:
    """JSON lines by (program, operation, threads)."""

    def __init__(self) -> None:
        self.lines: dict[Key, list[dict[str, Any]]] = {}

    def add_output(self, output: str) -> None:
        """Takes the lines that one run of a program printed."""
        for text in output.splitlines():
            if text.startswith("{"):
                line = json.loads(text)
                key = (line["program"], line["op"], line.get("threads", 1))
                self.lines.setdefault(key, []).append(line)

    def least(self, program: str, op: str, field: str) -> float | None:
        """The least of a time over all rounds: disturbances only ever add."""
        values = [line[field] for line in self.lines.get((program, op, 1), []) if field in line]
        return min(values) if values else None

    def ratio(self, program: str, op: str, field: str, reference: str) -> float | None:
        """The least of one time over the least of another, both of the same processes."""
        value, base = self.least(program, op, field), self.least(program, op, reference)
        return value / base if value is not None and base else None

    def median(self, program: str, op: str, field: str) -> float | None:
        """The median over rounds of what is a median within each."""
        values = [line[field] for line in self.lines.get((program, op, 1), []) if field in line]
        return statistics.median(values) if values else None

    def sum_of_medians(self, program: str, op: str, *fields: str) -> float | None:
        """The sum of several figures, each the median over rounds; None where one is missing."""
        values = [self.median(program, op, field) for field in fields]
        return None if None in values else sum(value for value in values if value is not None)

    def greatest(self, program: str, op: str, field: str) -> float | None:
        """The greatest over all rounds: of what must never be."""
        values = [line[field] for line in self.lines.get((program, op, 1), []) if field in line]
        return max(values) if values else None

    def two_threads(self, program: str, op: str, field: str) -> float | None:
        """The median over the kept repeats of all rounds; None when too few could be kept."""
        values = [value for line in self.lines.get((program, op, 2), []) for value in line[field]]
        return statistics.median(values) if len(values) >= LEAST_REPEATS else None

    def repeats(self, program: str, op: str) -> tuple[int, int]:
        """How many repeats with two threads were kept, of how many."""
        lines = self.lines.get((program, op, 2), [])
        return sum(len(line["two_thread_ns"]) for line in lines), sum(line["tried"] for line in lines)

    def all_lines(self) -> list[dict[str, Any]]:
        """Everything, as it was printed."""
        return [line for lines in self.lines.values() for line in lines]
