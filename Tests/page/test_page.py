# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the page shows of a store: values, rates, quantiles, pictures, processes."""

from __future__ import annotations

import itertools
import os
import signal
import time

from selenium.webdriver.common.keys import Keys

from browser import Page
from service import Recorder, Server, Service

SLOW = [0.05] * 10 + [0.5] * 30 + [5] * 9 + [50]


def record_all(recorder: Recorder) -> None:
    """A family of each type."""
    recorder.tell("counter", "requests", {"path": "/a", "code": "200"}, 1234567)
    recorder.tell("counter", "requests", {"path": "/b", "code": "500"}, 2.5)
    recorder.tell("counter", "sent_bytes", {}, 3 * 2**20)
    recorder.tell("gauge", "queue", {}, -7)
    recorder.tell("histogram", "delay_seconds", {}, SLOW)
    recorder.tell("summary", "size_bytes", {}, [1024, 3072])
    recorder.tell("info", "build", {"version": "1.2", "commit": 'a"b'})
    recorder.tell("state", "phase", "running")


def plain(text: str) -> str:
    """A text with ordinary blanks."""
    return text.replace("\u202f", " ")


def test_every_type(page: Page, recorder: Recorder) -> None:
    """Names, types, help, values with units, quantiles; the labels of an info, the state of a state set."""
    record_all(recorder)
    page.await_answers()
    values = {name: plain(page.row(name)["value"]) for name in page.families}
    assert values == {
        "build": "",
        "delay_seconds": "50",
        "phase": "running",
        "queue": "\u22127",
        "recorder_up": "1",
        "requests": "1.23 M",
        "sent_bytes": "3 MiB",
        "size_bytes": "2",
    }
    assert page.families == sorted(values)
    assert page.row("requests")["series"] == "2"
    assert plain(page.row("size_bytes")["p50"]) == "mean 2 KiB"
    badges = dict(zip(page.families, page.texts("tr.family .badge")))
    assert badges["requests"] == "counter" and badges["phase"] == "state set" and badges["queue"] == "gauge"
    helps = dict(zip(page.families, page.texts("tr.family .help")))
    assert helps["queue"] == "The gauge queue."
    assert page.texts("tr.family .pair") == ['commita"b', "version1.2"]
    assert page.by_id("matched").text == "8 families, 9 series"


def test_quantiles_as_top_has_them(page: Page, recorder: Recorder, service: Service) -> None:
    """Of what was observed last; where that is nothing, of all, as `fdmctl top --once` and PromQL have it."""
    recorder.tell("histogram", "delay_seconds", {}, SLOW)
    page.await_answers(2)
    row = next(one for one in service.top()["series"] if one["name"] == "delay_seconds")
    expected = [row["p50"], row["p90"], row["p99"]]
    assert expected == [0.55, 6.0, 10.0]
    shown = [plain(page.row("delay_seconds")[name]) for name in ("p50", "p90", "p99")]
    assert shown == ["550 ms", "6 s", "10 s"]
    # Paused, so that the one answer in which the observations are new stays on the screen.
    page.by_id("pause").click()
    page.wait(lambda: page.state == "paused")
    recorder.tell("histogram", "delay_seconds", {}, [0.05] * 99 + [5])
    # What the server answers may be a fifth of a second old.
    time.sleep(0.3)
    known = len(page.answers)
    page.by_id("fold").click()
    page.wait(lambda: len(page.answers) > known)
    shown = page.wait(lambda: (page.row("delay_seconds")["p50"] != "550\u202fms") and page.row("delay_seconds"))
    # 50 of 100 in the first bucket, which holds 99: 0.1 * 50 / 99.
    assert [plain(shown[name]) for name in ("p50", "p90", "p99")] == ["50.5 ms", "90.9 ms", "100 ms"]


