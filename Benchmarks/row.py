# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""One row of the table of bounds, and how figures are written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure, the most that it may be, and what the peer's own figure was in the same run."""

    group: str
    what: str
    measured: float | None
    bound: float
    peer: str = ""
    #: What `measured` and `bound` are: a ratio, unless it is "ns", "us", "ms", "MB" or "bytes".
    unit: str = "ratio"

    @property
    def verdict(self) -> str:
        """met, MISSED, or not measured: never a guess."""
        if self.measured is None:
            return "not measured"
        return "met" if self.measured <= self.bound else "MISSED"

    def shown(self, value: float | None) -> str:
        """A value of this row with its unit."""
        if value is None or self.unit == "ratio":
            return times(value)
        return f"{value:,.0f} bytes" if self.unit == "bytes" else f"{value:.3g} {self.unit}"

    def as_json(self) -> dict[str, Any]:
        """The row as --json writes it."""
        return {**asdict(self), "verdict": self.verdict}


def times(ratio: float | None) -> str:
    """A ratio with three significant digits."""
    if ratio is None:
        return "-"
    return f"{ratio:.0f}x" if ratio >= 99.5 else f"{ratio:.3g}x"


def against(peer: str, ratio: float | None, note: str = "") -> str:
    """The peer's own ratio, where it was measured."""
    return f"{peer} {times(ratio)}{note}" if ratio is not None else ""


def number(value: float | None, scale: float = 1.0) -> str:
    """A time with three significant digits."""
    if value is None:
        return "-"
    value /= scale
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
