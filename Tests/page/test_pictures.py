# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The page over a service that is shaped like one of a language model; and the documentation's pictures:

pytest Tests/page/test_pictures.py --pictures
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from browser import Browser, Page
from png import smaller
from service import HANG_SECONDS, Service

HERE = Path(__file__).resolve().parent
IMAGES = HERE.parents[1] / "docs/images"
# What a repository carries without harm.
LARGEST = 300_000
# The pictures end below it.
LAST_FAMILY = "fastdeploy:zmq:msg_send"
PROCESSES = [("engine", 0), ("engine", 1), ("api", 0), ("api", 1), ("api", 2), ("api", 3)]


@pytest.fixture
def llm(service: Service) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """The service's processes, by their names."""
    service.directory = service.folder / "llm-serving"
    service.directory.mkdir(mode=0o700)
    environment = {**os.environ, "FDMETRICS_DIR": str(service.directory)}
    running = {}
    for role, number in PROCESSES:
        running[f"{role}-{number}"] = subprocess.Popen(
            [sys.executable, str(HERE / "llm_service.py"), role, str(number), str(service.folder)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
    for process in running.values():
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    yield running
    for process in running.values():
        process.kill()
        process.communicate(timeout=HANG_SECONDS)


def arrange(page: Page) -> None:
    """A view with something of everything: a family that is unfolded, a heat map."""
    page.all(".metrics [data-order=name] .sort")[0].click()
    page.wait(lambda: page.families[0] == "time_to_first_token_seconds")
    page.button("kv_cache_usage_ratio").click()
    page.button("time_to_first_token_seconds", "trend-button").click()
    page.wait(lambda: len(page.all("tr.one")) == 2 and page.all("canvas.chart"))


def test_a_service(llm: dict[str, subprocess.Popen[str]], service: Service, browser: Browser) -> None:
    """Real traffic over ZeroMQ: what is sent is received, every family has a trend, the killed worker is dead."""
    page = browser.open(service.serve().url, answers=2)
    page.wait(lambda: {"http_requests", "fastdeploy:zmq:msg_recv", "generation_tokens"} <= set(page.families))
    arrange(page)
    victim = llm["api-3"]
    victim.kill()
    page.wait(lambda: (page.process(victim.pid) or {}).get("state") == "dead")
    assert page.process(victim.pid)["process"] == "api-3"
    page.wait(lambda: page.row("fastdeploy:zmq:msg_recv")["rate"] not in ("0/s", "\u2013"))
    page.wait(lambda: all(page.row("time_to_first_token_seconds")[name].strip() for name in ("p50", "p90", "p99")))
    assert page.row("model")["value"] == "" and page.row("engine_phase")["value"] == "serving"
    for family in ("requests_running", "generation_tokens"):
        page.wait(
            lambda family=family: page.button(family, "trend-button").find_elements(By.CSS_SELECTOR, "path[d^=M]")
        )


def test_pictures(
    llm: dict[str, subprocess.Popen[str]], service: Service, browser: Browser, request: pytest.FixtureRequest
) -> None:
    """Both themes fit into the repository. The documentation's pictures show a full minute; without --pictures a moment
    is enough, and nothing is written."""
    is_wanted = bool(request.config.getoption("--pictures"))
    page = browser.open(service.serve().url, answers=3)
    page.wait(lambda: "http_requests" in page.families)
    arrange(page)
    if is_wanted:
        page.driver.set_script_timeout(6 * HANG_SECONDS)
        page.driver.execute_async_script("setTimeout(arguments[0], 50000)")
        llm["api-3"].kill()
        page.driver.execute_async_script("setTimeout(arguments[0], 15000)")
    page.run("scrollTo(0, 0)")
    bottom = page.run("return arguments[0].closest('tr').getBoundingClientRect().bottom", page.button(LAST_FAMILY))
    browser.driver.set_window_size(1280, int(bottom + page.run("return scrollY + outerHeight - innerHeight")))
    page.run("scrollTo(0, 0)")
    sizes = {}
    sizes = {}
    for theme in ("light", "dark"):
        page.choose("theme", theme)
        page.run("document.activeElement.blur()")
        page.await_answers(2)
        picture = browser.driver.get_screenshot_as_png()
        if is_wanted:
            picture = smaller(picture)
            IMAGES.mkdir(exist_ok=True)
            (IMAGES / f"page-{theme}.png").write_bytes(picture)
        sizes[theme] = len(picture)
    assert all(20_000 < size < LARGEST for size in sizes.values()), sizes
