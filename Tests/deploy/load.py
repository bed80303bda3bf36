# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A load of processes that are killed and replaced, and what they acknowledged.

Each writer (writer.py, writer.c) makes rounds of one update of each kind. In its row of the ledger, a file that all
map, it writes the number of a kind's update before the update and after it. So a writer that is killed leaves at most
one update that was made or was not; everything else is known exactly.
"""

from __future__ import annotations

import mmap
import os
import random
import select
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from running import ENDS_WITH_US, HERE, PATIENCE_SECONDS, environment
from writer import HEADER, KINDS, ROW

#: What a kind's updates are seen by: the selector of a sum, and what one update adds.
EFFECTS = [
    ("load_requests_total", 0, 1.0),
    ("load_work_seconds_total", 1, 0.25),
    ("load_steps_total", 2, 1.0),
    ("load_size_bytes_count", 3, 1.0),
    ("load_size_bytes_sum", 3, 64.0),
    ('load_size_bytes_bucket{le="16.0"}', 3, 0.0),
    ('load_size_bytes_bucket{le="100.0"}', 3, 1.0),
    ('load_size_bytes_bucket{le="+Inf"}', 3, 1.0),
    ("load:stage:requests_total", 4, 1.0),
]
#: Those that every scrape has from the first one on, at 0 then.
STEADY = [selector for selector, kind, _ in EFFECTS if kind != 2]


class Bounds(NamedTuple):
    """What a total must be: at least what was acknowledged, at most that and what killed writers had begun."""

    least: float
    most: float

    def admits(self, value: float) -> bool:
        """Whether a total can be so."""
        return self.least <= value <= self.most


def compile_writer(library: Path, folder: Path) -> Path:
    """The writer in C."""
    program = folder / "writer"
    command = [os.environ.get("CC", "cc"), "-std=c99", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
    command += [f"-I{HERE.parents[1] / 'Include'}", str(HERE / "writer.c"), "-o", str(program)]
    command += [str(library), f"-Wl,-rpath,{library.parent}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


class Writer:
    """A process that records. Not thread-safe."""

    def __init__(self, command: list[str], store: Path) -> None:
        self.process = subprocess.Popen(
            [*ENDS_WITH_US, *command],
            env=environment(FDMETRICS_DIR=str(store)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._said = b""

    def tell(self) -> None:
        """Lets it record, or stop."""
        assert self.process.stdin is not None
        self.process.stdin.write(b".")

    def expect(self, word: bytes) -> None:
        """Returns when it has said a word."""
        assert self.process.stdout is not None
        while word not in self._said:
            found, _, _ = select.select([self.process.stdout], [], [], PATIENCE_SECONDS)
            assert found, f"a writer has not said {word!r} for {PATIENCE_SECONDS} s, but {self._said!r}"
            said = os.read(self.process.stdout.fileno(), 100)
            assert said, f"a writer ended with {self.process.wait()} in place of saying {word!r}"
            self._said += said

    def kill(self) -> None:
        """Ends it with SIGKILL, whatever it does."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


class Load:
    """The writers of one store. A context manager, which kills them."""

    #: How many writers there may ever be.
    ROWS = 512

    def __init__(self, folder: Path, c_writer: Path, seed: int, writers: int = 4) -> None:
        folder.mkdir(exist_ok=True)
        self.store = folder / "store"
        self.killed = 0
        self.started = 0
        self._chance = random.Random(seed)
        self._c_writer = c_writer
        self._path = folder / "ledger"
        with self._path.open("wb+") as file:
            file.truncate(HEADER + self.ROWS * ROW)
            self._ledger = mmap.mmap(file.fileno(), 0)
        self._live = [self._start() for _ in range(writers)]

    def _start(self) -> Writer:
        row = self.started
        assert row < self.ROWS, f"more than {self.ROWS} writers"
        self.started += 1
        program = [str(self._c_writer)] if row % 2 else [sys.executable, str(HERE / "writer.py")]
        return Writer([*program, str(self._path), str(row)], self.store)

    def __enter__(self) -> Load:
        try:
            # Only then is every series there.
            for writer in self._live:
                writer.expect(b"ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._live:
            writer.kill()
        self._live = []

    def go(self) -> None:
        """Lets the writers record."""
        for writer in self._live:
            writer.tell()

    def replace_one(self) -> None:
        """Kills a writer and puts a new one in its place, which may be killed before it has begun."""
        place = self._chance.randrange(len(self._live))
        writer = self._live[place]
        assert writer.process.poll() is None, f"a writer ended by itself with {writer.process.returncode}"
        writer.kill()
        self.killed += 1
        self._live[place] = self._start()
        self._live[place].tell()

    def stop(self) -> None:
        """Returns when nobody records any more. The writers stay."""
        for writer in self._live:
            writer.tell()
            writer.expect(b"idle")

    def bounds(self, rows: Iterable[int] | None = None) -> dict[str, Bounds]:
        """What each sum must be: that of all writers there were, or of some."""
        chosen = list(range(self.started) if rows is None else rows)
        found = {}
        for selector, kind, amount in EFFECTS:
            begun = sum(self._count(row, kind, 0) for row in chosen)
            done = sum(self._count(row, kind, ROW // 2) for row in chosen)
            assert 0 <= begun - done <= self.killed, f"{begun} begun, {done} done, {self.killed} killed"
            found[selector] = Bounds(done * amount, begun * amount)
        return found

    def _count(self, row: int, kind: int, half: int) -> int:
        assert kind < KINDS
        (count,) = struct.unpack_from("Q", self._ledger, HEADER + row * ROW + half + 8 * kind)
        return int(count)
