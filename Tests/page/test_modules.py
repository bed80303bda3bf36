# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The page's own computations, in the browser: quantiles, rates, labels, numbers, scales."""

from __future__ import annotations

import random
from typing import Any

import pytest

from browser import Browser, Page
from service import Service

HISTOGRAM = {"type": "histogram", "bounds": [1, 2]}


@pytest.fixture(scope="module")
def page(session_service: Service, session_browser: Browser) -> Page:
    """The page, opened once: these tests only use its modules."""
    session_browser.renew()
    return session_browser.open(session_service.serve().url)


def test_quantiles(page: Page) -> None:
    """Against a second computation of what PromQL's histogram_quantile() does, for random histograms."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    cases = []
    for _ in range(300):
        bounds = sorted(draw.sample(range(-20, 200), draw.randint(1, 12)))
        counts = [draw.choice([0, 0, 1, 7, 1000]) for _ in range(len(bounds) + 1)]
        cases.append((draw.random(), counts, bounds))
    found = page.use("quantile.js", "return given[0].map((one) => it.histogramQuantile(...one))", cases)
    for case, value in zip(cases, found):
        expected = quantile(*case)
        assert value == expected or value == pytest.approx(expected), case


def quantile(share: float, counts: list[int], bounds: list[float]) -> float | None:
    """By cumulative buckets, as a Prometheus server has them."""
    cumulative = [sum(counts[: place + 1]) for place in range(len(counts))]
    if cumulative[-1] == 0:
        return None
    rank = share * cumulative[-1]
    bucket = next(place for place, count in enumerate(cumulative) if count >= rank)
    if bucket == len(bounds):
        return bounds[-1]
    if bucket == 0 and bounds[0] <= 0:
        return bounds[0]
    start = bounds[bucket - 1] if bucket else 0
    below = cumulative[bucket - 1] if bucket else 0
    inside = counts[bucket]
    return start + (bounds[bucket] - start) * ((rank - below) / inside) if inside else start


@pytest.mark.parametrize(
    ("now", "before", "width", "expected"),
    [
        ([5], [3], 1, [2]),
        ([5], None, 1, [5]),
        ([2], [5], 1, [2]),
        ([5, 0, 7.5], [3, 0, 2.5], 2, [2, 0, 5]),
        # One bucket fell: the series was made again, and all of it is new.
        ([9, 1, 4], [3, 2, 3], 2, [9, 1, 4]),
        # A sum may fall: of negative observations.
        ([4, -3], [3, 2], 1, [1, -5]),
    ],
)
def test_gained(page: Page, now: list[float], before: list[float] | None, width: int, expected: list[float]) -> None:
    """What came between two readings."""
    assert page.use("history.js", "return it.gained(given[0], given[1], given[2])", now, before, width) == expected


def answer(time: float, values: list[list[float]], epoch: int = 1, **family: Any) -> dict[str, Any]:
    """An answer with one family."""
    series = [{"labels": f'{{n="{number}"}}', "values": one} for number, one in enumerate(values)]
    totals = [sum(column) for column in zip(*values)]
    return {
        "time": time,
        "epoch": epoch,
        "families": [
            {"name": "f", "type": "counter", "series_count": len(values), "series": series, "flow": totals} | family
        ],
    }


def points(page: Page, answers: list[dict[str, Any]], labels: str | None = None) -> list[dict[str, Any]]:
    """The history of the family, or of a series, after these answers."""
    script = """
        const history = new it.History();
        for (const answer of given[0]) history.take(answer);
        return (given[1] === null ? history.family("f") : history.series("f", given[1]))?.points ?? [];"""
    return page.use("history.js", script, answers, labels)


def test_history(page: Page) -> None:
    """Rates by the server's clock; an answer of the same sample, another store, a gap."""
    found = points(page, [answer(10, [[5]]), answer(12, [[9]]), answer(12, [[9]]), answer(12.5, [[9]])])
    assert [(one["time"], one["seconds"], one["rate"]) for one in found] == [(12, 2, 2), (12.5, 0.5, 0)]
    found = points(
        page, [answer(10, [[5]]), answer(12, [[9]]), answer(1, [[700]], epoch=2), answer(2, [[701]], epoch=2)]
    )
    assert [(one["time"], one["rate"]) for one in found] == [(2, 1)]
    # A series that was not there began at 0, where the answer before had all of them; else nobody knows.
    two = [answer(10, [[5]]), answer(12, [[5], [8]])]
    assert [one["rate"] for one in points(page, two, '{n="1"}')] == [4]
    two[0]["families"][0]["series_count"] = 2
    assert points(page, two, '{n="1"}') == []
    # Of one that was out of sight for a while there is no rate for the time between.
    gap = [answer(10, [[5]]), answer(12, [[6]]), answer(14, []), answer(16, [[60]]), answer(18, [[62]])]
    gap[2]["families"][0] |= {"series_count": 1, "flow": None}
    assert [(one["time"], one["rate"]) for one in points(page, gap, '{n="0"}')] == [(12, 0.5), (18, 1)]


