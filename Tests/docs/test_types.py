# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""mypy --strict and pyright's strict mode take every line of Python in README and the documents."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkers import CHECKERS, remarks
from programs import DASHBOARDS, PROGRAMS, Program

from blocks import of_language

#: A program with an error in its third line, which a checker that finds no fdmetrics would take.
WRONG = "wrong"
#: Values of labels that a page says may be so, and functions whose parameter no annotation names.
LABELS = "labels"
LABELLED = """\
from wsgiref.simple_server import demo_app

import fdmetrics.asgi
import fdmetrics.wsgi

async def app(scope: fdmetrics.asgi.Scope, receive: fdmetrics.asgi.Receive, send: fdmetrics.asgi.Send) -> None: ...

asgi = fdmetrics.asgi.MetricsMiddleware(
    app, labels={"zone": 5, "share": 0.5, "is_new": True, "none": None, "host": lambda scope: scope["server"][0]}
)
wsgi = fdmetrics.wsgi.MetricsMiddleware(
    demo_app, labels={"zone": 5, "none": None, "site": "eu", "host": lambda environ: environ["HTTP_HOST"].lower()}
)
"""
TYPED = PROGRAMS + DASHBOARDS
#: An error: the line of the program, and what is wrong there.
Complaint = tuple[int, str]
#: Django has no types of its own, and those that there are for it need a whole project: what is its is Any.
MYPY_CONFIGURATION = """\
[mypy-django.*]
ignore_missing_imports = true
[mypy-{django}]
warn_return_any = false
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each program as a module."""
    folder = tmp_path_factory.mktemp("programs")
    for program in TYPED:
        (folder / f"{program.name}.py").write_text(program.text)
    (folder / f"{WRONG}.py").write_text('import fdmetrics\n\nfdmetrics.Counter("a", "b").inc("c")\n')
    (folder / f"{LABELS}.py").write_text(LABELLED)
    return folder


@pytest.fixture(scope="module")
def complaints(folder: Path) -> dict[str, dict[str, list[Complaint]]]:
    """What each checker says of each program."""
    of_django = ",".join(program.name for program in TYPED if "django" in program.name)
    found: dict[str, dict[str, list[Complaint]]] = {}
    for checker in CHECKERS:
        found[checker] = {}
        for remark in remarks(checker, folder, MYPY_CONFIGURATION.format(django=of_django)):
            if remark.is_error:
                found[checker].setdefault(remark.program, []).append((remark.line, remark.text))
    return found


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("program", TYPED, ids=str)
def test_every_line_is_accepted(
    program: Program, checker: str, complaints: dict[str, dict[str, list[Complaint]]]
) -> None:
    found = [f"{program.place(line)}: {what}" for line, what in complaints[checker].get(program.name, [])]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("checker", CHECKERS)
def test_checker_sees_what_is_wrong(checker: str, complaints: dict[str, dict[str, list[Complaint]]]) -> None:
    ((line, what),) = complaints[checker][WRONG]
    assert line == 3 and "float" in what


@pytest.mark.parametrize("checker", CHECKERS)
def test_labels_may_be_what_becomes_text(checker: str, complaints: dict[str, dict[str, list[Complaint]]]) -> None:
    assert LABELS not in complaints[checker]


def test_every_block_is_in_a_program() -> None:
    inside = [each for program in TYPED for each in program.blocks]
    assert set(inside) == set(of_language("python", "diff"))
