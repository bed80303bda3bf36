# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The wheel in fresh environments: of every Python here, without Swift on the PATH."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import FOUND
from environments import Environment, clean, run
from packages import Packages

HERE = Path(__file__).parent
STRICT = ("-X", "dev", "-W", "error")


def exact(environment: Environment, **variables: str) -> Path:
    """Runs the test of two processes; the directory that their store was in."""
    done = environment.run(*STRICT, HERE / "two_processes.py", **variables)
    assert done.returncode == 0, done.stdout
    directory, verdict = done.stdout.splitlines()
    assert verdict == "exact"
    return Path(directory)


def test_two_processes(installed: Environment, store: Path, tool: Path) -> None:
    assert exact(installed, FDMETRICS_DIR=str(store)) == store
    dumped = run([tool, "dump", "--json", store], clean())
    assert dumped.returncode == 0, dumped.stdout
    families = {each["name"] for each in json.loads(dumped.stdout)["families"]}
    assert {"requests", "in_flight", "request_seconds"} <= families
    checked = run([tool, "check", store], clean())
    assert checked.returncode == 0, checked.stdout


def test_two_processes_with_plain_ctypes(installed: Environment, store: Path) -> None:
    assert exact(installed, FDMETRICS_DIR=str(store), FDMETRICS_PURE_CTYPES="1") == store


def test_children_share_store_without_configuration(installed: Environment) -> None:
    directory = exact(installed)
    assert not directory.exists(), "the first process removes the directory that it chose"


def test_nothing_is_imported_at_start(installed: Environment) -> None:
    program = "import sys; print([name for name in sys.modules if name.startswith(('fdmetrics', 'prometheus'))])"
    done = installed.run(*STRICT, "-c", program)
    assert (done.returncode, done.stdout) == (0, "[]\n")


def test_start_up_hook_is_in_place(installed: Environment) -> None:
    program = "import sys; print('fdmetrics_hook' in sys.modules)"
    done = installed.run(*STRICT, "-c", program, FDMETRICS_INSTALL="1")
    assert (done.returncode, done.stdout) == (0, "True\n")


def test_uninstall_leaves_nothing(installed: Environment) -> None:
    listing = "import fdmetrics, os; print(os.path.dirname(os.path.dirname(fdmetrics.__file__)))"
    site_packages = Path(installed.run("-c", listing).stdout.strip())
    assert list(site_packages.glob("*fdmetrics*"))
    done = installed.run("-m", "pip", "uninstall", "--yes", "--quiet", "fdmetrics")
    assert done.returncode == 0, done.stdout
    assert not list(site_packages.glob("*fdmetrics*"))


@pytest.fixture(scope="module")
def with_tool(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the extra `tool`, of the newest Python."""
    environment = Environment(tmp_path_factory.mktemp("tool") / "venv", FOUND[-1].path)
    done = environment.install("--no-index", "--find-links", str(packages.folder), "fdmetrics[tool]")
    assert done.returncode == 0, done.stdout
    return environment


def test_extra_tool_brings_fdmctl(with_tool: Environment, store: Path) -> None:
    assert exact(with_tool, FDMETRICS_DIR=str(store)) == store
    checked = with_tool.tool("check", store)
    assert checked.returncode == 0, checked.stdout
    version = with_tool.run("-c", "import fdmetrics; print(fdmetrics.__version__)").stdout
    assert with_tool.tool("--version").stdout == version


def test_uninstall_of_tool_leaves_nothing(with_tool: Environment) -> None:
    done = with_tool.run("-m", "pip", "uninstall", "--yes", "--quiet", "fdmetrics-tool")
    assert done.returncode == 0, done.stdout
    assert not [path for path in with_tool.folder.rglob("*") if "fdmctl" in path.name or "fdmetrics_tool" in path.name]


@pytest.fixture(scope="module")
def with_extras(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with every extra, of the newest Python: what they need comes from PyPI."""
    environment = Environment(tmp_path_factory.mktemp("extras") / "venv", FOUND[-1].path)
    done = environment.install(f"{wheel}[zmq,prometheus-client,fastapi]")
    assert done.returncode == 0, done.stdout
    return environment


def test_extra_zmq_counts_messages(with_extras: Environment, store: Path) -> None:
    done = with_extras.run(*STRICT, HERE / "zmq_messages.py", FDMETRICS_DIR=str(store))
    assert done.returncode == 0, done.stdout
    for direction in ("send", "recv"):
        assert f'fastdeploy:zmq:msg_{direction}_total{{address="jobs"}} 100.0' in done.stdout


def test_start_up_hook_shares_metrics_of_prometheus_client(with_extras: Environment) -> None:
    program = """
import prometheus_client
prometheus_client.Counter("jobs", "Jobs done").inc()
import fdmetrics
print(fdmetrics.generate_latest().decode())
"""
    done = with_extras.run(*STRICT, "-c", program, FDMETRICS_INSTALL="1")
    assert done.returncode == 0, done.stdout
    assert "jobs_total 1.0" in done.stdout.splitlines()


@pytest.mark.parametrize("module", ["zmq", "prometheus_client", "fastapi"])
def test_extra_brings_module(with_extras: Environment, module: str) -> None:
    done = with_extras.run("-c", f"import {module}")
    assert done.returncode == 0, done.stdout
