# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Servers for the tests of fdmctl serve and of a Swift service that mounts one.

FDMCTL                the tool (build/bin/fdmctl)
SWIFT_SERVER_EXAMPLE  the example service (build/tests/swift-server-example)
FDMETRICS_LIBRARY     the library that records (python/fdmetrics/libfdmetrics.so)
FDM_STRESS            how many times as much load
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving import ROOT, Recorder, Server, free_port


def built(variable: str, default: str, goal: str) -> Path:
    """Something that must have been built."""
    path = Path(os.environ.get(variable) or ROOT / default).resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make {goal}`, or set {variable}")
    return path


@pytest.fixture(scope="session")
def tool() -> Path:
    """fdmctl."""
    return built("FDMCTL", "build/bin/fdmctl", "library tool")


@pytest.fixture(scope="session")
def example() -> Path:
    """The Swift service that mounts a server."""
    return built("SWIFT_SERVER_EXAMPLE", "build/tests/swift-server-example", "swift-server-example")


@pytest.fixture(scope="session")
def library() -> Path:
    """The library that records."""
    return built("FDMETRICS_LIBRARY", "python/fdmetrics/libfdmetrics.so", "library tool")


@pytest.fixture(scope="session")
def stress() -> int:
    """How many times as much load."""
    return max(1, int(os.environ.get("FDM_STRESS", "1")))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A fresh directory with a short name, since it holds sockets."""
    path = Path(tempfile.mkdtemp(prefix="fdm-http-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def recorder(folder: Path, library: Path) -> Iterator[Recorder]:
    """A process that records into the store folder/store; started by the test."""
    process = Recorder(folder / "store", library)
    yield process
    process.end()


@pytest.fixture
def serve(tool: Path, folder: Path) -> Iterator[Callable[..., Server]]:
    """Starts fdmctl serve on a free port with more arguments; whatever still runs after the test is killed."""
    servers: list[Server] = []

    def start(*arguments: str, directory: Path | None = None, listens: bool = True, ready: bool = True) -> Server:
        port = free_port()
        command = [str(tool), "serve", str(directory or folder / "store")]
        command += ["--listen", f"127.0.0.1:{port}"] if listens else []
        server = Server([*command, *arguments], port)
        servers.append(server)
        if ready:
            server.wait_until_ready()
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def server(serve: Callable[..., Server], recorder: Recorder) -> Server:
    """fdmctl serve with a store of a few metrics."""
    recorder.start("few")
    return serve()
