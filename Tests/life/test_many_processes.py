# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""More processes on one store than it has slots for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from compiling import compiled, preloaded, run_program
from programs import HANG_SECONDS, environment, samples

SLOTS = 4096
FIRST, SECOND = 4000, 120


def test_more_processes_than_slots(folder: Path, tmp_path: Path, fdmctl: Callable[..., str]) -> None:
    store = folder / "store"
    crowd = subprocess.Popen(
        [str(compiled("crowd", tmp_path)), str(store), str(FIRST), str(SECOND)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert crowd.stdin is not None and crowd.stdout is not None
    try:
        assert crowd.stdout.readline() == f"{FIRST}\n"
        # The next one to attach finds a slot without a question to the kernel for each one that is taken.
        questions = tmp_path / "questions"
        counting = {"LD_PRELOAD": str(preloaded("refusing", tmp_path)), "COUNT_QUESTIONS": str(questions)}
        run_program(compiled("attaching", tmp_path), FDMETRICS_DIR=str(store), **counting)
        assert 0 < questions.stat().st_size < 100
        crowd.stdin.write("\n")
        assert crowd.stdout.readline() == f"{SECOND}\n"
        crowd.stdin.write("\n")
        text = "".join(iter(crowd.stdout.readline, "# end\n"))
        shown = samples(text)
        # One more count is that of the program above.
        assert shown["jobs_total"] == 10 * (FIRST + SECOND) + 1
        assert shown["wait_count"] == shown['wait_bucket{le="2.0"}'] == FIRST + SECOND
        assert shown["wait_sum"] == 1.5 * (FIRST + SECOND)
        assert shown["busy"] == shown["fdmetrics_live_processes"] == SLOTS
        assert shown["fdmetrics_lost_updates_total"] == FIRST + SECOND - SLOTS
        assert samples(fdmctl("dump", "--prometheus", store)).items() <= shown.items()
        assert "jobs" in fdmctl("dump", store)
        output, _ = crowd.communicate("\n", timeout=HANG_SECONDS)
        assert output == f"{FIRST + SECOND}\n"
        assert samples(fdmctl("dump", "--prometheus", store))["busy"] == 0
    finally:
        crowd.kill()
        crowd.communicate()
