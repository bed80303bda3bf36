# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The documents name every variable of the environment that the code reads, and every option of fdmctl."""

from __future__ import annotations

import re
import subprocess

from blocks import ROOT, pages
from built import fdmctl

DOCUMENTS = "\n".join((ROOT / page).read_text() for page in pages() if page != "CHANGELOG.md")
#: Of each subcommand, and told of once.
COMMON = {"--help", "--version"}


def variables() -> set[str]:
    """The names of variables in the code: texts of their own, which a prefix in a message is not."""
    python = ROOT / "python"
    files = [*(ROOT / "Sources").rglob("*.swift"), *(python / "fdmetrics").rglob("*.py")]
    files += [python / "fdmetrics_hook.py", python / "fdmetrics_hook.pth"]
    return {name for file in files for name in re.findall(r'"(FDMETRICS_[A-Z0-9_]+)"', file.read_text())}


def options(command: str) -> set[str]:
    """The long options that a subcommand of fdmctl has, by its help."""
    shown = subprocess.run([fdmctl(), "help", command], capture_output=True, text=True, timeout=60, check=True).stdout
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z0-9-]+)", shown, re.MULTILINE)) - COMMON


def test_every_variable_is_documented() -> None:
    known = variables()
    assert {"FDMETRICS_DIR", "FDMETRICS_AUTO_PID", "FDMETRICS_SERIES_LIMIT", "FDMETRICS_INSTALL"} <= known
    assert not [name for name in sorted(known) if not re.search(rf"\b{name}\b", DOCUMENTS)]


def test_every_option_of_fdmctl_is_documented() -> None:
    shown = subprocess.run([fdmctl(), "help"], capture_output=True, text=True, timeout=60, check=True).stdout
    commands = re.findall(r"^  ([a-z]+)", shown.partition("SUBCOMMANDS:")[2], re.MULTILINE)
    assert {"top", "push", "doctor"} <= set(commands)
    missing = [
        f"{command} {option}"
        for command in commands
        for option in sorted(options(command))
        if not re.search(rf"--(?:no-)?{option[2:]}(?![a-z-])", DOCUMENTS)
    ]
    assert not missing
