# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that record, and `fdmctl serve`, started and ended by a test."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Not an expectation: what takes as long as this hangs.
HANG_SECONDS = 20


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Recorder:
    """recorder.py; see there for what it understands."""

    def __init__(self, directory: Path, **variables: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "recorder.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "FDMETRICS_DIR": str(directory), "FDMETRICS_SERIES_LIMIT": "20000", **variables},
        )
        self.wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def tell(self, *command: Any) -> None:
        """Has it obey a command, and waits until it has."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        self.wait()

    def wait(self) -> None:
        """Waits for the answer."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "done\n", "the recorder failed"

    def kill(self) -> None:
        """Kills it at once, and reaps it."""
        self.process.kill()
        self.process.communicate(timeout=HANG_SECONDS)


class Server:
    """`fdmctl serve` on a port of 127.0.0.1, and on a Unix socket if one is given."""

    def __init__(self, tool: Path, directory: Path, port: int, unix: Path | None = None) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        options = [] if unix is None else ["--unix", str(unix)]
        self.process = subprocess.Popen(
            [str(tool), "serve", str(directory), "--listen", f"127.0.0.1:{port}", *options], stderr=subprocess.PIPE
        )
        end = time.monotonic() + HANG_SECONDS
        while True:
            try:
                with urllib.request.urlopen(self.url + "healthz", timeout=HANG_SECONDS):
                    return
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, self.process.communicate()[1].decode()
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.02)

    def ask(self, query: str = "") -> Any:
        """The page's data."""
        with urllib.request.urlopen(f"{self.url}api/store?{query}", timeout=HANG_SECONDS) as answer:
            return json.load(answer)

    def end(self) -> None:
        """Ends it as an operator does."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=HANG_SECONDS)


class Service:
    """All that a test has started."""

    def __init__(self, tool: Path, folder: Path) -> None:
        self.tool = tool
        self.folder = folder
        self.directory = folder / "store"
        self.recorders: list[Recorder] = []
        self.servers: list[Server] = []

    def recorder(self, **variables: str) -> Recorder:
        """One more process that records, with these variables in its environment."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self.recorders.append(Recorder(self.directory, **variables))
        return self.recorders[-1]

    def serve(self, port: int | None = None, unix: Path | None = None) -> Server:
        """One more server."""
        self.servers.append(Server(self.tool, self.directory, port or free_port(), unix))
        return self.servers[-1]

    def top(self) -> Any:
        """What `fdmctl top` shows at once."""
        command = [str(self.tool), "top", "--once", "--json", str(self.directory)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG_SECONDS)
        return json.loads(done.stdout)

    def end(self) -> None:
        """Ends everything."""
        for recorder in self.recorders:
            recorder.kill()
        for server in self.servers:
            server.end()
