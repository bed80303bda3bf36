# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Variables of the environment: an empty one is as if it were not set, and a value that means nothing is said once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest

from .support import PACKAGE_ROOT, Samples, environment, run_program

#: Shows, three times, what the default registry has of the processes, and a gauge of each process.
SHOWN = """
import logging, sys
logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
import fdmetrics
fdmetrics.install()
import prometheus_client
prometheus_client.Gauge("g", "").set(1)
for _ in range(3):
    text = prometheus_client.generate_latest().decode()
print(text)
"""


def run(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, timeout=60, check=True, cwd=PACKAGE_ROOT
    )


def labels(shown: str) -> Dict[str, List[str]]:
    """The label names that samples of the processes, of their collectors, and of the gauge have."""
    samples = Samples(shown)
    names = ("process_threads", "python_gc_collections_total", "g")
    return {name: sorted({key for found in samples.named(name) for key, _ in found}) for name in names}


@pytest.mark.parametrize(
    "name", ["FDMETRICS_PROCESS_METRICS", "FDMETRICS_PID_LABEL", "FDMETRICS_UTF8_NAMES", "FDMETRICS_PURE_CTYPES"]
)
@pytest.mark.parametrize("way", ["empty", "meaningless"])
def test_a_variable_that_says_nothing_changes_nothing(name: str, way: str) -> None:
    without = run(SHOWN)
    chosen = run(SHOWN, **{name: "" if way == "empty" else "Worker"})
    assert labels(chosen.stdout) == labels(without.stdout)
    assert Samples(chosen.stdout).named("process_threads")
    assert without.stderr == ""
    if way == "empty":
        assert chosen.stderr == ""
    else:
        (line,) = chosen.stderr.splitlines()
        assert line.startswith(f"WARNING fdmetrics: {name} is 'Worker' in the environment: ")
        assert " 1 or 0 is expected; " in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FDMETRICS_PROCESS_METRICS", "worker"),
        ("FDMETRICS_PROCESS_METRICS", "1"),
        ("FDMETRICS_PROCESS_METRICS", "0"),
        ("FDMETRICS_PID_LABEL", "1"),
        ("FDMETRICS_PID_LABEL", "0"),
        ("FDMETRICS_UTF8_NAMES", "1"),
        ("FDMETRICS_UTF8_NAMES", "0"),
        ("FDMETRICS_PURE_CTYPES", "1"),
        ("FDMETRICS_PURE_CTYPES", "0"),
    ],
)
def test_a_value_that_is_expected_is_not_spoken_of(name: str, value: str) -> None:
    assert run(SHOWN, **{name: value}).stderr == ""


def test_what_is_logged_names_all_values_and_what_happens() -> None:
    line = run(SHOWN, FDMETRICS_PROCESS_METRICS="none").stderr
    assert line == (
        "WARNING fdmetrics: FDMETRICS_PROCESS_METRICS is 'none' in the environment: worker, 1 or 0 is expected; "
        "the metrics of all processes are added up\n"
    )


def test_a_program_that_does_not_log_reads_it_on_standard_error(tmp_path: Path) -> None:
    program = "import fdmetrics, sys; fdmetrics.Counter('c', '').inc(); assert 'logging' not in sys.modules"
    (line,) = run(program, FDMETRICS_PURE_CTYPES="on", FDMETRICS_DIR=str(tmp_path / "store")).stderr.splitlines()
    assert line == (
        "fdmetrics: FDMETRICS_PURE_CTYPES is 'on' in the environment: 1 or 0 is expected; builtins are used"
    )


@pytest.mark.parametrize("value", ["true", "yes", "2"])
def test_the_hook_says_that_it_does_nothing(value: str, tmp_path: Path) -> None:
    for name in ("fdmetrics_hook.pth", "fdmetrics_hook.py"):
        (tmp_path / name).symlink_to(PACKAGE_ROOT / name)
    program = f"""
import site, sys
site.addsitedir({str(tmp_path)!r})
import prometheus_client
assert not {{"fdmetrics", "ctypes"}} & set(sys.modules)
assert type(prometheus_client.values.ValueClass).__module__ != "fdmetrics._prometheus.value_class"
"""
    (line,) = run(program, FDMETRICS_INSTALL=value).stderr.splitlines()
    assert line.startswith(f"fdmetrics: FDMETRICS_INSTALL is {value!r} in the environment: 1 or 0 is expected; ")
    for silent in ("", "0"):
        assert run(program + 'assert "fdmetrics_hook" not in sys.modules', FDMETRICS_INSTALL=silent).stderr == ""


def test_an_automatic_directory_is_removed_where_the_directory_s_variable_is_empty() -> None:
    """The process that chose the name never attaches; a child of it has made the store."""
    program = """
    import os, subprocess, sys
    os.environ["FDMETRICS_DIR"] = ""
    import fdmetrics
    child = "import fdmetrics; fdmetrics.Counter('c', '').inc(); print(fdmetrics.REGISTRY.path)"
    made = subprocess.run([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    assert made == os.environ["FDMETRICS_AUTO_DIR"] and os.path.isdir(made)
    print(made)
    """
    assert not os.path.exists(run_program(program).strip())
