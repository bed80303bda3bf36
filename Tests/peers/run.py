# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of other packages with prometheus_client, with install(), and with the drop-in in its place.

    python Tests/peers/run.py --python build/peers/venv/bin/python [--only SUITE] [--checkouts DIRECTORY]

A test that fails with prometheus_client too says nothing of us. Each other one that fails is in expected.json, with the
reason; one that is there and passes fails the run as well. DIRECTORY has checkouts of packages' repositories by the
suites' names, which are used instead of what PyPI has.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Set, Tuple

from suites import SUITES, Suite

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "peers"
WAYS = {"prometheus_client": "prometheus_client", "install": "I", "dropin": "D"}

#: How often a test that fails is run again before that is believed.
TRIES = 3

Outcomes = Dict[str, str]


class Expected(NamedTuple):
    """What expected.json says of a suite and a way."""

    tests: Set[str]
    may_pass: Set[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="of the environment that has requirements.txt")
    parser.add_argument("--only", choices=[suite.name for suite in SUITES])
    parser.add_argument("--checkouts", type=Path)
    arguments = parser.parse_args()
    arguments.python = os.path.abspath(arguments.python)
    entries = json.loads((HERE / "expected.json").read_text())
    rows, wrong = [("suite", "tests", *(f"fail with {name}" for name in WAYS.values()))], []
    for suite in SUITES:
        if arguments.only not in (None, suite.name):
            continue
        source = _source(suite, arguments)
        expected = {way: _expected(suite, way, entries) for way in WAYS}
        outcomes = {way: _outcomes(suite, source, way, arguments.python, expected[way]) for way in WAYS}
        _complete(outcomes)
        rows.append(_row(suite, outcomes))
        wrong += _unexpected(suite, outcomes, expected)
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


def _source(suite: Suite, arguments: argparse.Namespace) -> Path:
    """A folder with the suite's tests, a copy."""
    checkout = arguments.checkouts / suite.name if arguments.checkouts else None
    root = BUILD / "suites" / suite.name
    shutil.rmtree(root, ignore_errors=True)
    if checkout is not None and checkout.is_dir():
        shutil.copytree(checkout, root)
    elif suite.ours:
        shutil.copytree(HERE / suite.ours, root)
    else:
        archive = _sdist(suite, arguments.python)
        with tempfile.TemporaryDirectory(dir=BUILD) as directory, tarfile.open(archive) as file:
            file.extractall(directory, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
            (extracted,) = Path(directory).iterdir()
            root.parent.mkdir(exist_ok=True)
            extracted.rename(root)
    for name, content in suite.lacks.items():
        path = root / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((HERE / content).read_text() if content.endswith(".py") else content)
    return root


def _sdist(suite: Suite, python: str) -> Path:
    directory = BUILD / "sdists" / f"{suite.name}-{suite.version}"
    if not directory.is_dir():
        fetched = Path(tempfile.mkdtemp(dir=BUILD))
        what = ["--no-deps", "--no-binary", ":all:", "--dest", str(fetched), f"{suite.name}=={suite.version}"]
        subprocess.run([python, "-m", "pip", "download", "--quiet", *what], check=True)
        directory.parent.mkdir(exist_ok=True)
        fetched.rename(directory)
    (archive,) = directory.iterdir()
    return archive


def _outcomes(suite: Suite, root: Path, way: str, python: str, expected: Expected) -> Outcomes:
    """The outcome of each test. One that fails unexpectedly is run again by itself: some race."""
    outcomes = _run(suite, root, way, python, [suite.tests])
    for test in sorted(_failed(outcomes) - (expected.tests - expected.may_pass)):
        for _ in range(TRIES):
            if "::" in test and outcomes[test] == "failed":
                outcomes.update(_run(suite, root, way, python, [test]))
    return outcomes


def _run(suite: Suite, root: Path, way: str, python: str, tests: List[str]) -> Outcomes:
    print(f"{suite.name}, {way}: {' '.join(tests)}", flush=True)
    reports = BUILD / "reports"
    reports.mkdir(exist_ok=True)
    report = reports / f"{suite.name}-{way}.json"
    report.unlink(missing_ok=True)
    command = [str(Path(python).with_name("pytest")), "-q", "--continue-on-collection-errors", "-p", "own_store"]
    # Memory, as automatic stores are.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="fdmetrics-peers-") as stores:
        environment = _environment(PEERS_WAY=way, PEERS_STORES=stores, PEERS_REPORT=str(report))
        with report.with_suffix(".log").open("w", encoding="utf-8") as log:
            subprocess.run(
                [*command, *suite.arguments, *tests],
                cwd=root,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
    if not report.exists():
        raise SystemExit(f"{suite.name}, {way}: no test has run; see {report.with_suffix('.log')}")
    outcomes: Outcomes = json.loads(report.read_text())
    return outcomes


def _environment(**variables: str) -> Dict[str, str]:
    """An environment that names no store, and these variables."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if "PROMETHEUS" not in name.upper() and not name.startswith("FDMETRICS_")
    }
    if library := os.environ.get("FDMETRICS_LIBRARY"):
        inherited["FDMETRICS_LIBRARY"] = library
    return {**inherited, "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT / "python")]), **variables}


def _complete(outcomes: Dict[str, Outcomes]) -> None:
    """A test that is not there in one way, because its module cannot be imported, fails."""
    for way in WAYS:
        for test in outcomes["prometheus_client"]:
            outcomes[way].setdefault(test, "failed")


def _failed(outcomes: Outcomes) -> Set[str]:
    return {test for test, outcome in outcomes.items() if outcome == "failed"}


def _row(suite: Suite, outcomes: Dict[str, Outcomes]) -> Tuple[str, ...]:
    counts = [str(len(_failed(outcomes[way]))) for way in WAYS]
    return (f"{suite.name} {suite.version}", str(len(outcomes["prometheus_client"])), *counts)


def _expected(suite: Suite, way: str, entries: List[Dict[str, Any]]) -> Expected:
    """The tests that are expected to fail, and those of them that may pass."""
    of_way = [entry for entry in entries if entry["suite"] == suite.name and way in entry["ways"]]
    assert all(entry["reason"] for entry in of_way)
    tests = {test for entry in of_way for test in entry["tests"]}
    return Expected(tests, {test for entry in of_way if entry.get("may_pass") for test in entry["tests"]})


def _unexpected(suite: Suite, outcomes: Dict[str, Outcomes], expected: Dict[str, Expected]) -> List[str]:
    lines = []
    failed_there = _failed(outcomes["prometheus_client"])
    for way in ("install", "dropin"):
        failed = _failed(outcomes[way]) - failed_there - expected[way].tests
        passed = {test for test in expected[way].tests if outcomes[way].get(test) == "passed"}
        lines += [f"fails: {suite.name}, {way}: {test}" for test in sorted(failed)]
        passed -= expected[way].may_pass
        lines += [f"passes, and is in expected.json: {suite.name}, {way}: {test}" for test in sorted(passed)]
    return lines


if __name__ == "__main__":
    sys.exit(main())
