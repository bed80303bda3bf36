# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The rows of the group `exposition`: the formats against each other, and OpenMetrics against the peer's text."""

from __future__ import annotations

from row import Row, against, number, times

from figures import Figures

PROGRAM = "exposition"
FORMATS = ("text", "openmetrics", "protobuf")


def rows(figures: Figures) -> list[Row]:
    """The rows with a bound. That of OpenMetrics is measured by the program of the group `text`."""
    messages = figures.ratio(PROGRAM, "5000_counters", "messages_ns", "text_ns")

    def protobuf(what: str, op: str, peer: str = "") -> Row:
        return Row(PROGRAM, what, figures.ratio(PROGRAM, op, "protobuf_ns", "text_ns"), 0.8, peer)

    return [
        Row(
            "text",
            "OpenMetrics text of 5,000 labelled counters, snapshot included, against prometheus-cpp's 0.0.4",
            figures.ratio("text", "text_5000_counters", "openmetrics_ns", "peer_ns"),
            0.15,
        ),
        protobuf(
            "protobuf against text, the same 5,000 labelled counters",
            "5000_counters",
            against("kept messages of swift-protobuf", messages),
        ),
        protobuf("the same, 20,000 series of counters, gauges and histograms", "20000_mixed"),
    ]


def formats(figures: Figures) -> list[list[str]]:
    """The cells of the table of times: each format in ms, and what its bytes are to those of the text."""
    cells = []
    for program, op, _ in figures.lines:
        if program == PROGRAM:
            text_bytes = figures.least(program, op, "text_bytes")
            shown = []
            for format in (*FORMATS, "messages"):
                size = figures.least(program, op, f"{format}_bytes")
                share = size / text_bytes if size is not None and text_bytes else None
                shown += [number(figures.least(program, op, f"{format}_ns"), 1e6), times(share)]
            cells.append([op, *shown])
    return cells
