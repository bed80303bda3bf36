# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The table of ratios with their bounds, and the absolute figures below it."""

from __future__ import annotations

from collections.abc import Sequence

import adoption_rows
import exposition_rows
import http_rows
import life_rows
import zmq_rows
from row import Row, against, number, times

from figures import LEAST_REPEATS, Figures


def rows(figures: Figures, sizes: dict[str, int], many: int, peer_many: int) -> list[Row]:
    """The table. sizes has the bytes on disk of the stores `few` and `many`, and of the peer's."""

    def one(what: str, op: str, bound: float) -> Row:
        peer = figures.ratio("prometheus-cpp", op, "ns", "reference_ns")
        ratio = figures.ratio("fdm", op, "ns", "reference_ns")
        return Row("updates", what, ratio, bound, against("prometheus-cpp", peer))

    def two(what: str, op: str, bound: float) -> Row:
        peer = figures.two_threads("prometheus-cpp", op, "against_one_thread")
        ratio = figures.two_threads("fdm", op, "against_one_thread")
        return Row("updates", what, ratio, bound, against("prometheus-cpp", peer))

    def text(what: str, op: str, bound: float) -> Row:
        return Row("text", what, figures.ratio("text", op, "ns", "peer_ns"), bound)

    def size(few_name: str, many_name: str) -> float | None:
        return sizes[many_name] / sizes[few_name] if few_name in sizes and many_name in sizes else None

    def python(what: str, op: str) -> Row:
        return Row("python", what, figures.ratio("python", op, "ns", "peer_ns"), 1 / 3)

    scrape_peer = figures.ratio("prometheus_client", "scrape", "many_ns", "few_ns")
    size_peer = size("peer few", "peer many")
    after = f"after {many:,} short-lived processes, against after 1"
    note = f" (after {peer_many:,})"
    return [
        one("fdm_counter_inc, against a bare lock add", "counter_inc", 2.0),
        two("the same from 2 threads on 2 CPUs, per update, against 1 thread", "counter_inc", 1.25),
        one("fdm_histogram_observe, 15 bounds, one value, against a bare lock add", "histogram_observe", 4.0),
        one("the same, varying values", "histogram_observe_varying", 4.0),
        two("fdm_histogram_observe, one value, 2 threads, per update, against 1", "histogram_observe", 1.25),
        two("the same, varying values", "histogram_observe_varying", 1.25),
        one("look-up of an existing series (2 labels) and inc, against a bare lock add", "labels_inc", 20.0),
        text("text of 5,000 labelled counters, against prometheus-cpp", "text_5000_counters", 0.15),
        text("text of 500 series with 200 histograms (3,700 lines), against prometheus-cpp", "text_500_mixed", 0.25),
        Row(
            "processes",
            f"scrape (fdm_render) {after}",
            figures.ratio("churn", "scrape", "many_ns", "few_ns"),
            1.1,
            against("prometheus_client", scrape_peer, note),
        ),
        Row(
            "processes",
            "the same by fdm_render_directory",
            figures.ratio("churn", "scrape_directory", "many_ns", "few_ns"),
            1.1,
        ),
        Row(
            "processes", f"store size {after}", size("few", "many"), 1.1, against("prometheus_client", size_peer, note)
        ),
        python("Python counter.inc(), against prometheus_client in multi-process mode", "counter_inc"),
        python("Python histogram.observe(), against the same", "histogram_observe"),
        *exposition_rows.rows(figures),
        *adoption_rows.rows(figures),
        *zmq_rows.rows(figures),
        *http_rows.rows(figures),
        *life_rows.rows(figures),
    ]


def disturbed(figures: Figures) -> list[str]:
    """What could not be measured with two threads, because the machine had other things to do."""
    lines = []
    for program, op, threads in figures.lines:
        kept, tried = figures.repeats(program, op)
        if threads == 2 and kept < LEAST_REPEATS:
            lines.append(
                f"{program} {op}, two threads: {kept} of {tried} repeats undisturbed; run it on an idle machine"
            )
    return lines


