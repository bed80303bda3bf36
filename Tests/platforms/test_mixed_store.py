# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Python processes of this machine and of arm64 (under QEMU) record into one store at once: every total is exact.

Environment:
    FDM_LIBRARIES  the folder with PLATFORM/libfdmetrics.so (build/lib)
    FDM_PLATFORMS  the folder that scripts/platforms.sh has filled (build/platforms)
    FDMCTL         the fdmctl tool (build/bin/fdmctl)
    FDM_STRESS     multiplies the amount of work (1)
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from recording import MODES, OBSERVED

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("recording.py")
LIBRARIES = Path(os.environ.get("FDM_LIBRARIES") or ROOT / "build/lib")
PLATFORMS = Path(os.environ.get("FDM_PLATFORMS") or ROOT / "build/platforms")
TOOL = Path(os.environ.get("FDMCTL") or ROOT / "build/bin/fdmctl")
HANG_SECONDS = 300
ROUNDS = 5_000 * max(1, int(os.environ.get("FDM_STRESS", "1")))
EACH = 3  # workers of a machine, with a fork child each
PROCESSES = 2 * 2 * EACH


class Machine:
    """How a Python program is run with the library of one machine."""

    def __init__(self, name: str, python: str | Path) -> None:
        self.name = name
        self.python = Path(python)
        self.library = (LIBRARIES / f"{name}-linux-gnu/libfdmetrics.so").resolve()
        for needed in (self.python, self.library, TOOL):
            if not needed.is_file():
                pytest.fail(f"{needed} is not there; run `make test-arm64`, which makes it")

    def start(self, store: Path, *words: object) -> subprocess.Popen[str]:
        """Starts the program with a store of this directory."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("FDM", "PYTHON"))}
        environment |= {"FDMETRICS_DIR": str(store), "FDMETRICS_LIBRARY": str(self.library)}
        environment |= {"PYTHONPATH": str(ROOT / "python"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
        command = [str(self.python), "-X", "dev", "-W", "error", str(PROGRAM), *map(str, words)]
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def render(self, store: Path) -> str:
        """The text of the store, by a process of this machine."""
        process = self.start(store, "render")
        text, _ = process.communicate(timeout=HANG_SECONDS)
        assert process.returncode == 0
        return text


@pytest.fixture
def store() -> Iterator[Path]:
    """The directory of a store that does not exist yet, in shared memory."""
    folder = Path(tempfile.mkdtemp(prefix="fdm-mixed-", dir="/dev/shm"))
    yield folder / "store"
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def machines() -> list[Machine]:
    """This one, and arm64."""
    (arm64,) = (PLATFORMS / "arm64/usr/bin").glob("python3.*[0-9]")
    found = [Machine(platform.machine(), sys.executable), Machine("aarch64", arm64)]
    assert len({each.name for each in found}) == 2, "this test needs a machine that is not arm64 itself"
    return found


def value(text: str, series: str) -> float:
    """The value of a series of the text."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    assert found, f"no series {series} in:\n{text}"
    return float(found[1])


def check_totals(text: str, alive: int) -> None:
    """Everything that so many processes have recorded, whoever of them lives."""
    for number in range(2 * EACH):
        assert value(text, f'jobs_total{{who="{number}"}}') == 2 * ROUNDS
    updates = PROCESSES * ROUNDS
    assert value(text, 'everyone_total{text="a\u0301 \u00e9 \U0001f600"}') == 3 * updates
    assert value(text, 'seconds_bucket{le="0.1"}') == 0
    assert value(text, 'seconds_bucket{le="1.0"}') == updates
    assert value(text, "seconds_count") == updates
    assert value(text, "seconds_sum") == updates * 3 * OBSERVED / 2
    assert value(text, "sizes_count") == updates
    assert value(text, "sizes_sum") == 7 * updates
    assert value(text, "level_sum") == 2 * PROCESSES
    assert value(text, "level_max") == value(text, "level_mostrecent") == 2
    assert value(text, "level_livesum") == 2 * alive
    assert {f"# TYPE level_{mode} gauge" for mode in MODES} <= set(text.splitlines())


def test_mixed_store_is_exact(machines: list[Machine], store: Path) -> None:
    workers = [machines[number % 2].start(store, "work", number, ROUNDS) for number in range(2 * EACH)]
    try:
        for number, worker in enumerate(workers):
            assert worker.stdout is not None
            assert worker.stdout.readline() == machines[number % 2].name + "\n"
        texts = [machine.render(store) for machine in machines]
        assert texts[0] == texts[1], "a store is shown as the same text on every machine"
        check_totals(texts[0], alive=2 * EACH)
        # The last one of each machine ends by itself.
        for worker in workers[:-2]:
            worker.kill()
            worker.communicate(timeout=HANG_SECONDS)
        texts = [machine.render(store) for machine in machines]
        assert texts[0] == texts[1], "a store is shown as the same text on every machine"
        check_totals(texts[0], alive=2)
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.communicate("end\n", timeout=HANG_SECONDS)
    assert [worker.returncode for worker in workers] == [-9] * (2 * EACH - 2) + [0, 0]
    check_totals(machines[1].render(store), alive=0)
    done = subprocess.run([TOOL, "check", store], capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
