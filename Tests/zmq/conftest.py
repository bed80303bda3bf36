# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the ZeroMQ tests.

Environment:
    FDMETRICS_LIBRARY  the library under test (build/lib/libfdmetrics.so)
    ZMQ_PEER_SWIFT     the peer in Swift (build/tests/zmq-peer)
    FDM_SEED           repeats a run: each test prints the seed that it used
    FDM_STRESS         multiplies the amount of work (1)
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conversation import FOLDER, ROOT, Peers, python_commands
from expositions import Exposition
from peer import payload


@pytest.fixture
def seed() -> int:
    """The seed of this test's payloads and random choices."""
    chosen = int(os.environ.get("FDM_SEED") or random.SystemRandom().randrange(1, 1 << 31))
    while payload(chosen, 0, False) == [b""]:
        # As the first of all, a ROUTER takes that for the peer's probe.
        chosen += 1
    print(f"FDM_SEED={chosen}")
    return chosen


@pytest.fixture(scope="session")
def stress() -> int:
    """How many times the usual amount of work is done."""
    return max(1, int(os.environ.get("FDM_STRESS", "1")))


@pytest.fixture(scope="session")
def library() -> Path:
    """The library under test."""
    path = Path(os.environ.get("FDMETRICS_LIBRARY") or ROOT / "build/lib/libfdmetrics.so").resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make lib`, or set FDMETRICS_LIBRARY to a built libfdmetrics.so")
    return path


@pytest.fixture(scope="session")
def build(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles a program of this folder, every warning an error."""
    folder = tmp_path_factory.mktemp("programs")

    def build_program(name: str, source: str, *options: str, language: str = "c99") -> Path:
        compilers = {
            "c99": [os.environ.get("CC", "cc"), "-std=c99"],
            "c++17": [os.environ.get("CXX", "c++"), "-x", "c++", "-std=c++17"],
        }
        program = folder / name
        command = [*compilers[language], "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pedantic"]
        command += [*options, f"-I{ROOT / 'Include'}", str(FOLDER / source), "-x", "none", "-o", str(program)]
        if "-DPLAIN" not in options:
            command += [str(library), f"-Wl,-rpath,{library.parent}"]
        done = subprocess.run([*command, "-lzmq", "-pthread"], capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
        return program

    return build_program


@pytest.fixture(scope="session")
def peers(library: Path, build: Callable[..., Path]) -> Peers:
    """The peer programs of all languages."""
    swift = Path(os.environ.get("ZMQ_PEER_SWIFT") or ROOT / "build/tests/zmq-peer").resolve()
    if not swift.is_file():
        pytest.fail(f"{swift} is not there; build the product zmq-peer, or set ZMQ_PEER_SWIFT to a built one")
    commands = {
        "c": [str(build("peer", "peer.c"))],
        "c-watcher": [str(build("watcher", "watcher.c"))],
        "c-plain": [str(build("peer-plain", "peer.c", "-DPLAIN"))],
        "swift": [str(swift)],
        **python_commands(),
    }
    return Peers(commands, library)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A fresh directory in shared memory, for sockets and other files beside the store."""
    path = Path(tempfile.mkdtemp(prefix="fdm-zmq-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def store(folder: Path) -> Path:
    """The directory of a store that does not exist yet."""
    return folder / "store"


@pytest.fixture
def exposition(library: Path, store: Path) -> Callable[[], Exposition]:
    """Renders the store."""
    return lambda: Exposition(library, store)