def _table(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cells[i]) for cells in [header, *body]) for i in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |" for cells in [header, *body]
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return lines


def table(selected: Sequence[Row]) -> list[str]:
    """The table of bounds as lines of Markdown."""
    body = [
        [row.what, row.shown(row.measured), f"<= {row.shown(row.bound)}", row.verdict, row.peer] for row in selected
    ]
    return _table(["what", "measured", "bound", "", "the peer, in this run"], body)


def absolute(figures: Figures, sizes: dict[str, int]) -> list[str]:
    """All that was measured, in times; these move between machines."""
    lines: list[str] = []
    updates = []
    for program, op, threads in figures.lines:
        if threads == 1 and program in ("bare", "fdm", "prometheus-cpp"):
            kept, tried = figures.repeats(program, op)
            updates.append(
                [
                    program,
                    op,
                    number(figures.least(program, op, "ns")),
                    times(figures.ratio(program, op, "ns", "reference_ns")),
                    times(figures.median(program, op, "paired")),
                    number(figures.two_threads(program, op, "two_thread_ns")),
                    times(figures.two_threads(program, op, "against_one_thread")),
                    times(figures.two_threads(program, op, "against_contended_add")),
                    f"{kept}/{tried}" if tried else "-",
                ]
            )
    if updates:
        header = [
            "program",
            "operation",
            "ns",
            "x lock add",
            "median",
            "2 threads: ns",
            "x 1 thread",
            "x contended add",
            "kept",
        ]
        lines += ["", "Updates, ns an operation:", *_table(header, updates)]

    compared = []
    for program, op, _ in figures.lines:
        if program in ("text", "python"):
            scale, unit = (1e6, "ms") if program == "text" else (1.0, "ns")
            peer = figures.least(program, op, "peer_ns")
            first = figures.least(program, op, "first_ns")
            compared.append(
                [
                    program,
                    op,
                    unit,
                    number(figures.least(program, op, "ns"), scale),
                    number(peer, scale),
                    times(figures.ratio(program, op, "ns", "peer_ns")),
                    number(first, scale),
                ]
            )
    if compared:
        header = ["group", "what", "unit", "fdmetrics", "peer", "ratio", "first rendering"]
        lines += [
            "",
            "Text (peer: prometheus-cpp) and Python (peer: prometheus_client, multi-process):",
            *_table(header, compared),
        ]

    scrapes = []
    for program, op in (("churn", "scrape"), ("churn", "scrape_directory"), ("prometheus_client", "scrape")):
        if (program, op, 1) in figures.lines:
            few, many = (number(figures.least(program, op, name), 1e3) for name in ("few_ns", "many_ns"))
            scrapes.append([program, f"{op}, us", few, many])
    for label, prefix in (("churn", ""), ("prometheus_client", "peer ")):
        if prefix + "many" in sizes:
            scrapes.append([label, "bytes on disk", f"{sizes[prefix + 'few']:,}", f"{sizes[prefix + 'many']:,}"])
    if scrapes:
        lines += ["", "Short-lived processes:", *_table(["program", "what", "after 1", "after many"], scrapes)]
    formats = exposition_rows.formats(figures)
    if formats:
        header = ["series", "text, ms", "", "OpenMetrics", "bytes", "protobuf", "bytes", "swift-protobuf", "bytes"]
        lines += ["", "The same series in each format, bytes against those of the text:", *_table(header, formats)]
    messages = zmq_rows.messages(figures)
    if messages:
        header = ["program", "message", "send", "receive", "send adds", "receive adds", "both add", "flat out"]
        lines += ["", "Messages of 256 bytes between two processes, us a message:", *_table(header, messages)]
    calls = http_rows.recordings(figures)
    if calls:
        lines += ["", "swift-metrics through the store, ns a call:", *_table(["call", "ns"], calls)]
    answers = http_rows.answers(figures)
    if answers:
        header = ["after 50 scrapes each of", "peak memory, bytes", "bytes of an answer"]
        lines += ["", "fdmctl serve with 100,000 series:", *_table(header, answers)]
    return lines
