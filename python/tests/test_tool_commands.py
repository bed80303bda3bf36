# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python -m fdmetrics serve, dump and check."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Iterator, Tuple, Union

import pytest

import fdmetrics

from .support import environment, run_program

WRITER = """
import sys
from fdmetrics import Counter, Gauge, Registry

registry = Registry(sys.argv[1])
jobs = Counter("jobs", "Jobs \\x1b[2J.", ["kind"], registry=registry)
jobs.labels("a").inc(2)
jobs.labels("gone").inc()
jobs.remove("gone")
Gauge("level", "Level.", multiprocess_mode="all", registry=registry).set(3)
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The store of a process that has ended."""
    directory = tmp_path / "store"
    run_program(WRITER, directory)
    return directory


def run(*arguments: Union[str, Path], **variables: Union[str, Path]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fdmetrics", *map(str, arguments)]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, timeout=60, check=False
    )


@contextlib.contextmanager
def serving(*arguments: Union[str, Path]) -> Iterator[Tuple[subprocess.Popen[str], str]]:
    """The process of a server, and its address."""
    command = [sys.executable, "-m", "fdmetrics", "serve", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://\S+(?=/metrics)", line)
        assert found, line
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def get(address: str, **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=60) as response:
        text: str = response.read().decode()
        return text


def test_dump_has_what_is_in_the_store(store: Path) -> None:
    result = run("dump", store)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"store {store}\n")
    assert 'family jobs: counter, labels kind\n  help "Jobs \\u{1B}[2J."\n' in result.stdout
    assert '  series {kind="a"}: 2.0 (segment 0 at ' in result.stdout
    assert "gone" not in result.stdout
    assert ": dead, pid " in result.stdout
    assert '  series {kind="gone"} removed: 1.0 ' in run("dump", "--all", store).stdout


def test_dump_as_json_is_one_object(store: Path) -> None:
    result = run("dump", "--json", FDMETRICS_DIR=store)
    assert result.returncode == 0, result.stderr
    jobs, level = json.loads(result.stdout)["families"]
    assert (jobs["name"], jobs["help"], jobs["labels"]) == ("jobs", "Jobs \x1b[2J.", ["kind"])
    assert [(one["labels"], one["value"]) for one in jobs["series"]] == [({"kind": "a"}, 2.0)]
    assert (level["mode"], level["series"][0]["value"]) == ("all", None)
    assert [(one["alive"], one["value"]) for one in level["series"][0]["instances"]] == [(False, 3.0)]


def test_check_says_that_a_store_is_intact(store: Path) -> None:
    result = run("check", store)
    assert (result.returncode, result.stdout) == (0, "ok: 1 segments, 2 families, 2 series, 0 processes live\n")


def test_check_says_what_is_damaged(store: Path) -> None:
    file = store / "fdmetrics-0.seg"
    content = file.read_bytes()
    file.write_bytes(content.replace(b'{kind="a"}', b'{kind="b"}'))
    result = run("check", store)
    assert result.returncode == 1
    assert re.fullmatch(r"error: fdmetrics-0\.seg, series at \d+ .*\n", result.stdout), result.stdout
    assert "  damaged records at index slots " in run("dump", store).stdout


@pytest.mark.parametrize("command", ["dump", "check"])
def test_where_there_is_no_store_it_is_said(command: str, tmp_path: Path) -> None:
    result = run(command, tmp_path / "missing")
    assert (result.returncode, result.stdout) == (2, "")
    assert f"{command}: there is no directory {tmp_path}/missing" in result.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("command", ["dump", "check", "serve"])
def test_a_directory_is_needed(command: str) -> None:
    result = run(command)
    assert result.returncode == 2
    assert "expected a DIR" in result.stderr


@pytest.mark.parametrize("arguments", [("dump", "--bogus"), ("check", "a", "b"), ("serve", "--port", "70000", "a")])
def test_arguments_that_make_no_sense_are_refused(arguments: Tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (64, "")
    assert arguments[1] in result.stderr or "b" in result.stderr


@pytest.mark.parametrize("command", ["dump", "check"])
def test_output_that_cannot_be_written_is_said(command: str, store: Path) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "fdmetrics", command, str(store)],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 74
    assert "standard output cannot be written: No space left on device" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_serves_until_a_signal(number: signal.Signals, store: Path) -> None:
    with serving(store) as (process, address):
        text = get(f"{address}/metrics")
        assert 'jobs_total{kind="a"} 2.0\n' in text
        # The server itself is none of the store's processes.
        assert "fdmetrics_live_processes 0.0\n" in text
        assert get(f"{address}/metrics", Accept="application/openmetrics-text").endswith("# EOF\n")
        assert "jobs" not in get(f"{address}/metrics?name[]=level")
        assert get(f"{address}/healthz") == "ok\n"
        process.send_signal(number)
        assert process.wait(timeout=60) == 0


def test_serve_takes_the_options_of_a_render(store: Path) -> None:
    with serving("--pid-label", "--no-self-metrics", "--process-metrics", "none", store) as (_, address):
        text = get(f"{address}/metrics")
        assert re.search(r'^level\{pid="\d+"\} 3\.0$', text, re.MULTILINE)
        assert "fdmetrics_" not in text
        assert "process_" not in text


def test_serve_shows_a_store_from_when_it_is_there(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    with serving(directory) as (_, address):
        assert get(f"{address}/metrics") == ""
        assert not directory.exists()
        run_program(WRITER, directory)
        assert 'jobs_total{kind="a"} 2.0\n' in get(f"{address}/metrics")


def test_serve_says_what_is_wrong_with_a_store(store: Path) -> None:
    (store / "fdmetrics-0.seg").write_bytes(b"no store" * 1024)
    with serving(store) as (_, address):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(f"{address}/metrics")
        assert refused.value.code == 500
        assert b"fdmetrics-0.seg" in refused.value.read()
        assert get(f"{address}/healthz") == "ok\n"


def test_serve_says_where_it_cannot_listen(store: Path) -> None:
    server, _ = fdmetrics.start_http_server(0, registry=fdmetrics.Registry(store))
    try:
        result = run("serve", "--port", str(server.server_port), store)
        assert result.returncode == 1
        assert f"cannot listen at addr='127.0.0.1' port={server.server_port}" in result.stderr
    finally:
        server.shutdown()
        server.server_close()