def test_history_of_types(page: Page) -> None:
    """Gauges have values, histograms their buckets, summaries a mean; a total that is infinite has no rate."""
    found = points(page, [answer(1, [[3]], type="gauge", flow=None)], '{n="0"}')
    assert [one["value"] for one in found] == [3]
    found = points(page, [answer(1, [[1, 0, 2, 9]], **HISTOGRAM), answer(3, [[4, 0, 3, 20]], **HISTOGRAM)])
    assert [(one["counts"], one["rate"]) for one in found] == [([3, 0, 1], 2)]
    found = points(
        page,
        [answer(1, [[1, 5]], type="summary"), answer(2, [[3, 6]], type="summary"), answer(3, [[3, 6]], type="summary")],
    )
    assert [(one["rate"], one["mean"]) for one in found] == [(2, 0.5), (0, None)]


def test_history_is_bounded(page: Page) -> None:
    """So many points and no more, and nothing of what is long gone."""
    script = """
        const history = new it.History();
        for (let time = 1; time <= 500; time += 1) {
            history.take({time, epoch: 1, families: [{name: `f${time}`, type: "gauge", series_count: 1,
                series: [{labels: "", values: [1]}]}, {name: "g", type: "gauge", series_count: 1,
                series: [{labels: "", values: [time]}]}]});
        }
        return [history.tracks.size, history.series("g", "").points.length, it.POINTS];"""
    size, kept, most = page.use("history.js", script)
    assert kept == most and size <= most + 3


def escaped(value: str) -> str:
    """As the text formats do it."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def test_labels(page: Page) -> None:
    """Random values of awkward characters come back as they were."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    cases = [
        [
            (f"l{place}", "".join(draw.choices('\\"n\n,{}= \u00e4\U0001f600', k=draw.randrange(9))))
            for place in range(draw.randrange(5))
        ]
        for _ in range(300)
    ]
    texts = ["{" + ",".join(f'{name}="{escaped(value)}"' for name, value in one) + "}" for one in cases]
    found = page.use("labels.js", "return given[0].map(it.parseLabels)", texts)
    assert [[tuple(pair) for pair in one] for one in found] == cases
    assert page.use("labels.js", "return given[0].map(it.parseLabels)", ["", "{", '{a="', "{a", '{"a.b"="c"}']) == [
        [],
        [],
        [["a", ""]],
        [],
        [["a.b", "c"]],
    ]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "none", "0"),
        (1, "none", "1"),
        (-2.5, "none", "\u22122.50"),
        (999999, "none", "999,999"),
        (1234567, "none", "1.23 M"),
        (999999999, "none", "1.00 G"),
        (0.5, "none", "0.500"),
        (12.345, "none", "12.3"),
        (1e-9, "none", "1.0e-9"),
        (1e30, "none", "1.0e12 E"),
        (1023, "bytes", "1,023 B"),
        (1024, "bytes", "1 KiB"),
        (1.5 * 2**30, "bytes", "1.50 GiB"),
        (5e-9, "seconds", "5 ns"),
        (0.0000015, "seconds", "1.50 \u00b5s"),
        (0.25, "seconds", "250 ms"),
        (1, "seconds", "1 s"),
        (61, "seconds", "61 s"),
        (3725, "seconds", "1 h 02 m"),
        (0.123, "ratio", "12.3 %"),
        (None, "none", "\u2013"),
        ("+Inf", "none", "+Inf"),
        ("NaN", "bytes", "NaN"),
        ("-Inf", "seconds", "\u2212Inf"),
    ],
)
def test_numbers(page: Page, value: Any, unit: str, text: str) -> None:
    """Numbers as a person reads them."""
    script = """
        const named = {"+Inf": Infinity, "-Inf": -Infinity, NaN: NaN};
        return it.human(named[given[0]] ?? given[0], given[1]);"""
    assert page.use("format.js", script, value, unit).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([], 0, 1), ([0], 0, 1), ([5], 0, 6), ([-5], -6, 0), ([3, 97], 0, 100), ([96, 97], 96, 97), ([-3, 5], -4, 6)],
)
def test_scales(page: Page, values: list[float], low: float, high: float) -> None:
    """Heights begin at 0 where values are not far from it, and have room for all."""
    scale = page.use("chart.js", "return it.scaleOf(given[0])", values)
    assert scale["low"] == pytest.approx(low) and scale["high"] == pytest.approx(high)
    assert 2 <= (scale["high"] - scale["low"]) / scale["step"] <= 8


@pytest.mark.parametrize("values", [[1e308, -1e308, 0], [-1e308, -1e308, -1e308], [5e-324, 0, 5e-324], [1.7e308] * 3])
def test_a_line_of_any_numbers(page: Page, values: list[float]) -> None:
    """The largest and the least that there are make a line within its picture."""
    script = """
        const line = new it.Sparkline();
        line.update(given[0].map((y, time) => ({ time, y })), { start: 0, end: 2, seconds: 2 }, String);
        return line.line.getAttribute("d").slice(1).split("L").map((place) => place.split(" ").map(Number));"""
    places = page.use("sparkline.js", script, values)
    assert len(places) == 3
    assert all(0 <= x <= 160 and 0 <= y <= 28 for x, y in places), places


def test_units(page: Page) -> None:
    """By what a family declares, else by its name."""
    families = [
        {"name": "a_seconds", "unit": ""},
        {"name": "a", "unit": "bytes"},
        {"name": "x:msg_bytes_send", "unit": ""},
        {"name": "kbytes", "unit": ""},
        {"name": "last_run_timestamp_seconds", "unit": ""},
        {"name": "a_ratio", "unit": ""},
    ]
    found = page.use("format.js", "return given[0].map(it.unitOf)", families)
    assert found == ["seconds", "bytes", "bytes", "none", "time", "ratio"]
