# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Copies of the Python folder in a checkout whose `make self-contained` takes what was built before."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from subprocess import CompletedProcess

from environments import clean, run

ROOT = Path(__file__).resolve().parents[2]

MAKEFILE = """\
self-contained:
\tinstall -D -m 644 "{library}" python/fdmetrics/libfdmetrics.so
\tinstall -D -m 755 "{tool}" build/bin/fdmctl
"""


class Checkout:
    """As a clone of the repository, but that nothing is compiled in it."""

    def __init__(self, folder: Path, library: Path, tool: Path) -> None:
        self.folder = folder
        self.python = folder / "python"
        not_sources = shutil.ignore_patterns("*.so", "__pycache__", ".*", "dist", "build")
        shutil.copytree(ROOT / "python", self.python, symlinks=True, ignore=not_sources)
        shutil.copy(ROOT / "LICENSE", folder)
        shutil.copy(ROOT / "Package.swift", folder)
        (folder / "Makefile").write_text(MAKEFILE.format(library=library, tool=tool))

    def build(self, *options: str, **environment: str) -> CompletedProcess[str]:
        """`python -m build` of the Python folder into dist. The caller looks at the status."""
        # `true` stands for Swift: the Makefile of this checkout does not call it.
        variables = clean(**{"SWIFT": "true", **environment})
        command = [sys.executable, "-m", "build", "--outdir", self.folder / "dist", *options, self.python]
        # Not from a folder that has a folder `build`.
        return run(command, variables, cwd=self.python)

    def built(self, pattern: str) -> Path:
        """The one file of dist that is called so."""
        (path,) = (self.folder / "dist").glob(pattern)
        return path
