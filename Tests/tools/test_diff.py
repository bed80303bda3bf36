# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmctl diff: two stores, a store and a saved scrape, two scrapes that spell the same differently."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tool import HANG_SECONDS, Tool
from writers import Writers


@pytest.fixture(scope="module")
def two_runs(stores: Path, session_writers: Writers) -> tuple[Path, Path]:
    """A store that one process recorded into, and one that two did, and that has a series more."""
    first, second = stores / "diff-a", stores / "diff-b"
    session_writers.kill(session_writers.start(first, "all"))
    for _ in range(2):
        session_writers.kill(session_writers.start(second, "all"))
    session_writers.kill(session_writers.start(second, "many", "1"))
    return first, second


def compared(tool: Tool, a: Path, b: Path, *options: str) -> Any:
    """The difference as JSON, and whether the exit status fits it."""
    done = tool.run("diff", str(a), str(b), "--json", *options)
    found = json.loads(done.stdout)
    differs = bool(found["added"] or found["removed"] or found["changed"])
    assert done.returncode == (1 if differs else 0), done.stderr
    return found


def test_two_stores(tool: Tool, two_runs: tuple[Path, Path]) -> None:
    found = compared(tool, *two_runs)
    assert [one["series"] for one in found["added"]] == ['many_total{n="0"}']
    assert found["added"][0]["new"] == 1.0
    assert found["removed"] == []
    changed = {one["series"]: (one["old"], one["new"], one["difference"]) for one in found["changed"]}
    assert changed['requests_total{code="",path="/"}'] == (7.0, 14.0, 7.0)
    assert changed['delay_seconds_bucket{le="0.1"}'] == (1.0, 2.0, 1.0)
    assert changed["delay_seconds_count"] == (4.0, 8.0, 4.0)
    assert 'level_max{queue="q"}' not in changed
    # Buckets stand in the order of their bounds, which is not that of their texts.
    bounds = [one["labels"]["le"] for one in found["changed"] if one["name"] == "delay_seconds_bucket"]
    assert bounds == ["0.1", "1.0", "10.0", "+Inf"]

    backwards = compared(tool, two_runs[1], two_runs[0])
    assert [one["series"] for one in backwards["removed"]] == ['many_total{n="0"}']
    assert len(backwards["changed"]) == len(changed)


def test_the_text_has_a_line_for_each_difference(tool: Tool, two_runs: tuple[Path, Path]) -> None:
    a, b = map(str, two_runs)
    done = tool.run("diff", a, b)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert '+ many_total{n="0"} 1.0' in lines
    assert '! requests_total{code="",path="/"} 7.0 -> 14.0 (+7.0)' in lines
    assert not any("level_max" in line for line in lines)
    counts = lines[-1]
    assert counts.startswith("1 added, 0 removed, ")
    everything = tool.run("diff", a, b, "--all").stdout.splitlines()
    assert '  level_max{queue="q"} 2.5' in everything
    assert everything[-1] == counts
    assert '- many_total{n="0"} 1.0' in tool.run("diff", b, a).stdout.splitlines()


def test_a_filter_and_an_equal_store(tool: Tool, two_runs: tuple[Path, Path]) -> None:
    a, b = map(str, two_runs)
    done = tool.run("diff", a, b, "--filter", "^level_(max|mostrecent)")
    assert (done.returncode, done.stdout) == (0, "0 added, 0 removed, 0 changed, 2 equal\n")
    done = tool.run("diff", a, b, "--filter", 'path="/"')
    assert (done.returncode, done.stdout.count("\n")) == (1, 2)
    done = tool.run("diff", b, b)
    assert done.returncode == 0
    assert done.stdout.startswith("0 added, 0 removed, 0 changed, ")
    assert tool.run("diff", a, b, "--filter", "(").returncode == 64


@pytest.mark.parametrize("form", ["--prometheus", "--openmetrics"])
def test_a_store_is_equal_to_its_scrape(tool: Tool, dead_store: Path, tmp_path: Path, form: str) -> None:
    scrape = tool.run("dump", form, str(dead_store))
    assert scrape.returncode == 0
    saved = tmp_path / "scrape"
    saved.write_text(scrape.stdout)
    found = compared(tool, dead_store, saved, "--filter", "^(requests|delay|size|level)")
    assert found["added"] == found["removed"] == found["changed"] == []
    assert found["equal_count"] > 10
    command = [str(tool.path), "diff", "-", str(saved)]
    done = subprocess.run(command, input=scrape.stdout, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 0, done.stdout


def test_spelling_makes_no_difference(tool: Tool, tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text(
        "# HELP x_seconds Time.\n# TYPE x_seconds histogram\n"
        'x_seconds_bucket{le="1",path="/a\\"b\\\\"} 3\n'
        'x_seconds_bucket{le="+Inf",path="/a\\"b\\\\"} 4e0 1395066363000\n'
        "y NaN\r\nz{} 5 \n"
    )
    b.write_text(
        'x_seconds_bucket{ path = "/a\\"b\\\\" , le = "1.0", } 3.0 # {trace="1"} 0.5\n'
        'x_seconds_bucket{path="/a\\"b\\\\",le="+Inf"} 4\n'
        '{"y"} NaN\n\tz 5.0\n# EOF\n'
    )
    found = compared(tool, a, b)
    assert found["equal_count"] == 4, found


def test_differences_that_are_no_numbers(tool: Tool, tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text('x{a="\x1b[31m"} 1\ny +Inf\nz 2.5\n')
    b.write_text('x{a="\x1b[31m"} NaN\ny 1\nz 1\n')
    done = tool.run("diff", str(a), str(b))
    assert done.returncode == 1
    assert done.stdout == (
        '! x{a="\\u{1B}[31m"} 1.0 -> NaN (NaN)\n! y +Inf -> 1.0 (-Inf)\n! z 2.5 -> 1.0 (-1.5)\n'
        "0 added, 0 removed, 3 changed, 0 equal\n"
    )


def test_what_cannot_be_read(tool: Tool, dead_store: Path, tmp_path: Path) -> None:
    wrong = {
        "no-value": "x\n",
        "no-number": "x{} many\n",
        "no-end": 'x{a="b} 1\n',
        "twice": "x 1\n# HELP x x\nx 2\n",
        "no-text": "\x7fELF\n",
    }
    for name, text in wrong.items():
        path = tmp_path / name
        path.write_text(text)
        done = tool.run("diff", str(dead_store), str(path))
        assert done.returncode == 2, name
        assert done.stdout == ""
        line = 3 if name == "twice" else 1
        assert done.stderr.startswith(f"fdmctl: {path}, line {line}: "), done.stderr
    for missing in (tmp_path / "missing", tmp_path):
        done = tool.run("diff", str(missing), str(dead_store))
        assert done.returncode == 2
        assert str(missing) in done.stderr
    assert tool.run("diff", "-", "-").returncode == 64
