# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The demo: processes in Swift, Python and C exchange messages over ZeroMQ and record into one store while one of them
is killed; then every total that /metrics shows is compared with what the processes acknowledged. `make demo` runs it.

    run.py [--seconds N] [--seed N] [--keep] [--port N]

What happens, with times for the default of 5 seconds:

    0.00 s  a Swift engine, a C recorder and four Python workers go, two of these with asyncio: they send each request
            to the engine (DEALER to ROUTER), and what it has used to the recorder (REQ to REP)
    1.25 s  worker-1 ends normally; worker-5 takes its place
    2.50 s  worker-2 is killed with SIGKILL, wherever it is; worker-6 takes its place
    3.75 s  server-1, which serves /metrics, is killed; the engine, which mounts the same server, serves from then on
    5.00 s  all finish what they are doing; /metrics is fetched over HTTP in three formats, compared and checked
            all end, with the engine the second process that served; server-2, which never recorded, takes over;
            /metrics is fetched, compared and checked once more

Exits with 0 if each total is exact, else with 1. --keep lets the traffic go on after the first comparison until Ctrl-C.
Environment: FDMETRICS_LIBRARY, the path of libfdmetrics.so; DEMO_ENGINE, that of the Swift program, by default
build/demo/demo-engine.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List

import formats

import report
import tables
from peer import DemoError, Peer
from serving import Endpoint, Server

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORKERS = 4


def demo_engine() -> str:
    """The path of the Swift program, which was built before. Errors: DemoError."""
    path = Path(os.environ.get("DEMO_ENGINE") or ROOT / "build/demo/demo-engine")
    if not os.access(path, os.X_OK):
        raise DemoError(f"{path} cannot be run: build it with `make demo`, or set DEMO_ENGINE to its path")
    return str(path)


def compile_recorder() -> str:
    """Compiles recorder.c against the library, and returns its path. Errors: DemoError."""
    library = os.environ.get("FDMETRICS_LIBRARY", "")
    if not os.path.isfile(library):
        raise DemoError(f"FDMETRICS_LIBRARY is {library!r}, the path of libfdmetrics.so is expected: use `make demo`")
    library = os.path.abspath(library)
    output = ROOT / "build" / "demo" / "recorder"
    output.parent.mkdir(parents=True, exist_ok=True)
    command = [os.environ.get("CC", "cc"), "-std=c99", "-D_POSIX_C_SOURCE=200809L", "-O2", "-Wall", "-Wextra"]
    command += [f"-I{ROOT / 'Include'}", str(HERE / "recorder.c"), "-o", str(output)]
    command += [library, f"-Wl,-rpath,{os.path.dirname(library)}", "-lzmq", "-pthread"]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise DemoError(f"recorder.c cannot be compiled: {error}") from None
    return str(output)


