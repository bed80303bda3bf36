# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a person can do with the page: filter, sort, fold, pause, change colours; by keyboard."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Browser, Page
from service import Recorder, Server


def record_some(recorder: Recorder) -> None:
    """Families of several types, and a counter of six series."""
    for path, code, amount in (
        ("/a", "200", 60),
        ("/a", "500", 3),
        ("/b", "200", 40),
        ("/b", "404", 5),
        ("/c", "200", 9),
    ):
        recorder.tell("counter", "requests", {"path": path, "code": code}, amount)
    recorder.tell("counter", "jobs", {"Kind": "Slow"}, 1000)
    recorder.tell("gauge", "queue", {"path": "/a"}, 5)
    recorder.tell("histogram", "delay_seconds", {}, [0.5])


@pytest.fixture
def shown(recorder: Recorder, page: Page) -> Page:
    """The page with these families."""
    record_some(recorder)
    page.await_answers()
    return page


def test_filter(shown: Page) -> None:
    """By name, by label, by both, without regard to case; words that must not be there; nothing that matches."""
    shown.filter("request")
    assert shown.families == ["requests"] and len(shown.all("tr.one")) == 5
    shown.filter("path=/a")
    assert shown.families == ["queue", "requests"]
    assert shown.texts("tr.one .label") == ["code200path/a", "code500path/a"]
    assert shown.row("requests")["series"] == "2 of 5"
    shown.filter("requests path=/ -code=200")
    assert shown.texts("tr.one .label") == ["code404path/b", "code500path/a"]
    shown.filter("kind=slow")
    assert shown.families == ["jobs"]
    shown.filter("no such thing")
    assert shown.families == [] and shown.by_id("no-match").is_displayed()
    shown.filter("")
    assert len(shown.families) == 5 and not shown.by_id("no-match").is_displayed()


def test_filter_in_the_address(shown: Page) -> None:
    """A reload keeps what was chosen, and a link leads to it."""
    shown.filter("path=/a")
    shown.all(".chip[data-type=counter]")[0].click()
    shown.wait(lambda: shown.families == ["requests"])
    url = shown.driver.current_url
    assert url.endswith("#filter=path%3D%2Fa&type=counter")
    shown.driver.get("about:blank")
    shown.driver.get(url)
    shown.wait(lambda: shown.families == ["requests"])
    assert shown.by_id("filter").get_attribute("value") == "path=/a"
    shown.all(".chip[data-type=counter]")[0].click()
    shown.wait(lambda: shown.families == ["queue", "requests"])


def test_types(shown: Page) -> None:
    """A type shows its families alone; each says how many there are."""
    counts = {one.get_attribute("data-type"): one.text for one in shown.all(".chip") if one.is_displayed()}
    assert counts == {"counter": "counter 2", "gauge": "gauge 2", "histogram": "histogram 1"}
    shown.all(".chip[data-type=gauge]")[0].click()
    shown.wait(lambda: shown.families == ["queue", "recorder_up"])
    assert shown.all(".chip[data-type=gauge]")[0].get_attribute("aria-pressed") == "true"


def test_sort(shown: Page, recorder: Recorder) -> None:
    """Families and their series by name, value, number of series, rate; each also the other way round."""
    shown.button("requests").click()
    shown.wait(lambda: len(shown.all("tr.one")) == 5)

    def sort(order: str) -> None:
        known = shown.run("return window.answers.length")
        shown.all(f".metrics [data-order={order}] .sort")[0].click()
        shown.wait(lambda: shown.run("return window.answers.length") > known and shown.asked["order"] == [order])

    assert shown.all(".metrics [data-order=name]")[0].get_attribute("aria-sort") == "ascending"
    sort("value")
    shown.wait(lambda: shown.families[0] == "jobs")
    assert shown.texts("tr.one td.value") == ["60", "40", "9", "5", "3"]
    assert shown.all(".metrics [data-order=value]")[0].get_attribute("aria-sort") == "descending"
    sort("value")
    shown.wait(lambda: shown.families[-1] == "jobs")
    assert shown.texts("tr.one td.value") == ["3", "5", "9", "40", "60"]
    sort("series")
    shown.wait(lambda: shown.families[0] == "requests")
    sort("name")
    shown.wait(lambda: shown.families == sorted(shown.families))
    sort("name")
    shown.wait(lambda: shown.families == sorted(shown.families, reverse=True))
    recorder.tell("tick", "requests", {"path": "/c", "code": "200"}, 1000)
    sort("rate")
    shown.wait(lambda: shown.families[0] == "requests" and shown.texts("tr.one .label")[0] == "code200path/c")


def test_folding(shown: Page) -> None:
    """A family's name shows its series and hides them; one button does it for all."""
    button = shown.button("requests")
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    shown.wait(lambda: len(shown.all("tr.one")) == 5)
    assert button.get_attribute("aria-expanded") == "true"
    button.click()
    shown.wait(lambda: not shown.all("tr.one"))
    shown.by_id("fold").click()
    shown.wait(lambda: len(shown.all("tr.one")) == 5)
    shown.by_id("fold").click()
    shown.wait(lambda: not shown.all("tr.one"))


def test_pause(shown: Page, recorder: Recorder) -> None:
    """Paused, the page asks for nothing and shows what it showed; then it goes on."""
    shown.by_id("pause").click()
    shown.wait(lambda: shown.state == "paused")
    # One that was asked for before may still come; a timer that was not stopped would fire within these moments.
    shown.driver.execute_async_script("setTimeout(arguments[0], 700)")
    known = len(shown.answers)
    recorder.tell("counter", "jobs", {"Kind": "Slow"}, 500)
    shown.driver.execute_async_script("setTimeout(arguments[0], 1300)")
    assert len(shown.answers) == known and shown.row("jobs")["value"] == "1,000"
    shown.driver.find_element(By.TAG_NAME, "body").send_keys("p")
    shown.wait(lambda: shown.state == "live" and shown.row("jobs")["value"] == "1,500")


