# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Builds in a checkout: with Swift, without it, and where the native build fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from checkouts import Checkout
from environments import Environment

NO_SWIFT = "/nonexistent/swift"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A fresh environment."""
    return Environment(tmp_path / "venv", Path(sys.executable))


def where(environment: Environment) -> Path:
    """The package that the environment imports, once it has recorded something."""
    program = "import fdmetrics; fdmetrics.Counter('c', 'c').inc(); fdmetrics.attach(); print(fdmetrics.__file__)"
    done = environment.run("-X", "dev", "-W", "error", "-c", program)
    assert done.returncode == 0, done.stdout
    return Path(done.stdout.strip())


def start_up_hook_runs(environment: Environment) -> bool:
    """Whether the start-up hook is where Python looks for it."""
    program = "import sys; print('fdmetrics_hook' in sys.modules)"
    asked, unasked = (environment.run("-c", program, FDMETRICS_INSTALL=value).stdout for value in ("1", ""))
    return (asked, unasked) == ("True\n", "False\n")


def test_pip_install_builds_what_is_missing(checkout: Checkout, environment: Environment) -> None:
    done = environment.install(str(checkout.python), SWIFT="true")
    assert done.returncode == 0, done.stdout
    assert start_up_hook_runs(environment)
    assert environment.folder in where(environment).parents
    assert environment.tool("--version").returncode == 0


def test_editable_install_uses_checkout(checkout: Checkout, environment: Environment) -> None:
    done = environment.install("--editable", str(checkout.python), SWIFT="true")
    assert done.returncode == 0, done.stdout
    assert start_up_hook_runs(environment)
    assert where(environment) == checkout.python / "fdmetrics/__init__.py"
    assert environment.tool("--version").returncode == 0


def test_without_swift_and_library_says_what_to_do(checkout: Checkout, environment: Environment) -> None:
    done = environment.install(str(checkout.python), SWIFT=NO_SWIFT)
    assert done.returncode != 0
    assert f"{checkout.python}/fdmetrics/libfdmetrics.so" in done.stdout
    assert f"'{NO_SWIFT}' is not on the PATH" in done.stdout
    assert "make wheel" in done.stdout


def test_without_swift_takes_what_was_built(checkout: Checkout, library: Path, tool: Path) -> None:
    (checkout.folder / "build/bin").mkdir(parents=True)
    (checkout.folder / "build/bin/fdmctl").write_bytes(tool.read_bytes())
    (checkout.python / "fdmetrics/libfdmetrics.so").write_bytes(library.read_bytes())
    done = checkout.build("--wheel", SWIFT=NO_SWIFT)
    assert done.returncode == 0, done.stdout
    assert checkout.built("*.whl").stat().st_size > 0


def test_failed_native_build_is_no_wheel(checkout: Checkout) -> None:
    (checkout.folder / "Makefile").write_text("self-contained:\n\t@echo 'error: of the compiler' && exit 1\n")
    done = checkout.build("--wheel")
    assert done.returncode != 0
    assert "error: of the compiler" in done.stdout
    assert f"'make self-contained' in {checkout.folder} ended with status 2" in done.stdout
    assert not list(checkout.folder.glob("dist/*.whl"))
