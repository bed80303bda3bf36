# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Processes are killed at random instants, in registration too: nothing that was completed is lost, nobody waits."""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from expositions import key
from load import LIVESUM_KIND, Progress, check_totals
from shells import Shell

PROCESSES = 8
THREADS = 4
KILLS = 200
SURVIVOR_UPDATES = 20_000
SCRAPE_EVERY = 10
HANG_SECONDS = 120.0

# What only ever rises, whoever dies.
RISING = ("load_plain_total", "load_histogram_count", "load_histogram_sum", "load_summary_count", "load_gauge_sum")


class Storm:
    """Eight places, each with a process that is replaced when it is killed."""

    def __init__(self, worker: Path, store: Path, progress: Progress, seed: int) -> None:
        self._command = [str(worker), "storm", str(store), str(progress.path)]
        self._seed = seed
        self._started = 0
        self.progress = progress
        self.places: list[tuple[int, subprocess.Popen[bytes]]] = [self._start() for _ in range(PROCESSES)]

    def _start(self) -> tuple[int, subprocess.Popen[bytes]]:
        number = self._started
        self._started += 1
        words = [*self._command, str(number), str(THREADS), str(SURVIVOR_UPDATES), str(self._seed)]
        return number, subprocess.Popen(words, stdin=subprocess.PIPE)

    @staticmethod
    def rows(number: int) -> list[int]:
        """The rows of a process's threads."""
        return list(range(number * THREADS, (number + 1) * THREADS))

    def replace(self, place: int) -> int:
        """Kills the process of a place, puts a new one there and gives the number of the dead one."""
        number, process = self.places[place]
        assert process.poll() is None, f"process {number} ended with {process.returncode} before it was killed"
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
        self.places[place] = self._start()
        return number

    def wait_for(self, what: Callable[[int], bool], numbers: list[int], sentence: str) -> None:
        """Waits until all threads of these processes are so far; the time-out only detects a hang."""
        deadline = time.monotonic() + HANG_SECONDS
        waiting = {row for number in numbers for row in self.rows(number)}
        while waiting:
            waiting = {row for row in waiting if not what(row)}
            for number, process in self.places:
                assert process.poll() is None, f"process {number} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"rows {sorted(waiting)} have not {sentence} in {HANG_SECONDS} s"
            time.sleep(0.002)

    def end(self) -> None:
        """Lets all processes end by themselves."""
        for number, process in self.places:
            assert process.stdin is not None
            process.stdin.close()
            status = process.wait(timeout=HANG_SECONDS)
            assert status == 0, f"process {number} ended with {status}"

    def kill_all(self) -> None:
        """Clears up after a failure."""
        for _, process in self.places:
            process.kill()
            process.wait()


def rising(text: str) -> list[float]:
    """The values of RISING, 0 where no process has registered it yet."""
    found = [re.search(rf"^{name} (.*)$", text, re.MULTILINE) for name in RISING]
    return [float(match.group(1)) if match else 0.0 for match in found]


def test_killed_processes_lose_no_completed_update(
    worker: Path,
    folder: Path,
    store: Path,
    seed: int,
    stress: int,
    render: Callable[[], str],
    shell: Callable[[], Shell],
    check: Callable[[], None],
) -> None:
    kills = KILLS * stress
    chance = random.Random(seed)
    rows = (PROCESSES + kills) * THREADS
    progress = Progress(folder / "progress", rows)
    storm = Storm(worker, store, progress, seed)
    try:
        scraped = [0.0] * len(RISING)
        for kill in range(kills):
            time.sleep(chance.random() * 0.03)
            # Most are killed at work; the others wherever their start has come to.
            at_work = [i for i, (number, _) in enumerate(storm.places) if progress.ready(number * THREADS)]
            storm.replace(chance.choice(at_work if at_work and chance.random() < 0.7 else range(PROCESSES)))
            if kill % SCRAPE_EVERY == 0:
                shown = rising(render())
                assert all(now >= before for before, now in zip(scraped, shown)), f"fell from {scraped} to {shown}"
                scraped = shown
        survivors = [number for number, _ in storm.places]
        storm.wait_for(progress.ready, survivors, "begun")
        progress.set_phase(1)
        storm.wait_for(progress.finished, survivors, "finished its work")

        begun, done = progress.sums(range(rows))
        survivor_rows = [row for number in survivors for row in storm.rows(number)]
        survivors_begun, survivors_done = progress.sums(survivor_rows)
        assert survivors_begun == survivors_done
        in_flight = sum(begun) - sum(done)
        print(f"{kills} killed, {sum(done)} updates acknowledged, {in_flight} more in flight")
        samples = check_totals(render(), begun, done)
        # The gauge of the living shows what the survivors set, and nothing of the dead.
        assert samples[key("load_gauge_livesum")] == survivors_done[LIVESUM_KIND]
        check()

        teller = shell()
        teller.ask("open", store)
        # Gauges: load_gauge_sum, load_gauge_livesum and 16 of load_gauge_labelled; the teller sets none.
        assert teller.statistics()["gauge_instances"] <= PROCESSES * 18
        assert teller.statistics()["live_processes"] == PROCESSES + 1
        teller.exit()

        storm.end()
        samples = check_totals(render(), begun, done)
        assert samples[key("load_gauge_livesum")] == 0
        check()
    finally:
        storm.kill_all()
