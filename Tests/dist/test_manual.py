# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""man/fdmctl.1: it has every command and option of the tool, no other, and the formatters have nothing to say of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from places import ROOT, run

MANUAL = ROOT / "man/fdmctl.1"
#: Of every command, and told of once.
COMMON = {"-h", "--help", "--version"}
COMMANDS = ("doctor", "top", "diff", "dump", "check", "serve", "push", "completions")


def section(command: str) -> str:
    """What the manual says of a command."""
    found = re.search(rf"^\.Ss {command}: .*\n((?:(?!\.S[sh] ).*\n)+)", MANUAL.read_text(), re.MULTILINE)
    assert found, f"{MANUAL} has no section '.Ss {command}: ...'"
    return found[1]


def told(text: str) -> set[str]:
    """The options that a part of the manual has an item for: .It Fl l , Fl Fl listen Ar host."""
    items = re.findall(r"^\.It (Fl .*)$", text, re.MULTILINE)
    return {f"--{long}" if long else f"-{short}" for item in items for long, short in re.findall(OPTION, item)}


OPTION = r"Fl Fl ([a-z0-9-]+)|Fl (\w)\b"


def known(tool: Path, command: str) -> set[str]:
    """The options of a command by its help: of indented lines that begin with one, what is before the explanation."""
    lines = re.findall(r"^  (-\S.*)$", run(tool, command, "--help"), re.MULTILINE)
    heads = [re.split(r"  +| <", line)[0] for line in lines]
    return {option for head in heads for option in re.findall(r"(?:^|[ /])(--?[a-z0-9-]+)", head)}


def test_every_command_has_a_section(tool: Path) -> None:
    listed = run(tool, "--help").partition("SUBCOMMANDS:")[2]
    assert tuple(re.findall(r"^  ([a-z]+)  ", listed, re.MULTILINE)) == COMMANDS
    sections = re.findall(r"^\.Ss ([a-z]+): ", MANUAL.read_text(), re.MULTILINE)
    assert sections == [*COMMANDS, "help"]
    synopsis = MANUAL.read_text().partition(".Sh SYNOPSIS")[2].partition(".Sh ")[0]
    assert tuple(re.findall(r"^\.Nm\n\.Cm ([a-z]+)$", synopsis, re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_told_of_and_no_other(tool: Path, command: str) -> None:
    options = known(tool, command)
    assert options >= COMMON, "the help is not understood"
    assert told(section(command)) == options - COMMON


def test_common_options_are_told_of() -> None:
    assert told(MANUAL.read_text().partition(".Sh DESCRIPTION")[2].partition(".Ss ")[0]) == COMMON


@pytest.mark.parametrize("formatter", [["mandoc", "-T", "lint"], ["groff", "-ww", "-mandoc", "-T", "utf8"]])
def test_formatter_finds_nothing(formatter: list[str]) -> None:
    done = subprocess.run([*formatter, MANUAL], capture_output=True, text=True, timeout=60)
    # mandoc also speaks of its index of this machine's manuals, in lines that do not begin with the file.
    said = (done.stdout if "lint" in formatter else "") + done.stderr
    findings = [line for line in said.splitlines() if str(MANUAL) in line]
    assert (findings, done.returncode) == ([], 0)


def test_formatter_sees_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "fdmctl.1"
    wrong.write_text(MANUAL.read_text().replace(".Ss help", ".Xx help"))
    done = subprocess.run(["mandoc", "-T", "lint", wrong], capture_output=True, text=True, timeout=60)
    assert "unknown macro" in done.stdout + done.stderr
