# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Copies of the Python folders in a checkout whose Makefile takes what was built before."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path
from subprocess import CompletedProcess

from environments import clean, run

ROOT = Path(__file__).resolve().parents[2]

#: The platform of this machine, for which there is the tool.
HOST = f"{platform.machine()}-linux-gnu"

MAKEFILE = """\
.PHONY: lib library tool
lib:
\tinstall -D -m 755 "{libraries}/$(PLATFORM)/libfdmetrics.so" build/lib/$(PLATFORM)/libfdmetrics.so
library:
\tinstall -D -m 644 "{libraries}/{host}/libfdmetrics.so" python/fdmetrics/libfdmetrics.so
tool:
\tinstall -D -m 755 "{tool}" build/bin/fdmctl
"""


class Checkout:
    """As a clone of the repository, but that nothing is compiled in it."""

    def __init__(self, folder: Path, libraries: Path, tool: Path) -> None:
        self.folder = folder
        self.python = folder / "python"
        self.tool = folder / "python-tool"
        not_sources = shutil.ignore_patterns("*.so", "__pycache__", ".*", "dist", "build")
        for name in ("python", "python-tool"):
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=not_sources)
        shutil.copy(ROOT / "LICENSE", folder)
        shutil.copy(ROOT / "Package.swift", folder)
        (folder / "Makefile").write_text(MAKEFILE.format(libraries=libraries, tool=tool, host=HOST))

    def build(self, *options: str, of: Path | None = None, **environment: str) -> CompletedProcess[str]:
        """`python -m build` of a folder, by default the Python folder, into dist. The caller looks at the status."""
        # `true` stands for Swift: the Makefile of this checkout does not call it.
        variables = clean(**{"SWIFT": "true", **environment})
        # With the hatchling that is here, as `make dist` does it.
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", self.folder / "dist", *options]
        # Not from a folder that has a folder `build`.
        return run([*command, of or self.python], variables, cwd=self.python)

    def built(self, pattern: str) -> Path:
        """The one file of dist that is called so."""
        (path,) = (self.folder / "dist").glob(pattern)
        return path
