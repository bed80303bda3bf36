# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles the C programs beside the tests, and what is put in front of the C library's calls."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from programs import HANG_SECONDS, Outcome, environment

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def _compile(output: Path, *arguments: str) -> Path:
    command = [os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]
    command += ["-o", str(output), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return output


def library() -> Path:
    """The library under test."""
    return Path(os.environ.get("FDMETRICS_LIBRARY") or ROOT / "build/lib/libfdmetrics.so").resolve(strict=True)


def compiled(name: str, folder: Path) -> Path:
    """The program of `name`.c, linked with the library under test."""
    path = library()
    linked = [f"-I{ROOT / 'Include'}", str(HERE / f"{name}.c"), str(path), f"-Wl,-rpath,{path.parent}", "-pthread"]
    return _compile(folder / name, *linked)


def preloaded(name: str, folder: Path) -> Path:
    """The shared library of `name`.c, for LD_PRELOAD."""
    return _compile(folder / f"{name}.so", "-shared", "-fPIC", str(HERE / f"{name}.c"))


def run_program(path: Path, *arguments: object, prefix: tuple[str, ...] = (), **changes: str) -> Outcome:
    """Runs a compiled program to its end, which has to be a good one."""
    done = subprocess.run(
        [*prefix, str(path), *(str(argument) for argument in arguments)],
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, f"{path.name} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return Outcome(done.stdout, done.stderr)
