# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The files of deploy/, read by those who will read them, and used with a real service and a real Prometheus.

PATH               promtool, prometheus, nginx, else those beside the Python that runs this (scripts/setup.sh servers)
FDMETRICS_LIBRARY  the library that the services record with (python/fdmetrics/libfdmetrics.so)
FDMCTL             the tool that serves (build/bin/fdmctl)
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import Service, Serving, environment, free_port

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def _program(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = shutil.which(name) or shutil.which(beside) or shutil.which(ROOT / ".venv/bin" / name)
    if not found:
        pytest.fail(f"{name} is not on the PATH; run `scripts/setup.sh servers .venv/bin`")
    return found


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus's own checker."""
    return _program("promtool")


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Prometheus itself."""
    return _program("prometheus")


@pytest.fixture(scope="session")
def nginx() -> str:
    """A web server that can pass requests on to a Unix socket."""
    return _program("nginx")


def _built(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable) or ROOT / default).resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make library tool`, or set {variable} to its path")
    return path


@pytest.fixture(scope="session")
def fdmctl() -> str:
    """The tool that serves stores."""
    return str(_built("FDMCTL", "build/bin/fdmctl"))


@pytest.fixture(scope="session")
def library() -> Path:
    """The library that services record with."""
    return _built("FDMETRICS_LIBRARY", "python/fdmetrics/libfdmetrics.so")


@pytest.fixture(scope="session")
def deploy() -> Path:
    """The folder under test."""
    return DEPLOY


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder for stores, as a pod's volume in memory is: owned by whoever made it, writable by everybody."""
    with tempfile.TemporaryDirectory(prefix="fdm-deploy-", dir="/dev/shm") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """A service of two worker processes that has recorded everything that there is to record."""
    with (
        tempfile.TemporaryDirectory(prefix="fdm-deploy-service-", dir="/dev/shm") as folder,
        Service(Path(folder)) as service,
    ):
        yield service


@pytest.fixture(scope="session")
def served(service: Service, fdmctl: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The store of the service, served as deploy/ has it: at a port, and at a Unix socket besides."""
    folder = tmp_path_factory.mktemp("served")
    port = free_port()
    command = [
        *(fdmctl, "serve", str(service.store), f"--listen=127.0.0.1:{port}", "--process-metrics=worker"),
        f"--unix={service.store.parent / 'metrics.sock'}",
    ]
    with Serving(command, port, folder / "log", environment()) as served:
        yield served