def test_rates_are_true(page: Page, recorder: Recorder) -> None:
    """A rate is what was added between two answers, divided by the time between them as the server measured it."""
    recorder.tell("counter", "jobs", {"kind": "a"}, 1000)
    recorder.tell("counter", "jobs", {"kind": "b"}, 1000)
    page.await_answers()
    page.button("jobs").click()
    page.wait(lambda: "jobs" in {one["family"]["name"] for one in series_rows(page)})
    page.by_id("pause").click()
    page.wait(lambda: page.state == "paused")
    added = 0
    for step in (300, 0, 7):
        before = page.answers[-1]
        recorder.tell("counter", "jobs", {"kind": "a"}, step)
        added += step
        after = page.wait(lambda before=before: newer_answer(page, before))
        rate = step / (after["time"] - before["time"])
        assert total(after, "jobs") == 2000 + added
        expected = page.use("format.js", "return it.humanRate(given[0])", rate)
        page.wait(lambda expected=expected: page.row("jobs")["rate"] == expected)
        assert page.row("jobs", "kinda")["rate"] == expected
        assert page.row("jobs", "kindb")["rate"] == "0/s"


def test_a_busy_counter(page: Page, recorder: Recorder, service: Service) -> None:
    """Two processes add by the clock: the total that is shown at the end is that of all that came before the kills."""
    other = service.recorder()
    for one in (recorder, other):
        one.tell("tick", "ticks", {}, 500)
    page.await_answers(5)
    page.wait(lambda: page.run("return document.querySelectorAll('.spark-line').length") >= 1)
    rates = [
        (total(after, "ticks") - total(before, "ticks")) / (after["time"] - before["time"])
        for before, after in itertools.pairwise(page.answers)
        if any(one["name"] == "ticks" for one in before["families"]) and after["time"] > before["time"]
    ]
    assert rates and all(rate >= 0 for rate in rates)
    recorder.kill()
    other.kill()
    page.await_answers(2)
    end = total(service.servers[0].ask(), "ticks")
    assert page.row("ticks")["value"] == page.use("format.js", "return it.human(given[0])", end)
    assert page.row("ticks")["rate"] == "0/s"


def test_removed_series_take_nothing_from_a_rate(page: Page, recorder: Recorder) -> None:
    """A series that is removed, and one that is made again, leave the family's rate as it is: never below zero, and no
    peak as high as a total."""
    recorder.tell("counter", "jobs", {"kind": "a"}, 1_000_000)
    recorder.tell("counter", "jobs", {"kind": "b"}, 1_000_000)
    page.await_answers()
    flows = [flow(page.answers[-1], "jobs")]
    for command in (["remove", "jobs", ["a"]], ["counter", "jobs", {"kind": "a"}, 5], ["remove", "jobs", ["b"]]):
        recorder.tell(*command)
        page.await_answers()
        flows.append(flow(page.answers[-1], "jobs"))
    steps = [after - before for before, after in itertools.pairwise(flows)]
    assert steps == [0, 5, 0]
    assert total(page.answers[-1], "jobs") == 5
    assert page.row("jobs")["value"] == "5"