class Demo:
    """All processes of one run, and the store that they share. Leaving it as a context ends and removes them all."""

    def __init__(self, seed: int, port: int) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.endpoint = Endpoint(port)
        self.peers: List[Peer] = []
        self.servers: List[Server] = []
        self.workers = 0
        self.differences = 0
        self.shown: Dict[str, report.Row] = {}

    def __enter__(self) -> Demo:
        parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.directory = tempfile.mkdtemp(prefix="fdmetrics-demo-", dir=parent)
        self.store = os.path.join(self.directory, "store")
        self.endpoints = [f"ipc://{self.directory}/{name}" for name in ("engine", "usage")]
        # All that a process must know to record into the store of the others.
        self.environment: Dict[str, str] = {**os.environ, "FDMETRICS_DIR": self.store}
        return self

    def __exit__(self, *_exception: object) -> None:
        processes = [each.process for each in (*self.peers, *self.servers)]
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    # Processes --------------------------------------------------------------------------------------------------------

    def start(self, name: str, language: str, *command: str) -> Peer:
        """Starts a process; `ready` waits for it."""
        peer = Peer(name, language, list(command), self.environment)
        self.peers.append(peer)
        return peer

    def start_server(self) -> Server:
        """Starts a process that only reads, and serves when nobody else does."""
        name = f"server-{len(self.servers) + 1}"
        server = Server(name, demo_engine(), self.store, self.endpoint.port)
        self.servers.append(server)
        return server

    def start_worker(self) -> Peer:
        """Starts the next worker: every second one uses asyncio."""
        self.workers += 1
        name = f"worker-{self.workers}"
        script, language = ("worker.py", "Python") if self.workers % 2 else ("async_worker.py", "asyncio")
        return self.start(
            name, language, sys.executable, str(HERE / script), name, f"{self.seed} {name}", *self.endpoints
        )

    def start_all(self) -> None:
        """Starts everything, and waits until it is ready. Those that bind first: so no worker has to connect twice."""
        recorder = compile_recorder()
        engine, usage = self.endpoints
        server = self.start_server()
        self.endpoint.wait_for(server.process.pid, server.name)
        command = [demo_engine(), "run", engine, str(self.endpoint.port)]
        self.engine = self.start("engine", "Swift", *command)
        self.recorder = self.start("recorder", "C", recorder, usage)
        for peer in (self.engine, self.recorder):
            peer.wait_for("ready")
        for worker in [self.start_worker() for _ in range(WORKERS)]:
            worker.wait_for("ready")

    def recording(self) -> List[Peer]:
        """The live processes that record: those that answer last, because the workers wait for their replies."""
        answering = [self.recorder, self.engine]
        asking = [peer for peer in self.peers if peer not in answering]
        return [peer for peer in asking + answering if peer.state == "live"]

    def worker(self, number: int) -> Peer:
        """A worker, by the number in its name."""
        return next(peer for peer in self.peers if peer.name == f"worker-{number}")

    def replace(self) -> None:
        """Starts a worker in the place of one that has gone, and lets it go."""
        peer = self.start_worker()
        peer.wait_for("ready")
        peer.tell("g")

    # Traffic ----------------------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Lets the traffic go on."""
        for peer in self.recording():
            peer.tell("g")

    def stop(self) -> None:
        """Waits until everybody has finished what it was doing. Nobody ends."""
        for peer in self.recording():
            peer.tell("s")
            peer.wait_for("idle")

    def wait(self, seconds: float) -> None:
        """Lets time pass and watches the processes. Errors: DemoError."""
        end = time.monotonic() + seconds
        while True:
            for process in (*self.peers, *self.servers):
                process.check()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.05))

    def run(self, seconds: float) -> None:
        """The traffic, with one worker that ends, one that is killed, and the process that serves killed."""
        start = time.monotonic()
        self.go()
        self.wait(seconds / 4)
        self.worker(1).tell("s")
        self.worker(1).wait_for("idle")
        self.worker(1).end()
        self.replace()
        # A part of a request earlier or later, to hit it anywhere.
        self.wait(start + seconds / 2 + self.random.uniform(0, 0.02) - time.monotonic())
        self.worker(2).kill()
        self.replace()
        self.wait(start + seconds * 3 / 4 - time.monotonic())
        self.servers[0].kill()
        self.endpoint.wait_for(self.engine.process.pid, self.engine.name)
        self.start_server()
        self.wait(start + seconds - time.monotonic())
        self.stop()

    # Comparison -------------------------------------------------------------------------------------------------------

    def compare(self, title: str) -> None:
        """Fetches /metrics, prints it beside what was acknowledged, and checks the store."""
        samples = formats.TEXT.samples(self.endpoint.get(formats.TEXT.accept))
        entries = [report.Entry(peer.account, peer.state == "live") for peer in self.peers]
        rows = report.compare(entries, samples)
        self.differences += sum(not row.ok for row in rows)
        print(f"\n{title}\n{tables.table(rows, self.shown)}\n{tables.links(report.links_of(entries), samples)}")
        for name, differences in self.endpoint.differences(samples).items():
            self.differences += len(differences)
            print(f"  as {name}: " + ("; ".join(differences) or "the same samples"))
        print(f"  as a page: {len(self.endpoint.get('text/html', ''))} bytes of HTML")
        serving = {each.process.pid: each.name for each in (*self.servers, self.engine)}
        listener = self.endpoint.listener(serving)
        if listener is None:
            raise DemoError("/metrics was served by none of the processes that should")
        print(f"  served by {serving[listener]}, pid {listener}")
        check = subprocess.run(
            [sys.executable, "-m", "fdmetrics", "check", self.store],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.differences += check.returncode != 0
        print(
            f"  python -m fdmetrics check, status {check.returncode}: {(check.stdout + check.stderr).strip()}",
            flush=True,
        )

    def describe_peers(self) -> None:
        """Prints who took part, and what is in doubt."""
        for peer in self.peers:
            doubt = f"; not known whether it made its last update: {peer.account.doubt}" if peer.account.doubt else ""
            print(f"  {peer.name:<9} {peer.language:<7} pid {peer.process.pid:<8} {peer.state}{doubt}")
        for server in self.servers:
            print(f"  {server.name:<9} {'Swift':<7} pid {server.process.pid:<8} {server.state}")

    def end_all(self) -> None:
        """Ends everything that records. A process that only reads serves from then on."""
        for peer in self.recording():
            peer.end()
        self.endpoint.wait_for(self.servers[-1].process.pid, self.servers[-1].name)


def main() -> int:
    """Runs the demo."""
    parser = argparse.ArgumentParser(description="Real traffic, and a comparison of every total with the truth.")
    parser.add_argument("--seconds", type=float, default=5, help="how long the traffic runs (default: 5)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="for payloads and the kill")
    parser.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    parser.add_argument("--port", type=int, default=0, help="of /metrics (default: a free one)")
    arguments = parser.parse_args()
    # An end from outside cleans up, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Demo(arguments.seed, arguments.port) as demo:
            print(f"demo: {arguments.seconds:g} s of traffic, seed {arguments.seed}", flush=True)
            demo.start_all()
            demo.run(arguments.seconds)
            demo.describe_peers()
            demo.compare("All processes are idle:")
            if arguments.keep:
                keep(demo)
            demo.end_all()
            demo.compare("All processes but the one that serves, which never recorded, have ended:")
            demo.servers[-1].end()
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 1
    print(f"\ndemo: {f'{demo.differences} DIFFERENCES' if demo.differences else 'passed: each total is exact'}")
    return 1 if demo.differences else 0


def keep(demo: Demo) -> None:
    """Lets the traffic go on until Ctrl-C."""
    demo.go()
    page = demo.endpoint.page
    print(
        f"\nThe traffic goes on. Open {page}, or scrape {page}metrics\nCtrl-C compares once more, and ends.", flush=True
    )
    try:
        while True:
            demo.wait(3600)
    except KeyboardInterrupt:
        print()
    demo.stop()


if __name__ == "__main__":
    sys.exit(main())
