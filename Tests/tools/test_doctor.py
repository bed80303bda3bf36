# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmctl doctor on directories and stores with which one thing is wrong."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segment_file import SegmentFile
from tool import HANG_SECONDS, Tool, environment
from writers import Writers

Found = list[tuple[str, str]]
OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")


def findings(output: str) -> Found:
    """Severity and check of each finding of a report in JSON."""
    return [(one["severity"], one["check"]) for one in json.loads(output)["findings"]]


def examine(tool: Tool, *arguments: object, **variables: str) -> Found:
    """What the doctor finds, in text and JSON alike, with the exit status that fits."""
    words = [str(argument) for argument in arguments]
    done = tool.run("doctor", *words, "--json", **variables)
    found = findings(done.stdout)
    severities = {severity for severity, _ in found}
    assert done.returncode == (2 if "error" in severities else 1 if severities else 0), done.stderr
    text = tool.run("doctor", *words, **variables)
    assert text.returncode == done.returncode
    lines = [line for line in text.stdout.splitlines() if line.startswith(("error ", "warning "))]
    assert [tuple(line.split("]")[0].split(" [")) for line in lines] == found, text.stdout
    assert all(line.count(": ") >= 2 for line in lines), f"a line without advice: {text.stdout}"
    assert ("ok: nothing wrong" in text.stdout) == (found == [])
    return found


def in_namespace(script: str, **variables: str) -> str:
    """Runs a shell script that mounts things, where nobody else sees them."""
    done = subprocess.run(
        [*OWN_MOUNTS, "sh", "-euc", script],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env=environment(**variables),
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr} (mount namespaces need root)"
    return done.stdout


def test_nothing_is_wrong_with_a_live_store(tool: Tool, stores: Path, writers: Writers) -> None:
    directory = stores / "healthy"
    writer = writers.start(directory, "all")
    assert examine(tool, directory) == []
    text = tool.run("doctor", str(directory)).stdout
    assert f"store {directory}: 1 segments, 10 families, 11 series, " in text
    assert "live processes: 1 (python" in text
    assert f" {writer.pid})" in text
    # The configured one, by either variable.
    assert examine(tool, FDMETRICS_DIR=str(directory)) == []
    assert examine(tool, PROMETHEUS_MULTIPROC_DIR=str(directory)) == []
    writer.send_signal(signal.SIGSTOP)
    assert examine(tool, directory) == [("warning", "stopped")]
    writers.kill(writer)
    assert examine(tool, directory) == [("warning", "no-process")]


def test_a_fork_child_that_only_counts(tool: Tool, stores: Path, writers: Writers) -> None:
    """It holds no slot; but nobody should be told that the service is dead."""
    directory = stores / "orphan"
    writer = writers.start(directory, "orphan")
    assert writer.stdout is not None
    child = int(writer.stdout.readline())
    try:
        # Not by writers.kill, which waits until nobody has the pipe open.
        writer.kill()
        writer.wait(HANG_SECONDS)
        assert examine(tool, directory) == []
        assert "a fork child that only counts" in tool.run("doctor", str(directory)).stdout
    finally:
        os.kill(child, signal.SIGKILL)
    writers.kill(writer)
    assert examine(tool, directory) == [("warning", "no-process")]


def test_the_doctor_changes_nothing(tool: Tool, dead_store: Path) -> None:
    def state() -> dict[str, tuple[int, bytes]]:
        return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in dead_store.iterdir()}

    before = state()
    assert examine(tool, dead_store) == [("warning", "no-process")]
    assert state() == before


def test_directories_without_a_store(tool: Tool, tmp_path: Path) -> None:
    assert examine(tool, tmp_path / "missing") == [("error", "missing")]
    file = tmp_path / "file"
    file.write_text("")
    assert examine(tool, file) == [("error", "missing")]
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o700)
    assert examine(tool, empty) == [("error", "no-store")]
    # The store would be in a directory of the user within it.
    empty.chmod(0o777)
    assert examine(tool, empty) == [("error", "no-store")]
    assert "may be written by others (mode 777), and has no store in it" in tool.run("doctor", str(empty)).stdout
    assert list(empty.iterdir()) == []


