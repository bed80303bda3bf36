# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmctl as a test runs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Not an expectation: a tool that takes as long as this hangs.
HANG_SECONDS = 120


def environment(**variables: str) -> Mapping[str, str]:
    """This process's environment without what names a store, and with these variables."""
    names = ("FDMETRICS_", "PROMETHEUS_MULTIPROC_DIR")
    return {name: value for name, value in os.environ.items() if not name.startswith(names)} | variables


class Tool:
    """Runs fdmctl. No run may end by a signal."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a subcommand, with these environment variables and no other ones that name a store."""
        command = [str(self.path), *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            errors="replace",
            env=environment(**variables),
        )
        assert done.returncode >= 0, f"{' '.join(command)} crashed with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def dump(self, directory: Path, *options: str) -> Any:
        """The dump as JSON."""
        done = self.run("dump", "--json", *options, str(directory))
        assert done.returncode == 0, f"dump ended with {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    def findings(self, directory: Path) -> list[str]:
        """What check prints of a damaged store; no line for a sound one."""
        done = self.run("check", str(directory))
        if done.returncode == 0:
            assert done.stdout.startswith("ok: "), done.stdout
            return []
        assert done.returncode == 1, f"check ended with {done.returncode}: {done.stdout}{done.stderr}"
        lines = done.stdout.splitlines()
        assert lines, "check found something and does not say what"
        assert all(line.startswith("error: ") for line in lines), done.stdout
        return lines
