# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmctl dump and fdmctl check on sound stores: of dead processes, of live ones, of several segments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tool import Tool
from writer import AWKWARD
from writers import Writers

STRESS = max(1, int(os.environ.get("FDM_STRESS") or 1))


def only_series(dump: Any, family: str, **labels: str) -> Any:
    """The one series of a family with these labels."""
    series = next(one for one in dump["families"] if one["name"] == family)["series"]
    found = [one for one in series if all(one["labels"].get(name) == value for name, value in labels.items())]
    assert len(found) == 1, found
    return found[0]


def test_check_accepts_the_store_of_killed_processes(tool: Tool, dead_store: Path) -> None:
    done = tool.run("check", str(dead_store))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"ok: 1 segments, 10 families, 11 series, 0 processes live\n", done.stdout), done.stdout


def test_dump_has_every_value_of_the_store_of_killed_processes(tool: Tool, dead_store: Path) -> None:
    dump = tool.dump(dead_store)
    assert dump["lanes"] == 2
    assert dump["series_limit"] == 20_000
    names = [family["name"] for family in dump["families"]]
    assert names == sorted(names)

    # Both processes recorded the same.
    awkward = only_series(dump, "requests", path=AWKWARD)
    assert awkward["labels"]["code"] == "200"
    assert awkward["value"] == 7.0
    assert sum(lane["whole"] + lane["fraction"] for lane in awkward["lanes"]) == 7.0
    assert only_series(dump, "requests", path="/")["value"] == 14.0
    assert awkward["text"] == '{code="200",path="C:\\\\temp \\"x\\"\\nä"}'

    delay = only_series(dump, "delay_seconds")
    assert (delay["count"], delay["sum"]) == (8, 101.6)
    buckets = [(bucket["le"], bucket["count"]) for bucket in delay["buckets"]]
    assert buckets == [("0.1", 2), ("1.0", 4), ("10.0", 0), ("+Inf", 2)]
    assert all(len(bucket["lanes"]) == 2 for bucket in delay["buckets"])
    size = only_series(dump, "size_bytes", kind="x")
    assert (size["count"], size["sum"]) == (4, 7.0)

    build = only_series(dump, "build")
    assert build["labels"] == {"part": "core", "version": "1.2", "commit": 'a"b'}
    assert only_series(dump, "phase")["state_on"] == "running"


def test_dump_has_the_gauge_instances_of_killed_processes(tool: Tool, dead_store: Path) -> None:
    dump = tool.dump(dead_store)
    processes = dump["processes"]
    assert [(one["slot"], one["generation"], one["alive"]) for one in processes] == [(0, 2, False)]
    assert processes[0]["command"].startswith("python")
    for mode, value, carried in [
        ("sum", 5.0, 2.5),
        ("max", 2.5, 2.5),
        ("liveall", None, None),
        ("mostrecent", 2.5, 2.5),
        ("local", None, None),
    ]:
        series = only_series(dump, f"level_{mode}", queue="q")
        assert series["value"] == value, mode
        [instance] = series["instances"]
        assert (instance["slot"], instance["alive"], instance["value"]) == (0, False, 2.5), mode
        assert instance["generation"] == 2, mode
        assert instance["carried"] == carried, mode
        assert instance["pid"] == processes[0]["pid"]
        assert (instance["set_time"] > 0) == (mode == "mostrecent")


def test_removed_series_are_shown_with_all(tool: Tool, dead_store: Path) -> None:
    def gone_series(*options: str) -> list[Any]:
        families = tool.dump(dead_store, *options)["families"]
        requests = next(family for family in families if family["name"] == "requests")
        return [one for one in requests["series"] if one["labels"]["path"] == "/gone"]

    assert gone_series() == []
    assert [(one["state"], one["value"]) for one in gone_series("--all")] == [("removed", 9.0), ("removed", 9.0)]


def test_dump_as_text_has_what_people_look_for(tool: Tool, dead_store: Path) -> None:
    done = tool.run("dump", str(dead_store))
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert text.startswith(f"store {dead_store}\n")
    for line in [
        "process slot 0, generation 2: dead, pid ",
        "family requests: counter, labels path, code\n",
        "family delay_seconds: histogram, unit seconds, bounds 0.1, 1.0, 10.0\n",
        "family level_sum: gauge, mode sum, labels queue\n",
        'series {code="",path="/"}: 14.0 ',
        "bucket le=+Inf: count 2, sum 100.0; lane 0: count ",
        "instance of process slot 0, generation 2, dead, pid ",
        "carried from the dead 2.5",
        'series {}: "running" is on, set ',
    ]:
        assert line in text, f"{line!r} is missing in:\n{text}"
    assert "/gone" not in text
    assert "/gone" in tool.run("dump", "--all", str(dead_store)).stdout


