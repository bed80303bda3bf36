# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Runs pyzmq's own tests with pyzmq as it is, and with all its sockets instrumented, and compares the outcomes.

    python Tests/peers/pyzmq/run.py --python build/peers/pyzmq/venv/bin/python [--only test_socket]

The environment has requirements.txt; the tests are those of pyzmq's source distribution on PyPI. FDMETRICS_LIBRARY may
name the library. A test that cannot pass here with pyzmq alone is listed and says nothing of us. It fails where another
one fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Dict

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
BUILD = ROOT / "build" / "peers" / "pyzmq"
WAYS = ("pyzmq", "instrument")
#: How often a file is run until all of it has passed once: a test that publishes right after it has subscribed, as
#: those of test_log, is not heard now and then, and then waits until it and those after it fail.
ATTEMPTS = 5
#: Of one file of tests, in seconds: what has no outcome by then fails.
TIMEOUT = 600

Outcomes = Dict[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="of the environment that has requirements.txt")
    parser.add_argument("--only", help="one file of tests, such as test_socket")
    arguments = parser.parse_args()
    python = os.path.abspath(arguments.python)
    BUILD.mkdir(parents=True, exist_ok=True)
    source = tests_of_pyzmq(python)
    outcomes: Dict[str, Outcomes] = {way: {} for way in WAYS}
    for file in sorted(source.glob("tests/test_*.py")):
        if arguments.only in (None, file.stem):
            for way in WAYS:
                found: Outcomes = {}
                for _ in range(ATTEMPTS):
                    ended = run(file, source, way, python)
                    found.update({test: end for test, end in ended.items() if end == "passed" or test not in found})
                    if found and "failed" not in found.values():
                        break
                outcomes[way].update(found)
    return compare(outcomes["pyzmq"], outcomes["instrument"])


def tests_of_pyzmq(python: str) -> Path:
    """pyzmq's root with its tests and without its package: the installed one is tested."""
    requirements = (HERE / "requirements.txt").read_text()
    (version,) = re.findall(r"^pyzmq==(\S+)$", requirements, re.MULTILINE)
    root = BUILD / f"pyzmq-{version}"
    if not root.is_dir():
        with tempfile.TemporaryDirectory(dir=BUILD) as directory:
            what = ["--no-deps", "--no-binary", "pyzmq", "--dest", directory, f"pyzmq=={version}"]
            subprocess.run([python, "-m", "pip", "download", "--quiet", *what], check=True)
            (archive,) = Path(directory).glob("*.tar.gz")
            with tarfile.open(archive) as file:
                file.extractall(directory, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
            extracted = Path(directory) / root.name
            shutil.rmtree(extracted / "zmq")
            extracted.rename(root)
    return root


def run(file: Path, source: Path, way: str, python: str) -> Outcomes:
    """The outcome of each test of a file."""
    report = BUILD / f"{file.stem}-{way}.json"
    report.unlink(missing_ok=True)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(dir=memory, prefix="fdmetrics-peers-") as store,
        open(report.with_suffix(".log"), "w", encoding="utf-8") as log,
    ):
        environment = {
            **os.environ,
            "FDMETRICS_DIR": store,
            "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT / "python")]),
            "PEERS_WAY": way,
            "PEERS_REPORT": str(report),
        }
        command = [python, "-m", "pytest", "-q", "-p", "recorded", "-p", "no:cacheprovider", f"tests/{file.name}"]
        try:
            done = subprocess.run(
                command,
                cwd=source,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT,
                check=False,
            )
            ended = str(done.returncode)
        except subprocess.TimeoutExpired:
            ended = f"no end after {TIMEOUT} seconds"
    outcomes: Outcomes = json.loads(report.read_text()) if report.exists() else {}
    counts = ", ".join(
        f"{list(outcomes.values()).count(outcome)} {outcome}" for outcome in ("passed", "failed", "skipped")
    )
    print(f"{file.stem}, {way}: {counts}; pytest: {ended}", flush=True)
    return outcomes


def compare(plain: Outcomes, instrumented: Outcomes) -> int:
    """Prints what differs. Whether a test that passes with pyzmq alone does not with instrumented sockets."""
    print(f"{len(plain)} tests")
    for test in sorted(plain):
        if plain[test] == "failed":
            print(f"fails without us too: {test}")
    # One that is not there has hung, or its file could not be imported.
    wrong = [test for test in sorted(plain) if plain[test] == "passed" and instrumented.get(test) != "passed"]
    for test in wrong:
        print(f"fails with instrumented sockets: {test}")
    if not plain:
        print("no test has run")
    return 1 if wrong or not plain else 0


if __name__ == "__main__":
    sys.exit(main())
