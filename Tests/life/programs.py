# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of a service, as Python programs over the library under test."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

HANG_SECONDS = 120.0
#: A user that owns nothing here.
NOBODY = 65534
_SETTINGS = (
    "FDMETRICS_DIR",
    "FDMETRICS_AUTO_DIR",
    "FDMETRICS_AUTO_PID",
    "PROMETHEUS_MULTIPROC_DIR",
    "prometheus_multiproc_dir",
)


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without settings of a store, and with these changes."""
    kept = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    return {**kept, **changes}


def command(source: str, *arguments: object) -> list[str]:
    """The command line of a program."""
    return [sys.executable, "-c", textwrap.dedent(source), *(str(argument) for argument in arguments)]


def as_user(user: int) -> tuple[str, ...]:
    """A prefix of a command line that runs it as another user, with a group of the same number alone."""
    return ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")


def after_reboot(folder: Path) -> tuple[str, ...]:
    """A prefix of a command line that runs it on a host that has booted again since."""
    identity = folder / "boot_id"
    if not identity.exists():
        identity.write_text(Path("/proc/sys/kernel/random/uuid").read_text())
    script = f'mount --bind {identity} /proc/sys/kernel/random/boot_id && exec "$@"'
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")


class Outcome:
    """What a program printed: standard output without its last line feed, and what it logged."""

    def __init__(self, output: str, log: str) -> None:
        self.output = output.rstrip("\n")
        self.log = log

    @property
    def lines(self) -> list[str]:
        """The lines of the log that are the library's or the package's."""
        return [line for line in self.log.splitlines() if line.startswith("fdmetrics")]


def run(source: str, *arguments: object, prefix: Sequence[str] = (), **changes: str) -> Outcome:
    """Runs a program to its end, which has to be a good one."""
    done = subprocess.run(
        [*prefix, *command(source, *arguments)],
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return Outcome(done.stdout, done.stderr)


def samples(text: str) -> dict[str, float]:
    """The samples of a text, by name and labels as they are written."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


class Program:
    """A program that goes on, and does something at each line that it is sent: the expression is evaluated in it, with
    fdmetrics as `f`, and its value, as text, is the answer."""

    LOOP = """
        import os, sys, time
        import fdmetrics as f
        for line in sys.stdin:
            try:
                answer = str(eval(line))
            except Exception as error:
                answer = f"{type(error).__name__}: {error}"
            print(answer.replace("\\n", "\\f"), flush=True)
        """

    def __init__(self, setup: str = "", prefix: Sequence[str] = (), **changes: str) -> None:
        source = textwrap.dedent(setup) + "\n" + textwrap.dedent(self.LOOP)
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", source],
            env=environment(**changes),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def ask(self, expression: str) -> str:
        """Evaluates an expression there."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"{expression}: the program ended with {self.process.wait()}:\n{self._log()}"
        return answer.rstrip("\n").replace("\f", "\n")

    def scrape(self) -> dict[str, float]:
        """What the program shows."""
        return samples(self.ask("f.generate_latest().decode()"))

    def _log(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def end(self) -> Outcome:
        """Lets the program end by itself."""
        output, log = self.process.communicate(timeout=HANG_SECONDS)
        assert self.process.returncode == 0, f"ended with {self.process.returncode}:\n{log}"
        return Outcome(output, log)

    def kill(self) -> None:
        """Ends the program by kill -9."""
        self.process.kill()
        self.process.communicate(timeout=HANG_SECONDS)
