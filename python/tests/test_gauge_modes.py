# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""How the values of several processes become the exposed one, for each mode."""

from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from fdmetrics.instruments import GAUGE_MODES

from .support import Samples, run_program

# 3 and 7 are set by processes that are dead at the rendering, 5 is set last, by one that is alive.
PROGRAM = """
import os, signal, sys, fdmetrics

gauge = fdmetrics.Gauge("depth", "Depth.", multiprocess_mode=sys.argv[1])
children = []
for value in (3, 7, 5):
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        gauge.set(value)
        os.write(told, b"x")
        signal.pause()
    children.append(child)
    assert os.read(ready, 1) == b"x"
for child in children[:2]:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print(fdmetrics.generate_latest().decode())
os.kill(children[2], signal.SIGKILL)
os.waitpid(children[2], 0)
"""
EXPECTED = {
    "all": [3.0, 5.0, 7.0],
    "liveall": [5.0],
    "min": [3.0],
    "livemin": [5.0],
    "max": [7.0],
    "livemax": [5.0],
    "sum": [15.0],
    "livesum": [5.0],
    "mostrecent": [5.0],
    "livemostrecent": [5.0],
    "local": [],
}


@pytest.mark.parametrize("mode", GAUGE_MODES)
def test_a_mode_joins_the_processes_values(mode: str, tmp_path: Path) -> None:
    expected: List[float] = EXPECTED[mode]
    samples = Samples(run_program(PROGRAM, mode, FDMETRICS_DIR=tmp_path / "store"))
    assert samples.all_values("depth") == expected
    for labels in samples.named("depth"):
        assert [name for name, _ in labels] == (["worker"] if mode in ("all", "liveall") else [])


def test_a_local_gauge_is_shown_by_its_own_process(tmp_path: Path) -> None:
    printed = run_program(
        """
        import fdmetrics
        fdmetrics.Gauge("depth", "Depth.", multiprocess_mode="local").set(4)
        print(fdmetrics.generate_latest().decode())
        """,
        FDMETRICS_DIR=tmp_path / "store",
    )
    assert Samples(printed).all_values("depth") == [4]
