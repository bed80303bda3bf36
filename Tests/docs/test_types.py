# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""mypy --strict and pyright's strict mode take every line of Python in README and the documents.

pyright is basedpyright's, which brings its own node, with its own additions turned off.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from programs import DASHBOARDS, PROGRAMS, Program

from blocks import of_language
from built import PACKAGE

#: A program with an error in its third line, which a checker that finds no fdmetrics would take.
WRONG = "wrong"
TYPED = PROGRAMS + DASHBOARDS
#: An error: the line of the program, and what is wrong there.
Complaint = tuple[int, str]
#: Django has no types of its own, and those that there are for it need a whole project: what is its is Any.
MYPY_CONFIGURATION = """\
[mypy]
strict = true
mypy_path = {package}
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
    return folder


@pytest.fixture(scope="module")
def complaints(folder: Path) -> dict[str, dict[str, list[Complaint]]]:
    """What each checker says of each program."""
    return {"mypy": by_mypy(folder), "pyright": by_pyright(folder)}


def by_mypy(folder: Path) -> dict[str, list[Complaint]]:
    """The errors that mypy finds, by program."""
    of_django = ",".join(program.name for program in TYPED if "django" in program.name)
    (folder / "mypy.ini").write_text(MYPY_CONFIGURATION.format(package=PACKAGE, django=of_django))
    names = [path.name for path in sorted(folder.glob("*.py"))]
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--no-error-summary", *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, list[Complaint]] = {}
    for line in done.stdout.splitlines():
        said = re.fullmatch(r"(.+?)\.py:(\d+): error: (.*)", line)
        if said:
            found.setdefault(said[1], []).append((int(said[2]), said[3]))
        else:
            assert ": note: " in line, done.stdout
    return found


def by_pyright(folder: Path) -> dict[str, list[Complaint]]:
    """The errors that pyright finds, by program."""
    configuration = {
        "typeCheckingMode": "strict",
        "extraPaths": [str(PACKAGE)],
        "include": ["*.py"],
        "pythonVersion": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "reportMissingTypeStubs": False,
        # A block that shows how to import is used by what follows it.
        "reportUnusedImport": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(configuration))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, list[Complaint]] = {}
    for each in json.loads(done.stdout)["generalDiagnostics"]:
        if each["severity"] == "error":
            complaint = each["range"]["start"]["line"] + 1, f"{each['message']} [{each.get('rule')}]"
            found.setdefault(Path(each["file"]).stem, []).append(complaint)
    return found


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
@pytest.mark.parametrize("program", TYPED, ids=str)
def test_every_line_is_accepted(
    program: Program, checker: str, complaints: dict[str, dict[str, list[Complaint]]]
) -> None:
    found = [f"{program.place(line)}: {what}" for line, what in complaints[checker].get(program.name, [])]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_checker_sees_what_is_wrong(checker: str, complaints: dict[str, dict[str, list[Complaint]]]) -> None:
    ((line, what),) = complaints[checker][WRONG]
    assert line == 3 and "float" in what


def test_every_block_is_in_a_program() -> None:
    inside = [each for program in TYPED for each in program.blocks]
    assert set(inside) == set(of_language("python", "diff"))
