# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Which Pythons this machine has, and which of other machines and C libraries `scripts/platforms.sh` has made."""

from __future__ import annotations

import os
import platform
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
musl = "musl" if "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE")) else ""
print(platform.python_implementation(), sys.version_info[0], sys.version_info[1], free_threaded or "-",
      platform.python_version() + free_threaded, platform.machine(), musl or "-".join(platform.libc_ver()))
"""


class Interpreter(NamedTuple):
    """A CPython that runs here."""

    #: Of the machine's own kind and for glibc; the others are sorted before them.
    native: bool
    version: tuple[int, int]
    free_threaded: bool
    #: glibc-2.36, or musl.
    libc: str
    #: x86_64 or aarch64.
    machine: str
    #: With the patch release: 3.13.0, 3.13.0t for a free-threaded build, 3.13.0-musl, 3.11.2-aarch64.
    name: str
    path: Path

    @property
    def is_emulated(self) -> bool:
        """Whether it is another machine's, which QEMU runs."""
        return self.machine != platform.machine()


def find() -> list[Interpreter]:
    """One CPython of each minor version, build and C library, the newest of this machine's own kind last.

    FDM_PYTHONS=path:path names them instead. FDM_PLATFORMS=folder adds those that scripts/platforms.sh made there. A
    program of that name which does not run, as a version manager's placeholder, is none.
    """
    chosen = os.environ.get("FDM_PYTHONS")
    found: dict[tuple[object, ...], Interpreter] = {}
    for path in [Path(each) for each in chosen.split(":")] if chosen else candidates():
        interpreter = ask(path)
        if interpreter is not None and interpreter.version >= OLDEST:
            found.setdefault(interpreter[:-2], interpreter)
        elif chosen:
            raise ValueError(f"FDM_PYTHONS names {path}: no CPython for glibc or musl of 3.9 or newer that runs")
    return [found[key] for key in sorted(found)]


def table(interpreters: list[Interpreter]) -> Iterator[str]:
    """Lines that say which they are, and where."""
    yield f"{'Python':<16}{'C library':<12}{'machine':<10}{'GIL':<6}path"
    for each in interpreters:
        gil = "no" if each.free_threaded else "yes"
        yield f"{each.name:<16}{each.libc:<12}{each.machine:<10}{gil:<6}{each.path}"


def candidates() -> Iterator[Path]:
    """Programs that are named as Pythons, the one that runs this first."""
    yield Path(getattr(sys, "_base_executable", sys.executable))
    folders = [Path(each) for each in os.get_exec_path()]
    if "PYENV_ROOT" in os.environ:
        folders += sorted(Path(os.environ["PYENV_ROOT"]).glob("versions/*/bin"))
    for pattern in FOLDERS:
        expanded = Path(pattern).expanduser()
        folders += sorted(Path(expanded.anchor).glob(str(expanded.relative_to(expanded.anchor))))
    if "FDM_PLATFORMS" in os.environ:
        folders += sorted(Path(os.environ["FDM_PLATFORMS"]).resolve().glob("*/usr/bin"))
    for folder in folders:
        for path in sorted(folder.glob("python3*")):
            if re.fullmatch(r"python3\.[0-9]+t?", path.name):
                yield path


def ask(path: Path) -> Interpreter | None:
    """What a program says of itself, or None where it is no CPython for glibc or musl."""
    try:
        done = subprocess.run([path, "-I", "-c", QUESTION], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    implementation, major, minor, free_threaded, name, machine, libc = done.stdout.split()
    if implementation != "CPython" or not libc.startswith(("glibc-", "musl")):
        return None
    same_machine = machine == platform.machine()
    name += ("-musl" if libc == "musl" else "") + ("" if same_machine else f"-{machine}")
    native = same_machine and libc != "musl"
    version = (int(major), int(minor))
    return Interpreter(native, version, free_threaded == "t", libc, machine, name, path)
