# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that record, started and killed by a test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tool import HANG_SECONDS, environment


class Writers:
    """Starts and kills processes that record."""

    def __init__(self, library: Path) -> None:
        self.library = library
        self.running: list[subprocess.Popen[str]] = []

    def command(self, directory: Path, role: str, *rest: str) -> list[str]:
        """The command line of a writer."""
        program = Path(__file__).with_name("writer.py")
        return [sys.executable, str(program), str(self.library), str(directory), role, *rest]

    def start(
        self, directory: Path, role: str, *rest: str, within: Sequence[str] = (), **variables: str
    ) -> subprocess.Popen[str]:
        """Starts a writer, by another program if one is given, and waits until it is ready."""
        process = subprocess.Popen(
            [*within, *self.command(directory, role, *rest)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(**variables),
        )
        self.running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", f"{role} did not get ready"
        return process

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kills a writer at once, and reaps it."""
        process.kill()
        process.communicate(timeout=HANG_SECONDS)
        self.running.remove(process)

    def end(self) -> None:
        """Kills all that run."""
        for process in list(self.running):
            self.kill(process)
