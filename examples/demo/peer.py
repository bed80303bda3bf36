# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""One process of the demo, as run.py sees it: a child with a ledger on its standard output.

On its standard input it is told `g` (go), `s` (stop: finish what you do, say "idle") and, by the end of the input, to
end. So no child outlives run.py for longer than it waits for a reply, however run.py ends.
"""

from __future__ import annotations

import queue
import subprocess
import threading
from typing import Dict, List

from ledger import Account

#: The longest that a child may take to answer, in seconds. Far more than it needs on a busy machine.
PATIENCE = 15.0


class DemoError(Exception):
    """The demo could not be run, or went wrong; the text says what and where."""


class Peer:
    """A child process, and what it has acknowledged so far."""

    def __init__(self, name: str, language: str, command: List[str], environment: Dict[str, str]) -> None:
        """Starts it. Errors: DemoError."""
        self.name = name
        self.language = language
        self.account = Account()
        #: "live", "ended" or "killed".
        self.state = "live"
        self._answers: queue.Queue[str] = queue.Queue()
        self._errors: List[str] = []
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
                bufsize=1,
                # An interrupt from the keyboard is for run.py, which ends the others in order.
                start_new_session=True,
            )
        except OSError as error:
            raise DemoError(f"{name}: {command[0]} cannot be started: {error}") from None
        self._reader = threading.Thread(target=self._read, name=f"ledger of {name}", daemon=True)
        self._reader.start()

    def tell(self, command: str) -> None:
        """Sends `g` or `s`. Errors: DemoError, if the process has gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(command)
            self.process.stdin.flush()
        except OSError as error:
            raise DemoError(f"{self.name} takes no commands: {error}") from None

    def wait_for(self, word: str) -> str:
        """Waits for a line that begins with a word, and returns what follows it. Errors: DemoError."""
        try:
            answer = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise DemoError(f"{self.name} did not say {word!r} within {PATIENCE:g} s") from None
        if not answer.startswith(word):
            raise DemoError(f"{self.name} said {answer!r} where {word!r} was expected")
        return answer[len(word) :].strip()

    def check(self) -> None:
        """Errors: DemoError, if it is not running, or its ledger cannot be read."""
        if self._errors:
            raise DemoError(f"{self.name}: {self._errors[0]}")
        if self.state == "live" and self.process.poll() is not None:
            raise DemoError(f"{self.name} ended by itself with status {self.process.returncode}")

    def end(self) -> None:
        """Lets it end normally, and waits for that. Errors: DemoError."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise DemoError(f"{self.name} did not end within {PATIENCE:g} s") from None
        self._leave("ended")
        if status != 0:
            raise DemoError(f"{self.name} ended with status {status}, 0 was expected")
        if self.account.doubt:
            raise DemoError(f"{self.name} ended without having acknowledged: {self.account.doubt}")

    def kill(self) -> None:
        """Kills it with SIGKILL, wherever it is, and reads its ledger to the end."""
        self.process.kill()
        self.process.wait()
        self._leave("killed")

    def _leave(self, state: str) -> None:
        self._reader.join()
        self.state = state
        self.check()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(("ready", "idle")):
                self._answers.put(line.strip())
            elif not self._errors:
                try:
                    self.account.read(line.rstrip("\n"))
                except ValueError as error:
                    self._errors.append(str(error))
        # Nobody needs to wait for answers that cannot come.
        self._answers.put("the end of its output")