def test_interval_and_theme_are_kept(shown: Page, server: Server) -> None:
    """The browser keeps both settings for the next visit."""
    shown.choose("interval", "5")
    shown.choose("theme", "dark")
    shown.driver.get("about:blank")
    shown.driver.get(server.url)
    assert shown.by_id("interval").get_attribute("value") == "5"
    assert shown.by_id("theme").get_attribute("value") == "dark"
    assert shown.run("return document.documentElement.dataset.theme") == "dark"
    shown.wait(lambda: plain_window(shown) == "10 min")


def plain_window(page: Page) -> str:
    """How long the pictures reach back."""
    return page.by_id("window").text.replace("\u202f", " ")


def background(page: Page) -> str:
    """The colour behind everything."""
    return str(page.run("return getComputedStyle(document.body).backgroundColor"))


def test_themes(shown: Page, browser: Browser) -> None:
    """The system's preference decides, unless a theme was chosen."""
    browser.set_scheme("light")
    light = background(shown)
    browser.set_scheme("dark")
    dark = background(shown)
    assert (light, dark) == ("rgb(245, 246, 249)", "rgb(13, 17, 23)")
    shown.choose("theme", "light")
    assert background(shown) == light
    browser.set_scheme("light")
    shown.choose("theme", "dark")
    assert background(shown) == dark
    shown.choose("theme", "auto")
    assert background(shown) == light


def luminance(colour: str) -> float:
    """Of #rrggbb, as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(shown: Page, theme: str) -> None:
    """Texts stand out from what is behind them by at least 4.5 to 1, lines of pictures by 3 to 1 (WCAG 2.2 AA)."""
    shown.choose("theme", theme)

    def colour(name: str) -> float:
        script = "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0]).trim()"
        return luminance(shown.run(script, f"--{name}"))

    types = [f"type-{name}" for name in ("counter", "gauge", "histogram", "summary", "info", "stateset")]
    texts = ["text", "muted", "accent", "good", "warning", "bad", *types]
    cases = [(text, ground, 4.5) for text in texts for ground in ("surface", "raised", "ground")]
    cases += [(line, "raised", 3.0) for line in ("p50", "p90", "p99", "accent")] + [("bad", "bad-soft", 4.5)]
    for text, ground, least in cases:
        high, low = sorted((colour(text), colour(ground)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= least, f"{text} on {ground} in {theme}"


def test_both_dark_themes_are_the_same(shown: Page, browser: Browser) -> None:
    """The colours of the dark theme stand in the style sheet twice, for the system's preference and the choice."""
    script = """
        const style = getComputedStyle(document.documentElement), names = new Set();
        for (const sheet of document.styleSheets) for (const rule of sheet.cssRules) {
            if (rule.selectorText !== ":root") continue;
            for (const name of rule.style) if (name.startsWith("--")) names.add(name);
        }
        return Array.from(names, (name) => name + style.getPropertyValue(name));"""
    browser.set_scheme("dark")
    by_system = shown.run(script)
    browser.set_scheme("light")
    light = shown.run(script)
    shown.choose("theme", "dark")
    assert shown.run(script) == by_system and len(by_system) > 20
    assert all(one != other for one, other in zip(light, by_system))


def test_keyboard(shown: Page) -> None:
    """Everything can be reached and pressed without a pointer, and a refresh does not take the focus away."""
    body = shown.driver.find_element(By.TAG_NAME, "body")
    body.send_keys("/")
    active = shown.driver.switch_to.active_element
    assert active.get_attribute("id") == "filter"
    active.send_keys("requests")
    shown.wait(lambda: shown.families == ["requests"])
    active.send_keys(Keys.ESCAPE)
    shown.wait(lambda: len(shown.families) == 5)
    assert active.get_attribute("value") == ""
    reached = set()
    for _ in range(60):
        shown.driver.switch_to.active_element.send_keys(Keys.TAB)
        active = shown.driver.switch_to.active_element
        reached.add(active.accessible_name)
        if active.accessible_name == "requests":
            break
    assert {"Name", "Value", 'Details of queue{path="/a"}'} <= reached, reached
    active.send_keys(Keys.ENTER)
    shown.wait(lambda: len(shown.all("tr.one")) == 5)
    shown.await_answers(2)
    assert shown.driver.switch_to.active_element.accessible_name == "requests"


def test_names_for_screen_readers(shown: Page) -> None:
    """Whatever can be operated, and every picture, has a name; tables are tables with heads."""
    shown.button("delay_seconds", "trend-button").click()
    shown.button("requests").click()
    shown.wait(lambda: len(shown.all("tr.one")) == 5 and shown.all("canvas.chart"))
    shown.await_answers(2)
    nodes: list[dict[str, Any]] = shown.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    seen: dict[str, int] = {}
    for node in nodes:
        if node.get("ignored"):
            continue
        role = node["role"]["value"]
        seen[role] = seen.get(role, 0) + 1
        if role in ("button", "link", "combobox", "searchbox", "image", "img", "table", "application", "columnheader"):
            assert node.get("name", {}).get("value"), node
    assert seen["table"] == 2 and seen["rowheader"] >= 6 + 5 and seen["searchbox"] == 1, seen
    assert seen["columnheader"] == 8 + 9 and seen["heading"] == 3, seen
    # Only what changes rarely is told of its own accord.
    assert {
        one.get_attribute("id") or one.get_attribute("class")
        for one in shown.all("[role=status], [aria-live], [role=alert]")
    } == {
        "status",
        "banner",
        "matched",
        "readout",
    }
