# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A worker process that takes commands over pipes."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

HANG_SECONDS = 120.0

COUNTER = 1
GAUGE = 2
RENDER_PID_LABEL = 1


class Refused(Exception):
    """A call into the library returned an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text


class Shell:
    """One process of the role shell. Not thread-safe."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self.process.stdout is not None
        self._output = self.process.stdout.fileno()
        self._pending = b""

    def _more(self) -> None:
        ready, _, _ = select.select([self._output], [], [], HANG_SECONDS)
        assert ready, f"worker {self.process.pid} has not answered for {HANG_SECONDS} s"
        data = os.read(self._output, 1 << 20)
        assert data, f"worker {self.process.pid} ended with {self.process.wait()} in place of an answer"
        self._pending += data

    def send(self, *words: object) -> None:
        """Writes a command and does not wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write((" ".join(str(word) for word in words) + "\n").encode())

    def answer(self) -> str:
        """What follows the "ok" of the next answer; raises Refused for an error."""
        while b"\n" not in self._pending:
            self._more()
        line, _, self._pending = self._pending.partition(b"\n")
        state, _, rest = line.decode().partition(" ")
        if state == "error":
            status, _, text = rest.partition(" ")
            raise Refused(int(status), text)
        assert state == "ok", line
        return rest

    def ask(self, *words: object) -> str:
        """Runs a command and gives its answer."""
        self.send(*words)
        return self.answer()

    def _text(self, *words: object) -> str:
        length = int(self.ask(*words))
        while len(self._pending) < length:
            self._more()
        text, self._pending = self._pending[:length], self._pending[length:]
        return text.decode()

    def render(self, options: int = 0) -> str:
        """The exposition, from this process's attached store."""
        return self._text("render", options)

    def render_directory(self, directory: Path, options: int = 0) -> str:
        """The exposition of a directory, as a process that only reads."""
        return self._text("render_directory", directory, options)

    def statistics(self) -> dict[str, int]:
        """Numbers of the store."""
        numbers: dict[str, int] = json.loads(self.ask("statistics"))
        return numbers

    def gauge(self, handle: int, name: str, mode: int, label: str = "-", value: str = "-") -> None:
        """Registers a gauge family and looks up a series of it."""
        self.ask("register", name, GAUGE, mode, label)
        self.ask("labels", handle, name, value)

    def counter(self, handle: int, name: str, label: str = "-", value: str = "-") -> None:
        """Registers a counter family and looks up a series of it."""
        self.ask("register", name, COUNTER, 0, label)
        self.ask("labels", handle, name, value)

    def stop(self) -> None:
        """Stops the process where it is (SIGSTOP), and waits until it is stopped."""
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        """Lets a stopped process go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Ends the process with SIGKILL, and waits until it is gone."""
        if self.process.returncode is None:
            self.process.kill()
        self._reap()

    def exit(self) -> None:
        """Lets the process return from main, and waits until it is gone."""
        self.send("exit")
        self._reap()

    def _reap(self) -> None:
        self.process.wait(timeout=HANG_SECONDS)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
