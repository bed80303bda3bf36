#!/usr/bin/env python3
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Measures fdmetrics and its peers side by side and prints ratios with the bounds that the project holds to.

    python Benchmarks/run.py [--rounds N] [--only GROUP] [--json FILE] [--strict]

Needs gcc, g++ and libfdmetrics.so (`make lib`, or FDMETRICS_LIBRARY=path); prometheus_client and Debian's
prometheus-cpp-dev for the peers. README.md beside this file says how it measures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import life_rows

import report
from figures import Figures
from native_build import BuildError, Programs, build

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
GROUPS = ("updates", "text", "exposition", "processes", "python", "adoption", "zmq", "serve", "swift-metrics", "life")
#: Short-lived processes of fdmetrics, and of prometheus_client, whose scrape of as many would take minutes.
MANY_PROCESSES = 4096
PEER_PROCESSES = 64
#: A program that takes longer than this hangs.
TIMEOUT_SECONDS = 400


class Session:
    """One run: its programs, its temporary directory, and what was measured so far."""

    def __init__(self, library: Path, programs: Programs, directory: Path) -> None:
        self.library = library
        self.programs = programs
        self.directory = directory
        self.figures = Figures()
        self.sizes: dict[str, int] = {}
        self.notes: list[str] = list(programs.missing.values())
        self.failed = False
        self._fresh = 0

    def new_directory(self) -> Path:
        """An empty directory that nobody else has."""
        self._fresh += 1
        path = self.directory / f"store-{self._fresh}"
        path.mkdir(mode=0o700)
        return path

    def note(self, text: str) -> None:
        """Keeps what is to be said below the table, once: what failed or is missing, and what programs logged."""
        if text not in self.notes:
            self.notes.append(text)

    def run(self, command: Sequence[object], environment: dict[str, str] | None = None) -> bool:
        """Runs a program and takes what it printed. Its failure is noted, and makes the whole run fail."""
        words = [str(word) for word in command]
        name = Path(words[1] if words[0] == sys.executable else words[0]).name
        env = {key: value for key, value in os.environ.items() if not key.startswith(("FDMETRICS_", "PROMETHEUS_"))}
        env.update(environment or {})
        try:
            result = subprocess.run(
                words, env=env, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            self.note(f"{name} did not end within {TIMEOUT_SECONDS} s")
            self.failed = True
            return False
        if result.returncode != 0:
            last = result.stderr.strip().splitlines()[-1:] or [f"status {result.returncode}"]
            self.note(f"{name} failed: {last[0]}")
            self.failed = True
            return False
        self.figures.add_output(result.stdout)
        for line in result.stderr.splitlines():
            self.note(line)
        return True


def bytes_on_disk(directory: Path) -> int:
    """What du counts: the blocks that the files really have, not their lengths."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


class ShortLivedProcesses:
    """The stores that many processes have gone through; filled once, scraped in every round."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.stores = {name: session.new_directory() for name in ("few", "many", "peer few", "peer many")}
        churn: list[object] = [session.programs.built["churn"]]
        peer: list[object] = [sys.executable, HERE / "python_churn.py"]
        self.filled = self.fill(churn, "few", 1) and self.fill(churn, "many", MANY_PROCESSES)
        self.peer_filled = (
            has_prometheus_client() and self.fill(peer, "peer few", 1) and self.fill(peer, "peer many", PEER_PROCESSES)
        )

    def fill(self, command: list[object], name: str, count: int) -> bool:
        """Lets so many processes live and end."""
        return self.session.run([*command, "fill", self.stores[name], count])

    def scrape(self) -> None:
        """One round; the sizes are taken after it, when both stores have been read."""
        stores = self.stores
        if self.filled:
            churn = self.session.programs.built["churn"]
            self.session.run([churn, "scrape", stores["few"], 1, stores["many"], MANY_PROCESSES])
            for name in ("few", "many"):
                self.session.sizes[name] = bytes_on_disk(stores[name])
        if self.peer_filled:
            script = HERE / "python_churn.py"
            few, many = stores["peer few"], stores["peer many"]
            self.session.run([sys.executable, script, "scrape", few, 1, many, PEER_PROCESSES])
            for name in ("peer few", "peer many"):
                self.session.sizes[name] = bytes_on_disk(stores[name])


def has_package(name: str) -> bool:
    """Whether this Python has a package."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def has_prometheus_client() -> bool:
    """Whether this Python has the peer."""
    return has_package("prometheus_client")


def run_python(session: Session, script: str, *words: object) -> None:
    """One round of a Python program that has both libraries, each with a directory of its own."""
    environment = {
        "FDMETRICS_LIBRARY": str(session.library),
        "FDMETRICS_DIR": str(session.new_directory()),
        "PROMETHEUS_MULTIPROC_DIR": str(session.new_directory()),
        "PYTHONPATH": str(REPOSITORY / "python"),
    }
    session.run([sys.executable, HERE / script, *words], environment)


def run_zmq(session: Session, first: bool) -> None:
    """One round of messages; what takes memory says so in the first one."""
    if "zmq" in session.programs.built:
        session.run([session.programs.built["zmq"], session.new_directory()])
        if first:
            session.run([session.programs.built["zmq"], session.new_directory(), "heap"])
    swift = os.environ.get("ZMQ_BENCH_SWIFT")
    if swift:
        session.run([Path(swift).absolute(), session.new_directory()])
    else:
        session.note(
            "the messages in Swift need the program zmq-bench (make bench builds it), named by ZMQ_BENCH_SWIFT"
        )
    if has_prometheus_client() and has_package("pyzmq"):
        run_python(session, "python_zmq.py", session.new_directory())
        if first:
            run_python(session, "python_zmq_heap.py")


def run_exposition(session: Session) -> None:
    """One round of the formats."""
    program = os.environ.get("EXPOSITION_BENCH")
    if program:
        session.run([Path(program).absolute(), session.new_directory()])
    else:
        session.note("the formats need the program exposition-bench (make bench builds it), named by EXPOSITION_BENCH")


def run_serve(session: Session, first: bool) -> None:
    """One round of fdmctl serve; its memory is taken in the first one."""
    if not (os.environ.get("FDMCTL") or shutil.which("fdmctl")):
        session.note("a scrape over HTTP needs the tool fdmctl (make bench builds it), named by FDMCTL")
        return
    for figure in ("scrape", "writers", *(("memory",) if first else ())):
        words = (figure, session.programs.built["serve"], session.new_directory())
        session.run([sys.executable, HERE / "python_serve.py", *words])


def run_life(session: Session, first: bool) -> None:
    """One round of what is refused; thousands of processes hold the store in the first one alone."""
    if first:
        life = session.programs.built["life"]
        session.run([life, "refused", session.new_directory()])
        session.run([life, "attach", session.new_directory(), life_rows.HOLDERS])
    run_python(session, "python_refused.py")


def run_swift_metrics(session: Session) -> None:
    """One round of the backend of swift-metrics."""
    program = os.environ.get("SWIFT_METRICS_BENCH")
    if program:
        session.run([Path(program).absolute(), session.new_directory()])
    else:
        session.note(
            "swift-metrics needs the program swift-metrics-bench (make bench builds it), named by SWIFT_METRICS_BENCH"
        )


def measure(session: Session, groups: Sequence[str], rounds: int) -> None:
    """All rounds. In each, every program of the selected groups runs once, so that peers meet the same machine."""
    built = session.programs.built
    processes = ShortLivedProcesses(session) if "processes" in groups else None
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        if "updates" in groups:
            session.run([built["bare"]])
            session.run([built["fdm"], session.new_directory() / "store"])
            if "prometheus-cpp" in built:
                session.run([built["prometheus-cpp"]])
        if "text" in groups:
            session.run([built["text"], session.new_directory()])
        if "exposition" in groups:
            run_exposition(session)
        if processes:
            processes.scrape()
        if "python" in groups and has_prometheus_client():
            run_python(session, "python_ops.py")
        if "adoption" in groups and has_prometheus_client():
            run_python(session, "python_install.py")
            run_python(session, "python_import.py")
            if number == 0:
                run_python(session, "python_memory.py")
                run_python(session, "python_scrape.py")
        if "zmq" in groups:
            run_zmq(session, first=number == 0)
        if "serve" in groups:
            run_serve(session, first=number == 0)
        if "swift-metrics" in groups:
            run_swift_metrics(session)
        if "life" in groups:
            run_life(session, first=number == 0)


def environment_of(library: Path) -> dict[str, Any]:
    """What a reader needs to know of the machine."""
    model = platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    versions = {name: metadata.version(name) for name in ("prometheus_client", "pyzmq") if has_package(name)}
    return {
        "cpu": model,
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
        "library": os.path.relpath(library, REPOSITORY),
        **versions,
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures fdmetrics and its peers side by side.")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: 5)")
    parser.add_argument("--only", choices=GROUPS, action="append", help="measure only this group; may be repeated")
    parser.add_argument("--json", type=Path, help="also write the table and every single figure to this file")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a bound is missed or was not measured")
    parsed = parser.parse_args()
    if parsed.rounds < 1:
        parser.error("--rounds must be at least 1")
    return parsed


def main() -> int:
    options = arguments()
    groups = options.only or GROUPS
    library = Path(os.environ.get("FDMETRICS_LIBRARY") or REPOSITORY / "build" / "lib" / "libfdmetrics.so").absolute()
    if not library.is_file():
        print(f"{library} is not there: build it with `make lib`, or set FDMETRICS_LIBRARY", file=sys.stderr)
        return 2
    try:
        programs = build(REPOSITORY, library, REPOSITORY / "build" / "bench")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2

    start = time.monotonic()
    environment = environment_of(library)
    # Memory, not a disk, where there is one: what is measured is the library.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fdmetrics-bench-", dir=memory) as directory:
        session = Session(library, programs, Path(directory))
        if not has_prometheus_client():
            session.note("prometheus_client is not installed in this Python (pip install prometheus_client)")
        if not has_package("pyzmq"):
            session.note("pyzmq is not installed in this Python (pip install pyzmq)")
        measure(session, groups, options.rounds)

    for note in report.disturbed(session.figures):
        session.note(note)
    selected = [
        row
        for row in report.rows(session.figures, session.sizes, MANY_PROCESSES, PEER_PROCESSES)
        if row.group in groups
    ]
    print(", ".join(f"{key} {value}" for key, value in environment.items()))
    print(f"{options.rounds} rounds in {time.monotonic() - start:.0f} s\n")
    print("\n".join(report.table(selected)))
    if session.notes:
        print("\nNotes:")
        print("\n".join(f"- {note}" for note in session.notes))
    print("\n".join(report.absolute(session.figures, session.sizes)))
    if options.json:
        result = {
            "environment": environment,
            "rounds": options.rounds,
            "table": [row.as_json() for row in selected],
            "bytes_on_disk": session.sizes,
            "notes": session.notes,
            "figures": session.figures.all_lines(),
        }
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    not_met = [row for row in selected if row.verdict != "met"]
    return 1 if session.failed or (options.strict and not_met) else 0


if __name__ == "__main__":
    sys.exit(main())