def test_files_of_others(tool: Tool, large_copy: Path) -> None:
    large_copy.chmod(0o700)
    expected = [("warning", "no-process")]
    assert examine(tool, large_copy) == expected
    young = large_copy / ".fdmetrics-2.seg.12ab"
    young.write_bytes(b"")
    assert examine(tool, large_copy) == expected, "a segment that is just being made"
    os.utime(young, (time.time() - 3600, time.time() - 3600))
    assert examine(tool, large_copy) == [("warning", "foreign-files"), *expected]
    young.unlink()
    (large_copy / "counter_1.db").write_bytes(b"")
    (large_copy / "notes.txt").write_bytes(b"")
    assert examine(tool, large_copy) == [("warning", "foreign-files")] * 2 + expected
    assert "prometheus_client (counter_1.db)" in tool.run("doctor", str(large_copy)).stdout


def test_owners(tool: Tool, large_copy: Path) -> None:
    large_copy.chmod(0o700)
    os.chown(large_copy / "fdmetrics-1.seg", 65534, 65534)
    assert ("error", "owner") in examine(tool, large_copy)
    assert "fdmetrics-1.seg: belongs to user nobody (65534)" in tool.run("doctor", str(large_copy)).stdout


def test_the_directory_of_another_user(tool: Tool, stores: Path, writers: Writers) -> None:
    """With the store in this user's directory within it, which is neither a file of others nor another layout."""
    directory = stores / "of-nobody"
    directory.mkdir(mode=0o755)
    os.chown(directory, 65534, 65534)
    writer = writers.start(directory, "all")
    inner = directory / f"fdmetrics-{os.geteuid()}"
    assert inner.is_dir()
    assert examine(tool, directory) == []
    assert f"belongs to user nobody (65534): the store is in {inner}" in tool.run("doctor", str(directory)).stdout
    assert examine(tool, directory, "--pid", writer.pid) == []
    writers.kill(writer)
    assert examine(tool, directory) == [("warning", "no-process")]


@pytest.mark.parametrize("kind", ["a symbolic link", "a FIFO", "a directory"])
def test_something_in_the_place_of_a_segment(tool: Tool, dead_store: Path, tmp_path: Path, kind: str) -> None:
    """No process opens it, or sets it aside."""
    directory = tmp_path / "store"
    directory.mkdir(mode=0o700)
    planted = directory / "fdmetrics-0.seg"
    if kind == "a symbolic link":
        planted.symlink_to(dead_store / planted.name)
    elif kind == "a FIFO":
        os.mkfifo(planted)
    else:
        planted.mkdir()
    assert examine(tool, directory) == [("error", "planted")]
    text = tool.run("doctor", str(directory)).stdout
    assert f"{planted}: is {kind} " in text
    assert ": remove it; " in text
    assert "aside" not in text


def test_damage_and_other_versions(tool: Tool, segment: SegmentFile, tmp_path: Path) -> None:
    segment.flip(segment.family_record("requests") + 30, 1)
    found = examine(tool, segment.store)
    assert ("error", "damage") in found
    assert "fdmctl check" in tool.run("doctor", str(segment.store)).stdout
    segment.restore()
    for offset, check, text in [(8, "version", "layout version 2"), (16, "version", "layout signature")]:
        segment.write(offset, 2, 4)
        assert examine(tool, segment.store) == [("error", check)]
        assert text in tool.run("doctor", str(segment.store)).stdout
        segment.restore()
    segment.flip(40)
    assert examine(tool, segment.store) == [("error", "damage")]
    segment.restore()
    output = in_namespace(
        f"""
        echo 01234567-89ab-cdef-0123-456789abcdef > {tmp_path}/boot_id
        mount --bind {tmp_path}/boot_id /proc/sys/kernel/random/boot_id
        {tool.path} doctor --json {segment.store} || true
        """
    )
    assert findings(output) == [("error", "version")]
    assert "last boot" in output


