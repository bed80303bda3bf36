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


@pytest.mark.parametrize("language", ["c99", "c++17"])
def test_wrappers(build: Callable[..., Path], store: Path, language: str) -> None:
    program = build(f"wrappers-{language}", "wrappers.c", language=language)
    environment = {**os.environ, "FDMETRICS_DIR": str(store)}
    done = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 0, f"{program} ended with {done.returncode}: {done.stderr}{done.stdout}"
