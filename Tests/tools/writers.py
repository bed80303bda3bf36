# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that record, started and killed by a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tool import HANG_SECONDS


class Writers:
    """Starts and kills processes that record."""

    def __init__(self, library: Path) -> None:
        self.library = library
        self.running: list[subprocess.Popen[str]] = []

    def start(self, directory: Path, role: str, *rest: str) -> subprocess.Popen[str]:
        """Starts a writer and waits until it is ready."""
        command = [sys.executable, str(Path(__file__).with_name("writer.py")), str(self.library), str(directory), role]
        process = subprocess.Popen([*command, *rest], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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