def test_heat_map(page: Page, recorder: Recorder) -> None:
    """Cells stand where the buckets and intervals are that something came into; arrow keys tell what is in them."""
    recorder.tell("histogram", "delay_seconds", {}, [])
    page.await_answers()
    page.button("delay_seconds", "trend-button").click()
    recorder.tell("histogram", "delay_seconds", {}, SLOW)
    chart = page.wait(lambda: page.all("canvas.chart"))[0]
    page.await_answers(2)
    # How many of the small picture's pixels are painted, in the row of each bucket, from top (+Inf) to bottom.
    painted = page.wait(
        lambda: (
            (
                rows := page.run(
                    """
                const canvas = document.querySelector("canvas.spark");
                const {width, height} = canvas;
                return [0.125, 0.375, 0.625, 0.875].map((place) => {
                    const data = canvas.getContext("2d").getImageData(0, Math.floor(height * place), width, 1).data;
                    return data.filter((value, index) => index % 4 === 3 && value > 0).length;
                });"""
                )
            )
            and all(rows)
            and rows
        )
    )
    # All four buckets were used in one interval: the same columns, and far from all of them.
    assert len(set(painted)) == 1 and painted[0] < 40, painted
    colours = page.run(
        """
        const canvas = document.querySelector("canvas.chart");
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        const colours = new Set();
        for (let place = 0; place < data.length; place += 4) {
            if (data[place + 3] === 255) colours.add(data.slice(place, place + 3).join());
        }
        return colours.size;"""
    )
    assert colours > 4, "the large heat map has no cells, no lines or no texts"
    page.by_id("pause").click()
    page.wait(lambda: page.state == "paused")
    page.driver.execute_script("arguments[0].focus()", chart)
    said = set()
    for _ in range(40):
        chart.send_keys(Keys.ARROW_LEFT)
        text = plain(page.texts(".readout")[0]).split(", ", 1)[1].split(" observations")[0]
        said.add(text)
        if text != "0 s to 100 ms: 0 of 0" and not text.endswith("of 0"):
            break
    for _ in range(4):
        chart.send_keys(Keys.ARROW_DOWN)
    for _ in range(4):
        said.add(plain(page.texts(".readout")[0]).split(", ", 1)[1].split(" observations")[0])
        chart.send_keys(Keys.ARROW_UP)
    assert {
        "0 to 100 ms: 10 of 50",
        "100 ms to 1 s: 30 of 50",
        "1 s to 10 s: 9 of 50",
        "above 10 s: 1 of 50",
    } <= said, said
    facts = dict(zip(page.texts(".facts dt"), map(plain, page.texts(".facts dd"))))
    assert facts["Observations"] == "50" and facts["p50 in view"] == "550 ms" and facts["p95 in view"] == "8.50 s"


def test_line_charts(page: Page, recorder: Recorder) -> None:
    """The details of a gauge and of a counter have a line in the accent colour, and exact numbers."""
    recorder.tell("gauge", "level", {}, 12.5)
    recorder.tell("counter", "jobs", {}, 0.5)
    page.await_answers()
    for family, name, value in (("level", "Value", "12.5"), ("jobs", "Total", "0.5")):
        page.button(family, "trend-button").click()
        page.await_answers(2)
        facts = dict(zip(page.texts(".facts dt"), page.texts(".facts dd")))
        assert facts[name] == value, facts
        count = page.run(
            """
            const canvas = document.querySelector("canvas.chart");
            const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
            const wanted = [1, 3, 5].map((at) => parseInt(accent.slice(at, at + 2), 16));
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            let count = 0;
            for (let place = 0; place < data.length; place += 4) {
                // The area below a line is fainter, and the edge of a line a little.
                const isClose = wanted.every((part, at) => Math.abs(data[place + at] - part) < 6);
                if (data[place + 3] > 90 && isClose) count += 1;
            }
            return count;"""
        )
        assert count > 5, f"no line in the chart of {family}"
        page.button(family, "trend-button").click()
        page.wait(lambda: not page.all("canvas.chart"))


def test_processes(page: Page, recorder: Recorder, service: Service) -> None:
    """Each process with its state; one that is stopped, and one that is killed."""
    other = service.recorder()
    page.await_answers()
    row = page.process(other.pid)
    assert row is not None and row["state"] == "alive" and int(row["threads"]) >= 1
    assert row["process"].startswith("python") and row["memory"].endswith("MiB") and row["started"] != "\u2013"
    assert page.texts("[data-tile=processes] .tile-number") == ["2"]
    assert page.row("recorder_up")["value"] == "2"
    os.kill(other.pid, signal.SIGSTOP)
    page.wait(lambda: page.process(other.pid)["state"] == "stopped")
    os.kill(other.pid, signal.SIGCONT)
    page.wait(lambda: page.process(other.pid)["state"] == "alive")
    other.kill()
    page.wait(lambda: page.process(other.pid)["state"] == "dead")
    dead = page.process(other.pid)
    assert (dead["cpu"], dead["memory"], dead["threads"], dead["started"]) == ("\u2013",) * 4
    assert page.texts("[data-tile=processes] .tile-more") == ["1 dead"]
    # The dead stand below the living, whatever the order is.
    for _ in range(2):
        page.all(".processes [data-order=pid] .sort")[0].click()
        assert page.texts("tr.process .state span:last-child") == ["alive", "dead"]
    page.wait(lambda: page.row("recorder_up")["value"] == "1")


