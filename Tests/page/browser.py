# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, and the page in it as a person sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from service import HANG_SECONDS

# Keeps every answer that the page gets, so that a test can compare what is shown with what came.
SPY = """
window.answers = [];
const ask = window.fetch;
window.fetch = async (...request) => {
    const response = await ask(...request);
    const text = await response.clone().text();
    window.answers.push({url: String(request[0]), text});
    return response;
};
"""


class Browser:
    """Chromium, which reaches nothing but this host."""

    def __init__(self, chromium: str, driver: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SPY})
        self.expected: list[str] = []

    def renew(self) -> None:
        """Forgets settings and logs, and takes an ordinary window."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.driver.set_window_size(1360, 1000)
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.expected = []

    def check(self) -> None:
        """That there was no error on the console but those that a test expects, and no request to elsewhere."""
        lines = [line for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]
        unexpected = [line["message"] for line in lines if not any(text in line["message"] for text in self.expected)]
        assert not unexpected, unexpected
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = urlsplit(message["params"]["request"]["url"])
                assert url.hostname in ("127.0.0.1", None) and url.scheme in ("http", "about"), url.geturl()

    def set_scheme(self, scheme: str) -> None:
        """What the system prefers, "light" or "dark"."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def set_width(self, width: int, height: int = 900) -> None:
        """A window of a width that may be a phone's."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True},
        )

    def open(self, url: str, answers: int = 1, interval: str = "0.5") -> Page:
        """Opens the page and waits until it has shown something."""
        self.driver.get(url)
        page = Page(self.driver)
        page.choose("interval", interval)
        page.wait(lambda: len(page.answers) >= answers and page.state != "waiting")
        return page

    def end(self) -> None:
        """Ends it."""
        self.driver.quit()


class Page:
    """The page."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Waits until something is true."""
        return WebDriverWait(self.driver, HANG_SECONDS, poll_frequency=0.05).until(lambda _: condition())

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def use(self, module: str, script: str, *arguments: Any) -> Any:
        """What a script returns that uses a module of the page as `it`."""
        wrapped = (
            "const done = arguments[arguments.length - 1], given = Array.from(arguments).slice(0, -1);"
            f"const use = (it, given) => {{ {script} }};"
            f"import(new URL('{module}', document.baseURI)).then((it) => done({{value: use(it, given)}}))"
            ".catch((error) => done({error: String(error)}))"
        )
        result = self.driver.execute_async_script(wrapped, *arguments)
        assert "error" not in result, result["error"]
        return result["value"]

    def by_id(self, name: str) -> WebElement:
        """An element."""
        return self.driver.find_element(By.ID, name)

    def all(self, selector: str) -> list[WebElement]:
        """The elements of a selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements of a selector, shown or not, as they are at one moment."""
        return list(
            self.run("return Array.from(document.querySelectorAll(arguments[0]), (one) => one.textContent)", selector)
        )

    @property
    def answers(self) -> list[dict[str, Any]]:
        """What the server has answered since the page was opened."""
        return [json.loads(one["text"]) for one in self.run("return window.answers")]

    @property
    def state(self) -> str:
        """live, paused, gone, unreachable."""
        return str(self.by_id("status").get_attribute("data-state"))

    @property
    def families(self) -> list[str]:
        """The names of the families, from top to bottom."""
        return self.texts("tr.family .label")

    def await_answers(self, more: int = 1) -> None:
        """Waits for answers that are asked for from now on."""
        known = int(self.run("return window.answers.length"))
        # One may be on its way.
        self.wait(lambda: int(self.run("return window.answers.length")) > known + more)

    def choose(self, name: str, value: str) -> None:
        """Chooses from a list."""
        Select(self.by_id(name)).select_by_value(value)

    def filter(self, text: str) -> None:
        """Types into the filter box, and waits for what it leaves."""
        box = self.by_id("filter")
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(text or Keys.DELETE)
        wanted = text.strip()
        self.wait(lambda: self.asked.get("filter", [""])[0] == wanted)

    @property
    def asked(self) -> dict[str, list[str]]:
        """The query of the latest answer."""
        from urllib.parse import parse_qs

        url = str(self.run("return window.answers.at(-1).url"))
        return parse_qs(urlsplit(url).query)

    def row(self, family: str, labels: str | None = None) -> dict[str, str]:
        """The texts of a row, by column; of a series if labels are given, as a=1 b=2."""
        script = """
            const row = Array.from(document.querySelectorAll("#metrics tbody tr")).map((one) => one.row)
                .find((one) => one?.family?.name === arguments[0] && (arguments[1] === null
                    ? one.isFamily : !one.isFamily && one.label?.textContent === arguments[1]));
            if (!row) return null;
            const texts = {};
            for (const [name, cell] of Object.entries(row.texts)) texts[name] = cell.textContent;
            return texts;"""
        return dict(self.wait(lambda: self.run(script, family, labels)))

    def button(self, family: str, kind: str = "disclose") -> WebElement:
        """The button of a family's row, "disclose" or "trend-button", in the middle of the window."""
        script = """
            const row = Array.from(document.querySelectorAll("tr.family")).find((one) => one.row.key === arguments[0]);
            const button = row?.querySelector(`.${arguments[1]}`);
            button?.scrollIntoView({block: "center"});
            return button;"""
        return self.wait(lambda: self.run(script, family, kind))

    def process(self, pid: int) -> dict[str, str] | None:
        """The texts of a process's row, by column."""
        return self.run(
            """
            const row = Array.from(document.querySelectorAll("tr.process"))
                .find((one) => one.querySelector(".pid").textContent === String(arguments[0]));
            return row && Object.fromEntries(
                Array.from(row.cells, (cell) => [cell.className.split(" ").at(-1), cell.textContent]));
            """,
            pid,
        )
