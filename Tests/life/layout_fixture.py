# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A store of an earlier layout. As a program: writes the file that the tests use."""

from __future__ import annotations

import lzma
import struct
import sys
import tempfile
from pathlib import Path

from programs import run
from stores import patch_header, segment

FIXTURE = Path(__file__).parent / "fixtures" / "layout-0.seg.xz"
SERVICE = """
    import fdmetrics
    fdmetrics.Counter("jobs", "Jobs").inc(7)
    fdmetrics.Gauge("level", "Level").set(3)
    """


def unpack(directory: Path) -> bytes:
    """Puts the store of the earlier layout into a directory; its bytes."""
    data = lzma.decompress(FIXTURE.read_bytes())
    segment(directory).write_bytes(data)
    segment(directory).chmod(0o600)
    return data


def _make(path: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run(SERVICE, FDMETRICS_DIR=directory)
        file = segment(Path(directory))
        patch_header(file, 8, struct.pack("<I", 0))
        path.write_bytes(lzma.compress(file.read_bytes(), preset=9))


if __name__ == "__main__":
    _make(Path(sys.argv[1]))
