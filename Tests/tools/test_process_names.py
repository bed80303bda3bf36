# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a process is called by a call, its environment or the kernel: fork children, dead processes, on a terminal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tool import Tool
from writers import Writers

#: Would clear the screen, by both spellings of ESC [, ring, turn the direction of writing and begin a new line.
HOSTILE = "\x1b[2J\x9b2J\x07\u202ea\nb\x7f"


@pytest.fixture
def children() -> Iterator[list[int]]:
    """Children of writers, which are killed at the end."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def start(
    writers: Writers, directory: Path, children: list[int], *names: str, **variables: str
) -> tuple[subprocess.Popen[str], int]:
    """A process that is named, and its fork child's process id."""
    process = writers.start(directory, "names", *names, **variables)
    assert process.stdout is not None
    children.append(int(process.stdout.readline()))
    return process, children[-1]


def names(tool: Tool, directory: Path) -> dict[int, str]:
    """What each process of a store is called, by its process id."""
    return {one["pid"]: one["name"] for one in tool.dump(directory)["processes"]}


def kernel_name(pid: int) -> str:
    """What the kernel calls a process."""
    return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def test_a_call_the_environment_and_the_kernel(tool: Tool, writers: Writers, stores: Path, children: list[int]) -> None:
    for number, (given, variables, parent, child) in enumerate(
        [
            ([], {}, None, None),
            ([], {"FDMETRICS_PROCESS_NAME": ""}, None, None),
            ([], {"FDMETRICS_PROCESS_NAME": "engine"}, "engine", "engine"),
            # A fork child is another process: it has not its parent's name.
            (["master"], {}, "master", None),
            (["master"], {"FDMETRICS_PROCESS_NAME": "engine"}, "master", "engine"),
            (["master", "worker-日本語"], {"FDMETRICS_PROCESS_NAME": "engine"}, "master", "worker-日本語"),
            (["", "worker"], {}, None, "worker"),
        ]
    ):
        directory = stores / f"names-{number}"
        process, pid = start(writers, directory, children, *given, **variables)
        expected = {process.pid: parent or kernel_name(process.pid), pid: child or kernel_name(pid)}
        assert names(tool, directory) == expected, (given, variables)
        reading = json.loads(tool.run("top", "--once", "--json", str(directory)).stdout)
        assert {one["pid"]: one["name"] for one in reading["processes"]} == expected
        assert tool.findings(directory) == []


def test_a_long_name_is_cut_behind_a_character(tool: Tool, writers: Writers, stores: Path, children: list[int]) -> None:
    directory = stores / "names-long"
    process, pid = start(writers, directory, children, "x" * 111 + "é", FDMETRICS_PROCESS_NAME="日" * 60)
    assert names(tool, directory) == {process.pid: "x" * 111, pid: "日" * 37}


def test_a_name_stays_until_another_process_takes_the_slot(
    tool: Tool, writers: Writers, stores: Path, children: list[int]
) -> None:
    directory = stores / "names-dead"
    process, pid = start(writers, directory, children, "master", "worker")
    # First the child, which has the other end of the writer's standard output.
    os.kill(children.pop(), signal.SIGKILL)
    writers.kill(process)

    def dead() -> Any:
        return [one for one in tool.dump(directory)["processes"] if not one["alive"]]

    assert [(one["pid"], one["name"]) for one in dead()] == [(process.pid, "master"), (pid, "worker")]
    assert f"the last one was worker {pid}" in tool.run("doctor", str(directory)).stdout
    table = tool.run("top", "--once", str(directory)).stdout
    assert f"{process.pid} dead" in table and " master " in table and " NAME " in table
    # Two heirs: of the first slot without a name, of the second one with its own.
    heir, heirs_child = start(writers, directory, children, "", "heir")
    assert names(tool, directory) == {heir.pid: kernel_name(heir.pid), heirs_child: "heir"}
    assert dead() == [] and tool.findings(directory) == []
    table = tool.run("top", "--once", str(directory)).stdout
    assert "master" not in table


