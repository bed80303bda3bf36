# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The wrappers of fdmetrics_zmq.h: compiled as C and as C++, and beside libzmq's own behaviour."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conversation import HANG_SECONDS


@pytest.mark.parametrize("program", ["wrappers", "faults", "made", "monitors"])
@pytest.mark.parametrize("language", ["c99", "c++17"])
def test_wrappers(build: Callable[..., Path], folder: Path, store: Path, language: str, program: str) -> None:
    built = build(f"{program}-{language}", f"{program}.c", language=language)
    command = [built, folder] if program == "faults" else [built]
    environment = {**os.environ, "FDMETRICS_DIR": str(store)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 0, f"{built} ended with {done.returncode}: {done.stderr}{done.stdout}"


@pytest.mark.parametrize("program", ["wrappers", "faults", "made", "monitors", "fuzz"])
def test_wrappers_under_sanitizers(
    build: Callable[..., Path], folder: Path, store: Path, seed: int, stress: int, program: str
) -> None:
    """No byte beyond a frame is read, nothing undefined is done and no message leaks; fuzz.c feeds it random bytes."""
    built = build(f"{program}-sanitized", f"{program}.c", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    arguments = {"faults": [str(folder)], "fuzz": [str(seed), str(20000 * stress)]}.get(program, [])
    # What lives as long as the process is kept by words that the leak sanitizer does not take for pointers.
    kept = folder / "kept"
    kept.write_text("leak:libfdmetrics\n")
    environment = {
        **os.environ,
        "FDMETRICS_DIR": str(store),
        "ASAN_OPTIONS": "allocator_may_return_null=1",
        "LSAN_OPTIONS": f"suppressions={kept}:print_suppressions=0",
    }
    command = [str(built), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS * stress)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stderr}{done.stdout}"
