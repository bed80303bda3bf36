# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The rows of the groups `serve`, of `fdmctl serve`, and `swift-metrics`, of the backend of swift-metrics."""

from __future__ import annotations

from row import Row, number

from figures import Figures

MEGABYTE = 1_000_000


def rows(figures: Figures) -> list[Row]:
    """The table's part."""
    render = figures.least("serve", "scrape", "peer_ns")
    sent = figures.least("serve", "scrape", "transfer_ns")
    beside = f"the render {number(render, 1e6)} ms; the bytes sent, no more, {number(sent, 1e6)} ms" if render else ""
    word = figures.least("swift-metrics", "counter_increment", "yardstick_ns")
    words = figures.two_threads("swift-metrics", "counter_increment", "yardstick_ns")
    yardstick = "one atomic add to a shared word, as swift-prometheus does it"
    return [
        Row(
            "serve",
            "a scrape of 20,000 series over HTTP, gzip off, against the render alone",
            figures.ratio("serve", "scrape", "ns", "peer_ns"),
            1.3,
            beside,
        ),
        Row(
            "serve",
            "peak memory of fdmctl serve, 100,000 series, 50 scrapes of each format, with gzip and without",
            figures.greatest("serve", "memory", "peak_bytes"),
            64 * MEGABYTE,
            "",
            "bytes",
        ),
        Row(
            "serve",
            "an increment while 20,000 series are scraped 20 times a second, against unscraped",
            figures.two_threads("serve", "writers", "against_unscraped"),
            1.05,
        ),
        Row(
            "swift-metrics",
            f"swift-metrics Counter.increment(), against a handler of {yardstick}",
            figures.ratio("swift-metrics", "counter_increment", "ns", "yardstick_ns"),
            1.3,
            f"yardstick {number(word)} ns" if word is not None else "",
        ),
        Row(
            "swift-metrics",
            "the same on 2 threads on 2 CPUs",
            figures.two_threads("swift-metrics", "counter_increment", "against_yardstick"),
            0.2,
            f"yardstick {number(words)} ns" if words is not None else "",
        ),
    ]


def recordings(figures: Figures) -> list[list[str]]:
    """The cells of the table of swift-metrics' calls, ns each."""
    return [
        [op, number(figures.least(program, op, "ns"))]
        for program, op, threads in figures.lines
        if program == "swift-metrics" and threads == 1
    ]


def answers(figures: Figures) -> list[list[str]]:
    """The cells of the table of peaks: after the scrapes of each format, in this order, and how long an answer was."""
    lines = figures.lines.get(("serve", "memory", 1), [])
    if not lines:
        return []
    last = lines[-1]
    return [[name, f"{peak:,}", f"{last['answers'][name]:,}"] for name, peak in last["peaks"].items()]
