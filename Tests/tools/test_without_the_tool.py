# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python -m fdmetrics dump and check say what fdmctl says, byte for byte and with the same exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tool import HANG_SECONDS, ROOT, Tool, environment


def both(tool: Tool, *arguments: str) -> tuple[tuple[int, str], tuple[int, str]]:
    """The exit code and output of the tool, and of the library through Python."""
    library = os.environ.get("FDMETRICS_LIBRARY") or str(ROOT / "python/fdmetrics/libfdmetrics.so")
    done = subprocess.run(
        [sys.executable, "-m", "fdmetrics", *arguments],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env=environment(FDMETRICS_LIBRARY=library, PYTHONPATH=str(ROOT / "python")),
    )
    own = tool.run(*arguments)
    return (own.returncode, own.stdout), (done.returncode, done.stdout)


@pytest.mark.parametrize(
    "command", [("dump",), ("dump", "--json"), ("dump", "--all"), ("check",), ("check", "--notes")], ids=" ".join
)
def test_a_store_of_dead_processes(tool: Tool, dead_store: Path, command: tuple[str, ...]) -> None:
    own, python = both(tool, *command, str(dead_store))
    assert own[0] == 0
    assert python == own


@pytest.mark.parametrize("command", ["dump", "check"])
def test_no_store_and_arguments_that_make_no_sense(tool: Tool, tmp_path: Path, command: str) -> None:
    own, python = both(tool, command, str(tmp_path / "missing"))
    assert python == own == (2, "")
    own, python = both(tool, command, "--no-such-option", str(tmp_path))
    assert python == own == (64, "")
