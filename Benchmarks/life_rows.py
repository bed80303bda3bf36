# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The rows about a store that cannot give what it is asked for: `life`. Swift's comes with those of swift-metrics."""

from __future__ import annotations

from row import Row

from figures import Figures

#: Processes that hold a slot while one more attaches.
HOLDERS = 4000


def rows(figures: Figures) -> list[Row]:
    """The table's part."""

    def row(what: str, program: str, op: str, scale: float, bound: float, unit: str) -> Row:
        value = figures.least(program, op, "ns")
        return Row("life", what, None if value is None else value / scale, bound, unit=unit)

    return [
        row("C: a look-up beyond the limit of series, refused", "life", "refused_labels", 1e3, 1, "us"),
        row("Swift: the same", "swift-metrics", "refused_labels", 1e3, 1, "us"),
        row("C: an update of a gauge without a process slot", "life", "refused_gauge_set", 1e3, 1, "us"),
        row("Python: labels('beyond').inc(), refused", "python_refused", "refused_labels_inc", 1e3, 3, "us"),
        row("Python: kept.inc() of a refused label set", "python_refused", "refused_inc", 1e3, 3, "us"),
        row(f"attaching while {HOLDERS:,} processes hold slots", "life", "attach", 1e6, 2, "ms"),
    ]
