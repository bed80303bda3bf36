# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The rows of the group `zmq`: what recording adds to a message, in time and in memory."""

from __future__ import annotations

from row import Row, number

from figures import Figures

PEER = "FastDeploy's way"
PROGRAMS = (("zmq-python", "Python"), ("zmq-c", "C"), ("zmq-swift", "Swift"))


def _added(figures: Figures, program: str, way: str) -> float | None:
    """What a way adds to a plain message, send and receive, in us: each the median over rounds of medians."""
    nanoseconds = figures.sum_of_medians(program, way, "send_added_ns", "receive_added_ns")
    return None if nanoseconds is None else nanoseconds / 1e3


def rows(figures: Figures) -> list[Row]:
    """The rows with a bound."""
    peer = _added(figures, "zmq-python", "peer")

    def python(what: str, way: str, bound: float, part: int) -> list[Row]:
        measured = _added(figures, "zmq-python", way)
        ratio = measured / peer if measured is not None and peer else None
        shown = f"{PEER} {number(peer)} us" if peer is not None else ""
        return [
            Row("zmq", f"Python, ipc, {what}, added to plain pyzmq", measured, bound, shown, "us"),
            Row("zmq", "the same, against what the peer adds", ratio, 1 / part),
        ]

    def native(program: str, what: str, way: str) -> Row:
        """Beside it what a second frame alone adds, without which there is no trailer."""
        least = _added(figures, program, "two_frames") if way == "trailer" else None
        shown = f"a second frame alone {number(least)} us" if least is not None else ""
        language = dict(PROGRAMS)[program]
        measured = _added(figures, program, way)
        return Row("zmq", f"{language}, ipc, {what}, added to plain libzmq", measured, 0.3, shown, "us")

    def memory(what: str, program: str, op: str) -> Row:
        growth = figures.greatest(program, op, "growth_bytes")
        return Row("zmq", f"heap growth, {what}", growth, 0, "", "bytes")

    return [
        *python("counting only", "counting", 1.0, 30),
        *python("trailer and latency", "trailer", 4.0, 8),
        native("zmq-c", "counting only", "counting"),
        native("zmq-c", "trailer and latency", "trailer"),
        native("zmq-swift", "counting only", "counting"),
        native("zmq-swift", "trailer and latency", "trailer"),
        memory("C, 10,000,000 messages recorded", "zmq-c", "heap_recordings"),
        memory("C, 1,000,000 messages over inproc, counting only", "zmq-c", "heap_counting"),
        memory("C, the same, trailer", "zmq-c", "heap_trailer"),
        memory("Python, 10,000,000 messages recorded", "zmq-python", "heap_recordings"),
        memory("Python, 500,000 messages over inproc, counting only", "zmq-python", "heap_counting"),
        memory("Python, the same, trailer", "zmq-python", "heap_trailer"),
    ]


def messages(figures: Figures) -> list[list[str]]:
    """The cells of the table of times: send and receive, what each way adds to them, and flat out."""
    cells = []
    for program, op, _ in figures.lines:
        if program in dict(PROGRAMS) and figures.median(program, op, "send_ns") is not None:
            fields = ("send_ns", "receive_ns", "send_added_ns", "receive_added_ns")
            times = [number(figures.median(program, op, field), 1e3) for field in fields]
            both = number(_added(figures, program, op))
            flat_out = number(figures.median(program, op, "flat_out_ns"), 1e3)
            cells.append([dict(PROGRAMS)[program], op, *times, both, flat_out])
    return cells
