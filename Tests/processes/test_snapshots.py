# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Eight processes observe 1.0 while a reader takes snapshots: each is whole, and none is less than the one before."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from expositions import key, parse
from load import Progress

WRITERS = 8
SNAPSHOTS = 100_000
EXPOSITION_EVERY = 100
HANG_SECONDS = 120.0


def test_no_snapshot_is_torn(
    worker: Path, folder: Path, store: Path, stress: int, run: Callable[..., str], render: Callable[[], str]
) -> None:
    progress = Progress(folder / "progress", WRITERS)
    command = [str(worker), "observe", str(store), str(progress.path)]
    writers = [subprocess.Popen([*command, str(number)]) for number in range(WRITERS)]
    try:
        deadline = time.monotonic() + HANG_SECONDS
        while not all(progress.ready(row) for row in range(WRITERS)):
            assert all(writer.poll() is None for writer in writers), "a writer has ended"
            assert time.monotonic() < deadline, f"the writers have not begun in {HANG_SECONDS} s"
            time.sleep(0.01)
        told = json.loads(run("snapshots", store, SNAPSHOTS * stress, EXPOSITION_EVERY))
        print(told)
        assert told["snapshots"] >= SNAPSHOTS * stress
        assert told["expositions"] >= SNAPSHOTS * stress // EXPOSITION_EVERY
        # The writers wrote meanwhile, or this proves nothing.
        assert told["last"] > told["first"]
        assert told["distinct"] >= SNAPSHOTS * stress // 50
        progress.set_phase(1)
        for writer in writers:
            assert writer.wait(timeout=HANG_SECONDS) == 0
        written = sum(progress.done(row)[0] for row in range(WRITERS))
        samples = parse(render())
        assert samples[key("snapshot_seconds_count")] == written
        assert samples[key("snapshot_seconds_sum")] == written
        assert samples[key("snapshot_seconds_bucket", {"le": "+Inf"})] == written
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
