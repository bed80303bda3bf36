# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What fdmctl prints, and where that cannot be written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tool import HANG_SECONDS, Tool, environment
from writers import Writers


@pytest.mark.parametrize(
    "arguments",
    [
        ("dump", "STORE"),
        ("dump", "--prometheus", "STORE"),
        ("dump", "--json", "STORE"),
        ("check", "STORE"),
        ("diff", "STORE", "STORE"),
        ("doctor", "STORE"),
        ("top", "--once", "STORE"),
        ("completions", "bash"),
        ("--help",),
        ("--version",),
    ],
)
def test_output_that_cannot_be_written_is_a_failure(tool: Tool, dead_store: Path, arguments: tuple[str, ...]) -> None:
    command = [str(tool.path), *(str(dead_store) if one == "STORE" else one for one in arguments)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), timeout=HANG_SECONDS
        )
    assert done.returncode == os.EX_IOERR, done.stderr
    assert "fdmctl: standard output cannot be written" in done.stderr


def test_a_reader_that_has_enough_is_none(tool: Tool, dead_store: Path) -> None:
    command = f"'{tool.path}' dump '{dead_store}' | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment(), timeout=HANG_SECONDS
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_a_link_of_zeromq_is_no_damage(tool: Tool, writers: Writers, stores: Path) -> None:
    directory = stores / "link"
    writers.start(directory, "link", FDMETRICS_DIR=str(directory))
    dump = tool.dump(directory)
    assert [segment["damaged_index_slots"] for segment in dump["segments"]] == [[]]
    gauge = next(one for one in dump["families"] if one["name"] == "fastdeploy:zmq:in_flight")
    [series] = gauge["series"]
    assert series["difference_of"] == ["fastdeploy:zmq:msg_send", "fastdeploy:zmq:msg_recv"]
    text = tool.run("dump", str(directory)).stdout
    assert "fastdeploy:zmq:msg_send - fastdeploy:zmq:msg_recv" in text
    assert "damaged" not in text
    assert tool.findings(directory) == []