def test_dropped_registrations_and_conflicts(tool: Tool, stores: Path, writers: Writers) -> None:
    directory = stores / "limited"
    writers.start(directory, "limited", "12", "10")
    found = examine(tool, directory)
    assert sorted(found) == [("error", "series-limit"), ("warning", "conflict"), ("warning", "dropped")]
    text = tool.run("doctor", str(directory)).stdout
    assert "2 registrations were dropped by the limit of 10 series" in text
    assert "family limited: has 10 series, the limit is 10" in text
    near = stores / "near"
    writers.start(near, "limited", "8", "8")
    assert ("error", "series-limit") in examine(tool, near)
    churn = stores / "churn"
    writers.start(churn, "churn", "1100")
    assert examine(tool, churn) == [("warning", "churn")]


def test_full_file_systems(tool: Tool, writers: Writers, tmp_path: Path) -> None:
    """A file system of 3 MiB: enough, nearly full, too full for the next segment, full, without inodes."""
    command = shlex.join(writers.command(tmp_path, "many", "2700"))
    doctor = f"{tool.path} doctor --json {tmp_path} || true; echo '#'"
    output = in_namespace(
        f"""
        mount -t tmpfs -o size=3m,nr_inodes=80,mode=0700 none {tmp_path}
        cd {tmp_path}
        {command} < /dev/null
        echo '#'
        {doctor}
        head -c $(($(stat -f -c %a .) * 4096 - 120000)) /dev/zero > ballast
        {doctor}
        head -c 100000 /dev/zero > more
        {doctor}
        rm ballast more
        i=0
        while touch .fdmetrics-2.seg.$i; do i=$((i + 1)); done 2> /dev/null
        {doctor}
        """
    )
    _, nearly, little, full, inodes, _ = output.split("#\n")
    dead = ("warning", "no-process")
    assert findings(nearly) == [("warning", "disk-full"), dead]
    segments = ("warning", "segments")
    assert findings(little) == [("warning", "disk-full"), ("warning", "foreign-files"), dead, segments]
    assert findings(full) == [("error", "disk-full"), ("warning", "foreign-files"), dead, segments]
    assert findings(inodes)[0] == ("error", "disk-full")
    assert "inodes" in inodes


def test_a_read_only_file_system(tool: Tool, dead_store: Path) -> None:
    output = in_namespace(
        f"""
        mount --bind {dead_store} {dead_store}
        mount -o remount,ro,bind {dead_store}
        {tool.path} doctor --json {dead_store} || true
        """
    )
    assert findings(output) == [("error", "read-only"), ("warning", "no-process")]