def test_names_of_processes(page: Page, recorder: Recorder, service: Service) -> None:
    """As the environment or a call says, also of a dead one; the kernel's is shown when the pointer rests on it."""
    other = service.recorder(FDMETRICS_PROCESS_NAME="engine-1")
    page.wait(lambda: (page.process(other.pid) or {}).get("process") == "engine-1")
    recorder.tell("name", "server \u65e5\u672c\u8a9e")
    page.wait(lambda: page.process(recorder.pid)["process"] == "server \u65e5\u672c\u8a9e")
    titles = page.run("return Array.from(document.querySelectorAll('td.process'), (one) => one.title)")
    assert len(titles) == 2 and all(title.startswith("python") for title in titles)
    other.kill()
    page.wait(lambda: page.process(other.pid)["state"] == "dead")
    assert page.process(other.pid)["process"] == "engine-1"
    page.all(".processes [data-order=process] .sort")[0].click()
    assert page.texts("td.process") == ["server \u65e5\u672c\u8a9e", "engine-1"]


def test_no_live_process(page: Page, recorder: Recorder, service: Service) -> None:
    """A store whose processes have all ended is there, but not live: the pill says so."""
    pill = page.by_id("status")
    assert page.state == "live" and pill.text == "Live"
    recorder.kill()
    page.wait(lambda: page.state == "deserted")
    assert pill.text == "No live process" and not page.by_id("banner").is_displayed()
    page.by_id("pause").click()
    assert pill.text == "Paused"
    page.by_id("pause").click()
    page.wait(lambda: page.state == "deserted")
    again = service.recorder()
    page.wait(lambda: page.state == "live" and pill.text == "Live")
    assert page.process(again.pid)["state"] == "alive"


def test_a_busy_process_has_cpu(page: Page, recorder: Recorder) -> None:
    """CPU time shows as a share and as a line."""
    recorder.tell("many", "items", 3000)
    recorder.tell("tick", "ticks", {}, 100)
    page.await_answers(3)
    text = page.wait(lambda: (row := page.process(recorder.pid)) and row["cpu"] != "\u2013" and row["cpu"])
    assert text.endswith("%") and float(text[:-2]) >= 0
    assert page.wait(lambda: page.run("return document.querySelector('tr.process .spark-line').getAttribute('d')"))


def test_store_figures(page: Page, recorder: Recorder, server: Server) -> None:
    """The tiles are the store's own figures."""
    recorder.tell("counter", "jobs", {"kind": "a"}, 1)
    recorder.tell("counter", "jobs", {"kind": "b"}, 1)
    recorder.tell("remove", "jobs", ["a"])
    page.await_answers()
    store = server.ask()["store"]
    tiles = dict(zip(page.texts(".tile dt"), page.texts(".tile-number")))
    assert tiles["Series"] == "2" == str(store["series"]) and store["removed_series"] == 1
    assert plain(tiles["Store"]) == f"{store['reserved_bytes'] // 1024} KiB"
    assert tiles["Refused"] == "0" and tiles["Damaged"] == "0"
    assert "2 families, 1 removed" in page.texts(".tile-more")
    assert page.by_id("directory").text == str(server.ask()["directory"])


def newer_answer(page: Page, before: dict) -> dict | None:
    """Has the page ask once; the answer, unless it is of the same reading of the store."""
    known = len(page.answers)
    page.run("document.getElementById('order').dispatchEvent(new Event('change'))")
    page.wait(lambda: len(page.answers) > known)
    after = page.answers[-1]
    return after if after["time"] > before["time"] else None


def series_rows(page: Page) -> list[dict]:
    """What the rows of series show."""
    return page.run(
        "return Array.from(document.querySelectorAll('tr.one'), (one) => ({family: {name: one.row.family.name}}))"
    )


def find(answer: dict, family: str) -> dict:
    """A family of an answer."""
    return next(one for one in answer["families"] if one["name"] == family)


def total(answer: dict, family: str) -> float:
    """A counter's total, over all series."""
    return find(answer, family)["totals"][0]


def flow(answer: dict, family: str) -> float:
    """What has come to a counter since the server looks at it."""
    return find(answer, family)["flow"][0]
