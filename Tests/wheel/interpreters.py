# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Which Pythons this machine has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OLDEST = (3, 9)

#: Where version managers and the manylinux images put theirs, beside the PATH.
FOLDERS = (
    "~/.pyenv/versions/*/bin",
    "~/.local/share/uv/python/*/bin",
    "/opt/python/*/bin",
)

QUESTION = """
import platform, sys, sysconfig
free_threaded = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print(platform.python_implementation(), sys.version_info[0], sys.version_info[1], free_threaded or "-",
      platform.python_version() + free_threaded, platform.libc_ver()[0] or "-")
"""


class Interpreter(NamedTuple):
    """A CPython of this machine."""

    version: tuple[int, int]
    free_threaded: bool
    #: With the patch release: 3.13.0, or 3.13.0t for a free-threaded build.
    name: str
    path: Path


def find() -> list[Interpreter]:
    """One CPython of each minor version that the package takes, oldest first; FDM_PYTHONS=path:path names them instead.

    A program of that name which does not run, as a version manager's placeholder, is none.
    """
    chosen = os.environ.get("FDM_PYTHONS")
    found: dict[tuple[tuple[int, int], bool], Interpreter] = {}
    for path in [Path(each) for each in chosen.split(":")] if chosen else candidates():
        interpreter = ask(path)
        if interpreter is not None and interpreter.version >= OLDEST:
            found.setdefault((interpreter.version, interpreter.free_threaded), interpreter)
        elif chosen:
            raise ValueError(f"FDM_PYTHONS names {path}: no CPython for glibc of 3.9 or newer that runs")
    return [found[key] for key in sorted(found)]


def candidates() -> Iterator[Path]:
    """Programs that are named as Pythons, the one that runs this first."""
    yield Path(getattr(sys, "_base_executable", sys.executable))
    folders = [Path(each) for each in os.get_exec_path()]
    if "PYENV_ROOT" in os.environ:
        folders += sorted(Path(os.environ["PYENV_ROOT"]).glob("versions/*/bin"))
    for pattern in FOLDERS:
        expanded = Path(pattern).expanduser()
        folders += sorted(Path(expanded.anchor).glob(str(expanded.relative_to(expanded.anchor))))
    for folder in folders:
        for path in sorted(folder.glob("python3*")):
            if re.fullmatch(r"python3\.[0-9]+t?", path.name):
                yield path


def ask(path: Path) -> Interpreter | None:
    """What a program says of itself, or None where it is no CPython for glibc."""
    try:
        done = subprocess.run([path, "-I", "-c", QUESTION], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    implementation, major, minor, free_threaded, name, libc = done.stdout.split()
    if implementation != "CPython" or libc != "glibc":
        return None
    return Interpreter((int(major), int(minor)), free_threaded == "t", name, path)
