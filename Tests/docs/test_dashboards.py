# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What each framework's page ends with makes the dashboard work: a server that does it exposes what panels ask."""

from __future__ import annotations

import re
import sys
import time
from typing import NamedTuple

import pytest

from blocks import ROOT, block, blocks, pages
from machine import PATIENCE_SECONDS, Machine, Program
from test_python import CELERY, DJANGO, QUIET

sys.path.append(str(ROOT / "deploy/grafana"))
sys.path.append(str(ROOT / "Tests/deploy"))
import dashboard
from promql import names_in, samples_in, with_choices

#: What the endpoint of a dashboard is made with, and an ordinary one is not.
OPTIONS = re.compile(r'(, )?process_metrics="worker", self_metrics=True')
#: What Prometheus itself records of a target.
OF_TARGETS = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
ROWS = ("HTTP", "Processes", "fdmetrics itself")
WORKERS = 4
WEB = "http://127.0.0.1:8000"


class Case(NamedTuple):
    """An application of one page, started as another one says."""

    framework: str
    #: The page of the server, and which of its commands; none: the command of this test.
    server: str = ""
    command: int = 0
    more: str = ""

    @property
    def text(self) -> str:
        """The page's program, with its last lines in place of those that they stand for."""
        page = f"docs/frameworks/{self.framework}.md"
        *_, last = [each for each in blocks(page) if each.language == "python"]
        plain = OPTIONS.sub("", last.text).replace("make_metrics_view()", "metrics_view")
        text = block(page, "python").text
        assert last.text != plain and plain.strip() in text, (
            f"{last} is not a line of the page with options added to it"
        )
        return text.replace(plain.strip(), last.text.strip()) + self.more

    def __str__(self) -> str:
        return " under ".join(filter(None, [self.framework, self.server]))


CASES = [
    Case("flask", "gunicorn", 0),
    Case("django", "gunicorn", 0, DJANGO + "app = get_wsgi_application()\n"),
    Case("fastapi", "gunicorn", 1),
    Case("fastapi", "uvicorn", 0),
    Case("starlette", "uvicorn", 0, ""),
]


def asked(rows: tuple[str, ...]) -> set[str]:
    """The metrics that the panels of some rows ask for."""
    panels = [panel for row in rows for panel in dashboard.ROWS[row]]
    found = {name for panel in panels for query in panel.queries for name in names_in(with_choices(query.expression))}
    return found - OF_TARGETS


def workers_of(exposition: str) -> set[str]:
    """The workers whose CPU time is shown."""
    return set(re.findall(r'^process_cpu_seconds_total\{worker="(\d+)"\}', exposition, re.MULTILINE))


def test_every_page_is_tried() -> None:
    tried = {case.framework for case in CASES} | {case.server for case in CASES} | {"celery", "README"}
    assert {f"docs/frameworks/{each}.md" for each in tried} == {
        page for page in pages() if page.startswith("docs/frameworks/")
    }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_panels_have_values(case: Case, fresh: Machine) -> None:
    (fresh.home / "app.py").write_text(case.text)
    command = block(f"docs/frameworks/{case.server}.md", "sh").text.splitlines()[case.command]
    with fresh.running("sh", "-c", f"exec {command}") as server:
        fresh.answer(f"{WEB}/nowhere")
        shown = everything(fresh, server, f"{WEB}/metrics")
    known = samples_in(shown)
    assert asked(ROWS) <= known, f"nobody exposes {asked(ROWS) - known}"


def everything(fresh: Machine, server: Program, url: str) -> str:
    """A scrape that shows all workers, and what the one before it cost."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = fresh.answer(url, "--location")
        assert answer.status == 200, answer
        if len(workers_of(answer.body)) >= WORKERS and "fdmetrics_scrape_bytes" in answer.body:
            return answer.body
        server.check()
        assert time.monotonic() < deadline, answer.body


def test_panels_of_celery_have_values(fresh: Machine) -> None:
    for name in ("queue", "control"):
        (fresh.home / name).mkdir()
    (fresh.home / "app.py").write_text(Case("celery").text + CELERY)
    rows = ("Processes", "fdmetrics itself")
    with fresh.running("celery", "--app", "app", "worker", "--concurrency", "2", *QUIET, ends_well=False):
        fresh.answer("http://127.0.0.1:9808/metrics")
        known = samples_in(fresh.answer("http://127.0.0.1:9808/metrics").body)
    assert asked(rows) <= known, f"nobody exposes {asked(rows) - known}"


@pytest.mark.parametrize("framework", sorted({case.framework for case in CASES} | {"celery"}))
def test_page_ends_with_the_dashboard(framework: str) -> None:
    text = (ROOT / f"docs/frameworks/{framework}.md").read_text()
    *_, heading = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heading == "The dashboard"
