# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The page in windows of many widths: no text is cut or lies on another, on a phone least of all."""

from __future__ import annotations

import pytest

from browser import Browser, Page
from service import Recorder, Server, Service

#: What is cut by a box or the window's edge, and which texts lie on one another, of all that can be seen.
FAULTS = """
// The bar at the top lies on what is scrolled away below it.
scrollTo(0, 0);
const faults = [], pieces = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const node = walker.currentNode, owner = node.parentElement, text = node.textContent.trim();
    if (!text || !owner.checkVisibility({visibilityProperty: true})) continue;
    if (owner.closest(`.skip, option, noscript, svg, ${arguments[0]}`)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
        if (box.width < 1) continue;
        if (box.left < -0.5 || box.right > innerWidth + 0.5) faults.push(`${text} is beyond the window`);
        for (let one = owner; one; one = one.parentElement) {
            const edge = one.getBoundingClientRect();
            if (getComputedStyle(one).overflowX === "visible") continue;
            if (box.left < edge.left - 0.5 || box.right > edge.right + 0.5)
                faults.push(`${text} is cut by ${one.tagName}.${one.className}`);
        }
        pieces.push({box, text, node});
    }
}
for (const [index, {box, text, node}] of pieces.entries()) for (const other of pieces.slice(index + 1)) {
    const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
    const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
    if (node !== other.node && wide > 1 && high > 4) faults.push(`${text} lies on ${other.text}`);
}
return faults;
"""
LONG = "0123456789abcdef" * 12


def record_extremes(recorder: Recorder) -> None:
    """The widest numbers and names that there are."""
    recorder.tell("name", "engine-日本語-" + "long-name-" * 9)
    recorder.tell("counter", "jobs", {}, 123456789012)
    for path, code, amount in (("/v1/" + LONG, "200", 999_999), ("/short", "500", 88_888_888), ("/c", "404", 1)):
        recorder.tell("counter", "requests", {"path": path, "code": code}, amount)
    recorder.tell("counter", "traffic_bytes", {}, 1023 * 1024**4)
    recorder.tell("gauge", "temperature", {"where": "a"}, -123.456e-9)
    recorder.tell("gauge", "temperature", {"where": "b"}, -9.87654e22)
    recorder.tell("gauge", "last_update_timestamp_seconds", {}, 1.5e9)
    recorder.tell("histogram", "delay_seconds", {}, [0.05, 0.5, 5, 50, 0.123] * 20)
    recorder.tell("histogram", "a_name_" + "that_goes_on_" * 7 + "seconds", {}, [0.05] * 7)
    recorder.tell("summary", "size_bytes", {}, [1e15, 2e15, 12345])
    recorder.tell("info", "build", {"version": "1.2.3", "commit": LONG})
    recorder.tell("state", "phase", "running")
    recorder.tell("tick", "ticks", {}, 3000)


def opened(browser: Browser, server: Server, width: int) -> Page:
    """The page with two details and three series open."""
    browser.set_width(width)
    page = browser.open(server.url, answers=3)
    page.button("delay_seconds", "trend-button").click()
    page.button("requests", "trend-button").click()
    page.button("requests").click()
    page.wait(lambda: len(page.all("tr.one")) == 3 and len(page.all("canvas.chart")) == 2)
    page.await_answers(2)
    return page


@pytest.mark.parametrize("width", [320, 360, 390, 430, 760, 800, 1000, 1100, 1360])
def test_nothing_is_cut(service: Service, server: Server, browser: Browser, width: int) -> None:
    """Numbers are whole, names wrap, and values and pictures are there; only a line of help ends with dots."""
    recorder = service.recorder()
    record_extremes(recorder)
    service.recorder().kill()
    page = opened(browser, server, width)
    is_phone = width <= 760
    page.wait(lambda: page.row("delay_seconds")["p99"] != "")
    assert page.run(FAULTS, ".never" if is_phone else ".help") == []
    assert page.run("return document.documentElement.scrollWidth") <= width
    shown = "checkVisibility({visibilityProperty: true})"
    visible = page.run(
        f"""
        return Object.fromEntries(["value", "rate", "p50", "p90", "p99", "trend"].map((name) => [name, Array.from(
            document.querySelectorAll(`tr.family[data-type=histogram] td.${{name}}`)).every((one) => one.{shown})]));"""
    )
    # Of a window of middle width p90 is left out, as a whole.
    assert visible == {**dict.fromkeys(visible, True), "p90": is_phone or width > 1100}
    if is_phone:
        page.choose("order", "value")
        page.wait(lambda: page.families[0] == "traffic_bytes")


@pytest.mark.parametrize("width", [390, 1100, 1360, 2400])
def test_long_values_wrap_at_a_sane_width(recorder: Recorder, server: Server, browser: Browser, width: int) -> None:
    """A value of a label is neither an endless line nor a column of a few letters, also while details are open."""
    record_extremes(recorder)
    page = opened(browser, server, width)
    widths = page.run(
        """
        return Array.from(document.querySelectorAll(".pair-value")).filter((one) => one.textContent.length > 100)
            .map((one) => Math.max(...Array.from(one.getClientRects(), (box) => box.width))
                / parseFloat(getComputedStyle(one).fontSize) / 0.6);"""
    )
    # In letters of the font.
    assert len(widths) == 2 and all(30 <= one <= 75 for one in widths), widths


def test_tiles_of_large_numbers(recorder: Recorder, server: Server, browser: Browser) -> None:
    """They are shortened, and exact when the pointer rests on them."""
    browser.set_width(390)
    page = browser.open(server.url)
    shown = page.use(
        "summary.js",
        """
        document.querySelectorAll(".tile").forEach((one) => one.remove());
        const answer = structuredClone(given[0]);
        Object.assign(answer.store, {series: 1234567, dropped_no_space: 987654321, reserved_bytes: 1023 * 1024 ** 4,
            damaged_records: 999999});
        new it.Summary().update(answer);
        return Array.from(document.querySelectorAll(".tile"), (one) => [
            one.dataset.tile, one.querySelector(".tile-number").textContent, one.title]);""",
        page.answers[-1],
    )
    tiles = {name: (number, title) for name, number, title in shown}
    assert tiles["series"] == ("1.23\u202fM", "1,234,567") and tiles["damaged"] == ("999,999", "999,999")
    assert tiles["refused"] == ("988\u202fM", "987,654,321") and tiles["store"][0] == "1,023\u202fTiB"
    page.choose("interval", "30")
    assert page.run(FAULTS, ".never") == []
