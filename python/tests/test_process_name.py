# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmetrics.set_process_name; what is then shown, Tests/tools/test_process_names.py looks at."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, List

import pytest

import fdmetrics

from .support import run_program

PROGRAM = """
import os
import fdmetrics
{}
fdmetrics.Gauge("g", "").set(1)
{}
child = os.fork()
if child == 0:
    {}
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


def names(directory: Path) -> List[str]:
    """The names of the first two slots of a store, read from its file as docs/file-format.md has it; "": none."""
    data = (directory / "fdmetrics-0.seg").read_bytes()
    found = []
    for slot in range(2):
        generation, name = struct.unpack_from("<II", data, 36864 + 64 * slot)
        assert generation == 1 and name >> 26 == 0
        if name == 0:
            found.append("")
            continue
        size, kind, owner = struct.unpack_from("<IIQ", data, name * 64)
        assert (size, kind) == (128, 4)
        text = data[name * 64 + 16 : name * 64 + 128].rstrip(b"\0").decode()
        found.append(text if owner == (slot + 1) << 32 | generation else "")
    return found


@pytest.mark.parametrize(
    ("before", "after", "in_child", "expected"),
    [
        ("pass", "pass", "pass", ["", ""]),
        ("fdmetrics.set_process_name('api')", "pass", "pass", ["api", ""]),
        ("pass", "fdmetrics.set_process_name('api')", "fdmetrics.set_process_name('w')", ["api", "w"]),
        ("fdmetrics.set_process_name('a')", "fdmetrics.set_process_name('b')", "pass", ["b", ""]),
        ("fdmetrics.set_process_name('a')", "fdmetrics.set_process_name(None)", "pass", ["", ""]),
        ("os.environ['FDMETRICS_PROCESS_NAME'] = 'e'", "fdmetrics.set_process_name('b')", "pass", ["b", "e"]),
        ("os.environ['FDMETRICS_PROCESS_NAME'] = 'e'", "fdmetrics.set_process_name('')", "pass", ["e", "e"]),
        # Cut behind a whole character; what UTF-8 does not have is replaced.
        ("fdmetrics.set_process_name('x' * 110 + '\u65e5')", "pass", "pass", ["x" * 110, ""]),
        ("fdmetrics.set_process_name('a\\udc80b')", "pass", "pass", ["a?b", ""]),
    ],
)
def test_names(tmp_path: Path, before: str, after: str, in_child: str, expected: List[str]) -> None:
    run_program(PROGRAM.format(before, after, in_child), FDMETRICS_DIR=tmp_path)
    assert names(tmp_path) == expected


@pytest.mark.parametrize("wrong", [b"bytes", 1, ["x"]])
def test_what_is_no_text_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"The name of a process is .*: give a str"):
        fdmetrics.set_process_name(wrong)


def test_a_zero_is_refused() -> None:
    with pytest.raises(fdmetrics.InvalidArgumentError, match="must not have a zero"):
        fdmetrics.set_process_name("a\0b")


def test_without_a_library_nothing_is_named_and_nothing_raised() -> None:
    run_program("import fdmetrics; fdmetrics.set_process_name('a')", FDMETRICS_LIBRARY="/nowhere/libfdmetrics.so")
