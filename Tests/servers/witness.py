# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The truth about every request, kept apart from the metrics: a row in shared memory, written by its worker.

A row says how far its request has come. It is begun before the service sees the request, and done after the service,
its middleware included, has finished with it. So a request of a killed worker was counted if it is done, was not if it
has not begun, and only one that is begun and not done is in doubt. Used by the services and by the tests.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

#: Where the services find the file.
ROWS_FILE = "WITNESS_ROWS"
#: The header that carries the number of a request, and that of an answer with the worker's process id.
NUMBER_HEADER = "X-Request-Number"
WORKER_HEADER = "X-Worker"

WAITING, BEGUN, DONE = 0, 1, 2


class Rows:
    """The state of each request and the process that has it, as two words of 32 bits."""

    def __init__(self, path: Path | str, count: int = 0) -> None:
        """Opens the file, and makes it first if a count is given."""
        if count:
            Path(path).write_bytes(bytes(8 * count))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._words = memoryview(self._map).cast("I")
        self.count = len(self._words) // 2

    def begin(self, number: int) -> None:
        """The service is about to see the request."""
        self._words[2 * number + 1] = os.getpid()
        self._words[2 * number] = BEGUN

    def done(self, number: int) -> None:
        """The service has finished with the request."""
        self._words[2 * number] = DONE

    def state(self, number: int) -> int:
        """How far the request is."""
        return self._words[2 * number]

    def worker(self, number: int) -> int:
        """The process that has the request; 0 while it waits."""
        return self._words[2 * number + 1]

    def all_done(self) -> Iterator[int]:
        """The requests that are done."""
        return (number for number, state in enumerate(self._words[::2]) if state == DONE)

    def all_begun(self) -> list[int]:
        """The requests that are begun and not done."""
        return [number for number, state in enumerate(self._words[::2]) if state == BEGUN]