def test_a_live_process_is_seen_and_then_its_death(tool: Tool, stores: Path, writers: Writers) -> None:
    directory = stores / "live"
    writer = writers.start(directory, "all")
    assert "1 processes live" in tool.run("check", str(directory)).stdout
    dump = tool.dump(directory)
    assert [(one["pid"], one["alive"]) for one in dump["processes"]] == [(writer.pid, True)]
    assert only_series(dump, "level_liveall")["instances"][0]["alive"] is True
    writers.kill(writer)
    assert "0 processes live" in tool.run("check", str(directory)).stdout
    assert only_series(tool.dump(directory), "level_liveall")["instances"][0]["alive"] is False


def test_no_false_alarm_while_processes_record(tool: Tool, stores: Path, writers: Writers) -> None:
    directory = stores / "busy"
    seed = int(time.time())
    print(f"seed {seed}")
    processes = [writers.start(directory, "busy", str(seed + number)) for number in range(2)]
    for round_number in range(15 * STRESS):
        assert tool.findings(directory) == []
        assert tool.dump(directory)["segments"][0]["damaged_index_slots"] == []
        if round_number % 5 == 4:
            writers.kill(processes.pop(0))
            assert tool.findings(directory) == []
            processes.append(writers.start(directory, "busy", str(seed + 10 + round_number)))
    for process in processes:
        writers.kill(process)
    assert tool.findings(directory) == []


def test_nothing_is_changed_or_made(tool: Tool, dead_store: Path) -> None:
    def state() -> dict[str, tuple[int, int, bytes]]:
        files = {path.name: path for path in dead_store.iterdir()}
        return {
            name: (path.stat().st_mtime_ns, path.stat().st_blocks, path.read_bytes()) for name, path in files.items()
        }

    before = state()
    for command in (["dump"], ["dump", "--json", "--all"], ["check"]):
        assert tool.run(*command, str(dead_store)).returncode == 0
    assert state() == before


def test_two_segments(tool: Tool, large_store: Path) -> None:
    done = tool.run("check", str(large_store))
    assert done.stdout == "ok: 2 segments, 1 families, 3200 series, 0 processes live\n", done.stdout
    dump = tool.dump(large_store)
    assert [segment["sealed"] for segment in dump["segments"]] == [True, False]
    assert [record["segment"] for record in dump["families"][0]["records"]] == [0, 1]
    assert {series["value"] for series in dump["families"][0]["series"]} == {1.0}
    assert len({series["text"] for series in dump["families"][0]["series"]}) == 3200


def test_a_directory_without_a_store(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "counter_1.db").write_bytes(b"another's")
    for command in ("check", "dump"):
        done = tool.run(command, str(tmp_path))
        assert done.returncode == 2
        assert str(tmp_path) in done.stderr
        assert done.stdout == ""
        assert tool.run(command, str(tmp_path / "missing")).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["counter_1.db"]


def test_what_stands_in_place_of_the_users_directory_is_named(tool: Tool, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    inner = shared / f"fdmetrics-{os.geteuid()}"
    for command in ("check", "dump"):
        done = tool.run(command, str(shared))
        assert done.returncode == 2 and inner.name in done.stderr
    inner.symlink_to("/etc")
    for command in ("check", "dump"):
        done = tool.run(command, str(shared))
        assert done.returncode == 2
        assert str(inner) in done.stderr and "a symbolic link" in done.stderr


def test_version_and_help(tool: Tool) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", tool.run("--version").stdout)
    usage = tool.run("--help").stdout
    assert "dump" in usage
    assert "check" in usage


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(tool: Tool, tmp_path: Path, shell: str) -> None:
    done = tool.run("completions", shell)
    assert done.returncode == 0
    for word in ("doctor", "top", "diff", "dump", "check", "completions", "interval"):
        assert word in done.stdout
    script = tmp_path / "script"
    script.write_text(done.stdout)
    if shutil.which(shell):
        assert subprocess.run([shell, "-n", str(script)], capture_output=True).returncode == 0
    if shell == "bash":
        # bash asks for what may follow "fdmctl to".
        ask = f"""
            PATH={tool.path.parent}:$PATH
            source {script}
            COMP_WORDS=(fdmctl to) COMP_CWORD=1 COMP_LINE='fdmctl to' COMP_POINT=9
            _fdmctl fdmctl to fdmctl
            echo "${{COMPREPLY[@]}}"
        """
        answer = subprocess.run(["bash", "-c", ask], capture_output=True, text=True)
        assert answer.stdout.split() == ["top"], answer.stdout + answer.stderr
    assert tool.run("completions", "csh").returncode == 64


def test_a_scrape(tool: Tool, dead_store: Path) -> None:
    text = tool.run("dump", "--prometheus", str(dead_store)).stdout
    assert 'requests_total{code="",path="/"} 14.0\n' in text
    assert "# TYPE requests_total counter\n" in text
    assert tool.run("dump", "--openmetrics", str(dead_store)).stdout.endswith("# EOF\n")
    for wrong in (["--json", "--prometheus"], ["--prometheus", "--openmetrics"], ["--all", "--openmetrics"]):
        assert tool.run("dump", *wrong, str(dead_store)).returncode == 64
    for command in ("dump", "doctor", "top", "diff", "check", "completions"):
        help_text = tool.run("help", command).stdout
        assert "USAGE: fdmctl " + command in help_text
        assert max(map(len, help_text.splitlines())) <= 80
