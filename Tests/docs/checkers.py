# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What mypy --strict and pyright's strict mode say of the programs in a folder.

pyright is basedpyright's, which brings its own node, with its own additions turned off.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from built import PACKAGE

CHECKERS = ("mypy", "pyright")


class Remark(NamedTuple):
    """An error, or the answer to a reveal_type."""

    #: The program's name, and the line of it.
    program: str
    line: int
    is_error: bool
    text: str


def remarks(checker: str, folder: Path, mypy_configuration: str = "") -> list[Remark]:
    """All that a checker has to say. mypy_configuration: more sections for mypy."""
    return _by_mypy(folder, mypy_configuration) if checker == "mypy" else _by_pyright(folder)


def _by_mypy(folder: Path, configuration: str) -> list[Remark]:
    (folder / "mypy.ini").write_text(f"[mypy]\nstrict = true\nmypy_path = {PACKAGE}\n{configuration}")
    names = [path.name for path in sorted(folder.glob("*.py"))]
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--no-error-summary", *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = []
    for line in done.stdout.splitlines():
        said = re.fullmatch(r"([^/]+?)\.py:(\d+): (error|note): (.*)", line)
        assert said, line
        found.append(Remark(said[1], int(said[2]), said[3] == "error", said[4]))
    return found


def _by_pyright(folder: Path) -> list[Remark]:
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
    found = []
    for each in json.loads(done.stdout)["generalDiagnostics"]:
        if each["severity"] in ("error", "information"):
            is_error = each["severity"] == "error"
            text = f"{each['message']} [{each.get('rule')}]" if is_error else each["message"]
            found.append(Remark(Path(each["file"]).stem, each["range"]["start"]["line"] + 1, is_error, text))
    return found
