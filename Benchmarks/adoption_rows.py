# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The rows about Python services that adopt fdmetrics: `python` with its times, and `adoption`."""

from __future__ import annotations

from row import Row, number

from figures import Figures

#: What, the operation, the most ns that it may take, and how many times faster than the peer it must be.
OPERATIONS = (
    ("Python counter.inc()", "counter_inc", 35, 30),
    ("Python counter.labels('a', 'b').inc(), seen before", "labels_two_inc", 250, 12),
    ("Python gauge.set(v)", "gauge_set", 70, 15),
    ("Python histogram.observe(v), 15 bounds", "observe_15_bounds", 70, 35),
)
INSTALLED = (("counter.inc()", "inc", 1.5), ("histogram.observe(v), 15 bounds", "observe", 3))
#: What, the operation, and the most MB.
MEMORY = (
    ("memory that the import of fdmetrics and one counter add", "one_metric", 4.5),
    ("memory that the import and 1,000 series of one counter add", "thousand_series", 5.5),
    ("memory that the tenth worker of a service adds (PSS)", "tenth_worker", 2),
)
LINES = 3700
PROCESSES = 512


def rows(figures: Figures) -> list[Row]:
    """The table's part. The peer is prometheus_client in multi-process mode."""

    def peer(program: str, op: str, scale: float = 1.0, unit: str = "ns", field: str = "peer_ns") -> str:
        value = figures.least(program, op, field)
        return "" if value is None else f"prometheus_client {number(value, scale)} {unit}"

    table = []
    for what, op, most, times in OPERATIONS:
        table.append(Row("python", what, figures.least("python", op, "ns"), most, peer("python", op), "ns"))
        ratio = figures.ratio("python", op, "ns", "peer_ns")
        table.append(Row("python", "the same, against prometheus_client in multi-process mode", ratio, 1 / times))
    for what, op, times in INSTALLED:
        name = f"unchanged prometheus_client with install(), {what}, against multi-process mode"
        table.append(
            Row("adoption", name, figures.ratio("install", op, "ns", "peer_ns"), 1 / times, peer("install", op))
        )
    scrape = figures.least("scrape", "generate_latest", "ns")
    table.append(
        Row(
            "adoption",
            f"generate_latest(), {LINES:,} lines, after {PROCESSES} dead processes",
            None if scrape is None else scrape / 1e6,
            5,
            peer("scrape", "generate_latest", 1e6, "ms"),
            "ms",
        )
    )
    ratio = figures.ratio("scrape", "generate_latest", "ns", "peer_ns")
    table.append(Row("adoption", "the same, against prometheus_client in multi-process mode", ratio, 1 / 1000))
    started = figures.least("import", "first_counter", "ns")
    table.append(
        Row(
            "adoption",
            "import of fdmetrics and first counter",
            None if started is None else started / 1e6,
            12,
            peer("import", "first_counter", 1e6, "ms"),
            "ms",
        )
    )
    for what, op, most in MEMORY:
        added = figures.least("memory", op, "bytes")
        theirs = peer("memory", op, 1e6, "MB", "peer_bytes")
        table.append(Row("adoption", what, None if added is None else added / 1e6, most, theirs, "MB"))
    return table
