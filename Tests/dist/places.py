# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Where the library is found from: the tree that it was built in, and a tarball that was unpacked and moved."""

from __future__ import annotations

import os
import platform
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
#: Longer than anything here takes, on a machine with other work to do: for its first static program zig makes musl.
HANG_SECONDS = 1800

PLATFORMS = ("x86_64-linux-gnu", "aarch64-linux-gnu", "x86_64-linux-musl", "aarch64-linux-musl")
#: That of this machine, for which there is the tool and whose programs a C compiler of the machine makes.
HOST = f"{platform.machine()}-linux-gnu"


class Place(NamedTuple):
    """A folder with libraries, and what pkg-config and CMake find them by."""

    platform: str
    headers: Path
    libraries: Path


def clean(**more: str) -> dict[str, str]:
    """This environment without what names a library, a store or flags for a compiler."""
    ours = ("FDM", "PKG_CONFIG", "CMAKE", "LD_", "LIBRARY_PATH", "CPATH", "CFLAGS", "MAKE")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, **more}


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """Runs a command that must succeed; what it printed on standard output."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=clean(LC_ALL="C.UTF-8", **environment), capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert done.returncode == 0, f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def tarball(dist: Path, of: str) -> Path:
    """The tarball of a platform."""
    (path,) = dist.glob(f"fdmetrics-*-{of}.tar.gz")
    return path


def unpacked(path: Path, folder: Path) -> Path:
    """The top folder of a tarball, put somewhere else than it was unpacked."""
    with tarfile.open(path) as archive:
        top = archive.getnames()[0]
        archive.extractall(folder / "unpacked", filter="data")
    return (folder / "unpacked" / top).rename(folder / "elsewhere")