def test_network_file_systems(tool: Tool, dead_store: Path, tmp_path: Path) -> None:
    source, library = tmp_path / "nfs.c", tmp_path / "nfs.so"
    source.write_text(
        "#include <string.h>\n#include <sys/vfs.h>\n"
        "int fstatfs(int fd, struct statfs *info) "
        "{ (void)fd; memset(info, 0, sizeof *info); info->f_type = 0x6969; return 0; }\n"
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    dead = ("warning", "no-process")
    assert examine(tool, dead_store, LD_PRELOAD=str(library)) == [("error", "network"), dead]
    variables = {"LD_PRELOAD": str(library), "FDMETRICS_ALLOW_NETWORK_FS": "1"}
    assert examine(tool, dead_store, **variables) == [("warning", "network"), dead]


def test_variables(tool: Tool, dead_store: Path, tmp_path: Path) -> None:
    dead = ("warning", "no-process")
    store, other = str(dead_store), str(tmp_path)
    both = {"FDMETRICS_DIR": store, "PROMETHEUS_MULTIPROC_DIR": other}
    assert examine(tool, **both) == [("warning", "environment"), dead]
    # A symbolic link to the same directory is the same directory.
    link = tmp_path / "link"
    link.symlink_to(dead_store)
    assert examine(tool, FDMETRICS_DIR=store, PROMETHEUS_MULTIPROC_DIR=str(link)) == [dead]
    assert examine(tool, dead_store, FDMETRICS_DIR=other) == [("warning", "environment"), dead]
    relative = os.path.relpath(dead_store)
    assert examine(tool, FDMETRICS_DIR=relative) == [("warning", "environment"), dead]


def test_automatic_stores(tool: Tool, writers: Writers, tmp_path: Path) -> None:
    """Nothing is configured: no store at all, and then two."""
    stores = [Path(f"/dev/shm/fdmetrics-{name}") for name in ("one", "two")]
    commands = [f"{shlex.join(writers.command(store, 'all'))} < /dev/null > /dev/null" for store in stores]
    doctor = f"{tool.path} doctor --json || true; echo '#'"
    output = in_namespace(
        f"""
        mount -t tmpfs -o mode=1777 none /dev/shm
        {doctor}
        {commands[0]}
        {tool.path} top --once | head -n 1
        echo '#'
        {commands[1]}
        mkdir /dev/shm/fdmetrics-empty
        {doctor}
        {tool.path} top --once 2>&1 || test $? = 2
        """,
        TMPDIR=str(tmp_path),
    )
    none, only, two, several = output.split("#\n")
    assert findings(none) == [("error", "environment")]
    assert str(stores[0]) in only
    assert [one["directory"] for one in json.loads(two)["stores"]] == [str(store) for store in stores]
    assert findings(two) == [("warning", "no-process")] * 2
    assert all(str(store) in several for store in stores)


class TestProcess:
    """--pid"""

    def test_which_store_it_uses(self, tool: Tool, stores: Path, writers: Writers, dead_store: Path) -> None:
        directory = stores / "used"
        plain = writers.start(directory, "all", FDMETRICS_DIR=str(directory))
        assert examine(tool, "--pid", plain.pid) == []
        assert examine(tool, directory, "--pid", plain.pid) == []
        found = examine(tool, dead_store, "--pid", plain.pid)
        assert found == [("error", "process"), ("warning", "no-process")]
        text = tool.run("doctor", str(dead_store), "--pid", str(plain.pid)).stdout
        assert f"uses {directory}, not {dead_store}" in text
        # Its variable says another one than it uses.
        strange = writers.start(directory, "all", FDMETRICS_DIR=str(dead_store))
        assert examine(tool, "--pid", strange.pid) == [("warning", "process")]
        writers.kill(strange)
        writers.kill(plain)
        assert examine(tool, "--pid", plain.pid) == [("error", "process")]

    def test_a_process_without_a_store(self, tool: Tool, dead_store: Path, tmp_path: Path) -> None:
        dead = ("warning", "no-process")
        for variables, arguments, expected in [
            ({}, [], [("error", "process")]),
            ({}, [str(dead_store)], [("error", "process"), dead]),
            ({"FDMETRICS_DIR": str(dead_store)}, [], [("warning", "process"), dead]),
            ({"FDMETRICS_DIR": str(dead_store)}, [str(dead_store)], [("warning", "process"), dead]),
            ({"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}, [str(dead_store)], [("error", "process"), dead]),
            # Relative to its working directory.
            ({"FDMETRICS_DIR": dead_store.name}, [], [("warning", "environment"), ("warning", "process"), dead]),
        ]:
            process = subprocess.Popen(["sleep", "1000"], env=environment(**variables), cwd=dead_store.parent)
            try:
                assert examine(tool, *arguments, "--pid", process.pid) == expected, (variables, arguments)
            finally:
                process.kill()
                process.wait()

    def test_a_relative_path(self, tool: Tool, stores: Path, writers: Writers) -> None:
        """It counts from the directory that the process was started in, which it may have left."""
        relative = stores / "relative"
        started = writers.start(Path("relative"), "all", within=("env", "-C", str(stores)), FDMETRICS_DIR="relative")
        left = writers.start(relative, "all", within=("env", "-C", "/"), FDMETRICS_DIR="./relative/")
        other = writers.start(relative, "all", within=("env", "-C", "/"), FDMETRICS_DIR="../x", PWD=f"{relative}/y")
        for process, name in [(started, "relative"), (left, "./relative/")]:
            assert examine(tool, "--pid", process.pid) == []
            text = tool.run("doctor", "--pid", str(process.pid)).stdout
            assert f"process {process.pid} uses {relative}, its FDMETRICS_DIR\n" in text
            assert f"is {name}, a relative path: one that is started in another directory uses another store\n" in text
        # That one leads to another directory.
        assert examine(tool, "--pid", other.pid) == [("warning", "environment"), ("warning", "process")]
        assert "was started with FDMETRICS_DIR=../x but uses" in tool.run("doctor", "--pid", str(other.pid)).stdout

    def test_a_directory_that_could_not_be_used(
        self, tool: Tool, writers: Writers, stores: Path, tmp_path: Path
    ) -> None:
        """The automatic directory serves, which is no fault of the program."""
        file = tmp_path / "file"
        file.write_text("")
        program = (
            "import ctypes, sys; c = ctypes.CDLL(sys.argv[1]); store = ctypes.c_void_p();"
            "options = (ctypes.c_size_t * 3)(24, 0, 0);"  # fdm_options, which name no directory
            "assert c.fdm_store_open(options, ctypes.byref(store)) == 0;"
            "print('ready', flush=True); sys.stdin.read()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(writers.library)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(FDMETRICS_DIR=str(file)),
        )
        used: set[Path] = set()
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
            used = {Path(line.split()[-1]).parent for line in lines if line.endswith("/fdmetrics-0.seg")}
            assert [str(path).startswith("/dev/shm/fdmetrics-") for path in used] == [True]
            assert examine(tool, "--pid", process.pid) == [("warning", "process")]
            text = tool.run("doctor", "--pid", str(process.pid)).stdout
            assert f"{file} could not be used when the process attached" in text
            assert "opens a store by its path" not in text
            done = tool.run("doctor", str(file), "--pid", str(process.pid))
            assert f"not {file}: {file} could not be used" in done.stdout
        finally:
            process.communicate(timeout=HANG_SECONDS)
            for automatic in used:
                shutil.rmtree(automatic)

    def test_another_mount_namespace(self, tool: Tool, writers: Writers, stores: Path, tmp_path: Path) -> None:
        """Two processes with one FDMETRICS_DIR, of which one has a volume of its own there."""
        directory = stores / "volume"
        here = writers.start(directory, "all", FDMETRICS_DIR=str(directory))
        script = f'mount -t tmpfs -o mode=0700 none {directory} && exec "$@"'
        within = (*OWN_MOUNTS, "sh", "-euc", script, "sh")
        there = writers.start(directory, "all", within=within, FDMETRICS_DIR=str(directory))
        assert examine(tool, directory, "--pid", here.pid) == []
        assert examine(tool, directory, "--pid", there.pid) == [("error", "process")]
        done = tool.run("doctor", str(directory), "--pid", str(there.pid))
        assert "containers share" in done.stdout
        assert f"/proc/{there.pid}/root{directory}, not {directory}" in done.stdout
        # Its own store is all right, but for the little room that it has.
        done = tool.run("doctor", "--pid", str(there.pid), "--json")
        assert [one["directory"] for one in json.loads(done.stdout)["stores"]] == [f"/proc/{there.pid}/root{directory}"]
        assert findings(done.stdout) == []

    def test_a_store_that_was_removed(self, tool: Tool, writers: Writers, stores: Path) -> None:
        directory = stores / "removed"
        writer = writers.start(directory, "all", FDMETRICS_DIR=str(directory))
        shutil.rmtree(directory)
        found = examine(tool, "--pid", writer.pid)
        assert found[0] == ("error", "process")
        assert "which was removed" in tool.run("doctor", "--pid", str(writer.pid)).stdout

    def test_other_users(self, tool: Tool, dead_store: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        nobody = 65534
        process = subprocess.Popen(["sleep", "1000"], env=environment(FDMETRICS_DIR=str(dead_store)), user=nobody)
        try:
            assert ("error", "owner") in examine(tool, "--pid", process.pid)
        finally:
            process.kill()
            process.wait()
        # As that user, on what is root's: a copy of the tool that it can reach.
        place = tmp_path_factory.mktemp("tool")
        for above in (place, place.parent, place.parent.parent):
            above.chmod(0o755)
        copy = Path(shutil.copy(tool.path, place / "fdmctl"))
        for arguments, check in [(["--pid", str(os.getpid())], "process"), ([str(dead_store)], "permissions")]:
            done = subprocess.run(
                [str(copy), "doctor", "--json", *arguments],
                capture_output=True,
                text=True,
                user=nobody,
                env=environment(),
                timeout=HANG_SECONDS,
            )
            assert findings(done.stdout) == [("error", check)], done.stdout + done.stderr
            # Not the errno of something that was done since.
            assert "Success" not in done.stdout and ("Permission denied" in done.stdout) is (check == "process")
            assert done.returncode == 2