def test_python_names_itself(tool: Tool, writers: Writers, stores: Path) -> None:
    directory = stores / "names-python"
    program = """
import os, sys
import fdmetrics
fdmetrics.set_process_name("server")
fdmetrics.Counter("jobs", "").inc()
for number in (1, 2):
    if os.fork() == 0:
        # It has its slot since the fork.
        if number == 2:
            fdmetrics.set_process_name("worker-2")
        os.write(1, b"%d\\n" % os.getpid())
        sys.stdin.read()
        os._exit(0)
os.write(1, b"%d\\n" % os.getpid())
sys.stdin.read()
"""
    root = Path(__file__).resolve().parents[2]
    variables = {"PYTHONPATH": str(root / "python"), "FDMETRICS_LIBRARY": str(writers.library)}
    variables |= {"FDMETRICS_DIR": str(directory), "FDMETRICS_PROCESS_NAME": "of the environment"}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )
    assert process.stdout is not None
    pids = [int(process.stdout.readline()) for _ in range(3)]
    found = names(tool, directory)
    process.communicate()
    assert sorted(found) == sorted(pids) and found[process.pid] == "server"
    assert sorted(found.values()) == ["of the environment", "server", "worker-2"]


def test_a_name_goes_with_the_process_where_its_store_was_deleted(
    tool: Tool, writers: Writers, stores: Path, children: list[int]
) -> None:
    directory = stores / "names-moved"
    process, _ = start(writers, directory, children, "master", "worker")
    shutil.rmtree(directory)
    # Any look-up notices it, and makes the store anew.
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("again\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"
    assert names(tool, directory) == {process.pid: "master"}


def test_a_full_file_system_has_no_room_for_a_name(tool: Tool, writers: Writers, tmp_path: Path) -> None:
    """The log says so; the process is shown by the kernel's name, and records what it recorded before."""
    program = """
import json, logging, os, subprocess, sys
import fdmetrics
logging.basicConfig(stream=sys.stdout)
directory = os.environ["FDMETRICS_DIR"]
counter = fdmetrics.Counter("jobs", "", ["n"])
first = counter.labels("first")
first.inc()
with open(directory + "/ballast", "wb", buffering=0) as ballast:
    try:
        while True:
            ballast.write(b"x" * 4096)
    except OSError:
        pass
# They take what is reserved; the others are refused.
for number in range(200):
    counter.labels(str(number)).inc()
fdmetrics.set_process_name("engine")
first.inc()
print(subprocess.run([sys.argv[1], "dump", "--json", directory], capture_output=True, text=True).stdout)
"""
    root = Path(__file__).resolve().parents[2]
    variables = {"PYTHONPATH": str(root / "python"), "FDMETRICS_LIBRARY": str(writers.library)}
    (tmp_path / "fill.py").write_text(program)
    place = tmp_path / "place"
    place.mkdir()
    script = f"mount -t tmpfs -o size=1m,mode=0700 none {place} && {sys.executable} {tmp_path}/fill.py {tool.path}"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, **variables, "FDMETRICS_DIR": str(place)},
    )
    assert done.returncode == 0, done.stderr
    log, _, listing = done.stdout.partition("\n{")
    assert "the store has no room for the name of this process" in log
    dump = json.loads("{" + listing)
    [process], [family] = dump["processes"], [one for one in dump["families"] if one["name"] == "jobs"]
    assert process["name"] == process["command"]
    assert [one["value"] for one in family["series"] if one["labels"] == {"n": "first"}] == [2]


def test_what_a_terminal_would_obey_is_shown(tool: Tool, writers: Writers, stores: Path, children: list[int]) -> None:
    directory = stores / "names-hostile"
    process, pid = start(writers, directory, children, HOSTILE, "\udc9bno UTF-8")
    shown = "\\u{1B}[2J\\u{9B}2J\\u{7}\\u{202E}a\\u{A}b\\u{7F}"
    for command in (["top", "--once"], ["dump"], ["doctor"]):
        output = tool.run(*command, str(directory)).stdout
        assert shown in output, command
        assert all(letter.isprintable() or letter == "\n" for letter in output), (command, output)
    for command in (["top", "--once", "--json"], ["dump", "--json"], ["doctor", "--json"]):
        output = tool.run(*command, str(directory)).stdout
        assert not any(letter < " " or "\x7f" <= letter < "\xa0" for letter in output.replace("\n", "")), command
        assert HOSTILE in [found for found in texts(json.loads(output)) if found.endswith("\x7f")], command
    assert names(tool, directory) == {process.pid: HOSTILE, pid: "\ufffdno UTF-8"}


def texts(value: Any) -> list[str]:
    """All strings in JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


def test_labels_that_a_terminal_would_obey_are_shown(tool: Tool, writers: Writers, stores: Path) -> None:
    directory = stores / "labels-hostile"
    writers.start(directory, "labels", HOSTILE)
    for command in (["top", "--once"], ["dump"], ["check", "--notes"]):
        output = tool.run(*command, str(directory)).stdout
        assert all(letter.isprintable() or letter == "\n" for letter in output), (command, output)
