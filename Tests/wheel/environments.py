# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Virtual environments as a user has them: nothing of this checkout and no Swift is to be seen from inside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: Longer than anything here takes, on a machine with other work to do.
HANG_SECONDS = 300


def clean(**more: str) -> dict[str, str]:
    """This environment without what names a library, a store, a Python or Swift of this checkout."""
    ours = ("FDM", "ZMQ_", "PYTHON", "PROMETHEUS_", "LD_", "VIRTUAL_ENV", "SWIFT", "MAKE")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, **more}


def run(
    command: list[str | Path], environment: dict[str, str], timeout: float = HANG_SECONDS, **more: object
) -> subprocess.CompletedProcess[str]:
    """Runs to the end and keeps all that is printed, errors too, in `stdout`."""
    return subprocess.run(
        [str(word) for word in command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        **more,  # type: ignore[call-overload]
    )


class Environment:
    """A fresh virtual environment of one interpreter."""

    def __init__(self, folder: Path, interpreter: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        # With the pip that virtualenv carries for each Python, also where the interpreter came without one.
        done = run([sys.executable, "-m", "virtualenv", "--quiet", "--python", interpreter, folder], clean())
        assert done.returncode == 0, done.stdout

    def install(self, *what: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """pip install. The caller looks at the status."""
        options = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile"]
        return run([self.python, "-m", "pip", "install", *options, *what], clean(**environment))

    def run(self, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """The environment's python, with nothing on the PATH but the environment itself."""
        variables = clean(PATH=str(self.folder / "bin"), **environment)
        return run([self.python, *words], variables, cwd=self.folder)

    def tool(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """The environment's fdmctl."""
        variables = clean(PATH=str(self.folder / "bin"))
        return run([self.folder / "bin" / "fdmctl", *words], variables, cwd=self.folder)
