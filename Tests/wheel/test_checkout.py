# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Builds in a checkout and out of an sdist: with Swift, without it, for another platform, and where one fails."""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from checkouts import HOST, Checkout
from environments import Environment
from packages import TAGS, Packages

NO_SWIFT = "/nonexistent/swift"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A fresh environment."""
    return Environment(tmp_path / "venv", Path(sys.executable))


@pytest.fixture
def from_sdist(packages: Packages, tmp_path: Path) -> Path:
    """The sdist of all platforms, unpacked."""
    with tarfile.open(packages.sdist) as archive:
        archive.extractall(tmp_path)
    (folder,) = tmp_path.glob("fdmetrics-*")
    return folder


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
    done = environment.install(str(checkout.python), str(checkout.tool), SWIFT="true")
    assert done.returncode == 0, done.stdout
    assert start_up_hook_runs(environment)
    assert environment.folder in where(environment).parents
    assert environment.tool("--version").returncode == 0


def test_pip_installs_sdist(packages: Packages, environment: Environment) -> None:
    done = environment.install(str(packages.sdist), SWIFT=NO_SWIFT)
    assert done.returncode == 0, done.stdout
    assert environment.folder in where(environment).parents


def test_editable_install_uses_checkout(checkout: Checkout, environment: Environment) -> None:
    done = environment.install("--editable", str(checkout.python), SWIFT="true")
    assert done.returncode == 0, done.stdout
    assert start_up_hook_runs(environment)
    assert where(environment) == checkout.python / "fdmetrics/__init__.py"


def test_editable_install_of_sdist(from_sdist: Path, environment: Environment) -> None:
    done = environment.install("--editable", str(from_sdist), SWIFT=NO_SWIFT)
    assert done.returncode == 0, done.stdout
    assert where(environment) == from_sdist / "fdmetrics/__init__.py"


def test_wheel_of_every_platform_is_that_of_make_dist(
    platform: str, packages: Packages, checkout: Checkout, from_sdist: Path
) -> None:
    variables = {"FDMETRICS_PLATFORM": platform, "SOURCE_DATE_EPOCH": packages.seconds}
    wanted = packages.wheel(platform)
    for folder, swift in ((checkout.python, "true"), (from_sdist, NO_SWIFT)):
        done = checkout.build("--wheel", of=folder, SWIFT=swift, **variables)
        assert done.returncode == 0, done.stdout
        assert checkout.built("*.whl").name == wanted.name
        assert checkout.built("*.whl").read_bytes() == wanted.read_bytes()
        shutil.rmtree(checkout.folder / "dist")


def test_wheel_is_that_of_this_machine_where_nothing_is_said(packages: Packages, checkout: Checkout) -> None:
    done = checkout.build()  # an sdist, and the wheel out of it
    assert done.returncode == 0, done.stdout
    assert checkout.built("*.whl").name == packages.wheel(HOST).name
    with tarfile.open(checkout.built("*.tar.gz")) as archive:
        libraries = [name for name in archive.getnames() if name.endswith(".so")]
    assert [name.partition("/")[2] for name in libraries] == [f"lib/{HOST}/libfdmetrics.so"]


def test_sdist_without_the_platform_says_which_it_has(from_sdist: Path, checkout: Checkout) -> None:
    missing, *others = TAGS
    shutil.rmtree(from_sdist / "lib" / missing)
    done = checkout.build("--wheel", of=from_sdist, FDMETRICS_PLATFORM=missing)
    assert done.returncode != 0
    assert f"no library for {missing}" in done.stdout
    assert f"It has those of {', '.join(sorted(others))}." in done.stdout
    assert f"make wheel PLATFORM={missing}" in done.stdout


@pytest.mark.parametrize("asked", ["riscv64-linux-gnu", "all"])
def test_unknown_platform_is_refused(asked: str, checkout: Checkout) -> None:
    done = checkout.build("--wheel", FDMETRICS_PLATFORM=asked)
    assert done.returncode != 0
    assert f"FDMETRICS_PLATFORM is '{asked}', expected one of {', '.join(TAGS)}" in done.stdout


def test_without_swift_and_library_says_what_to_do(checkout: Checkout, environment: Environment) -> None:
    done = environment.install(str(checkout.python), SWIFT=NO_SWIFT)
    assert done.returncode != 0
    assert f"{checkout.folder}/build/lib/{HOST}/libfdmetrics.so is not built" in done.stdout
    assert f"'{NO_SWIFT}' is not on the PATH" in done.stdout
    assert "make wheel" in done.stdout


def test_without_swift_takes_what_was_built(checkout: Checkout, libraries: Path, tool: Path) -> None:
    shutil.copytree(libraries / HOST, checkout.folder / "build/lib" / HOST)
    (checkout.folder / "build/bin").mkdir(parents=True)
    shutil.copy(tool, checkout.folder / "build/bin/fdmctl")
    for folder, name in ((checkout.python, "fdmetrics"), (checkout.tool, "fdmetrics_tool")):
        done = checkout.build("--wheel", of=folder, SWIFT=NO_SWIFT)
        assert done.returncode == 0, done.stdout
        assert checkout.built(f"{name}-*.whl").stat().st_size > 0


@pytest.mark.parametrize("package, goals", [("python", f"lib PLATFORM={HOST}"), ("python-tool", "tool")])
def test_failed_native_build_is_no_wheel(checkout: Checkout, package: str, goals: str) -> None:
    makefile = "lib tool:\n\t@echo 'error: of the compiler' && exit 1\n"
    (checkout.folder / "Makefile").write_text(makefile)
    done = checkout.build("--wheel", of=checkout.folder / package)
    assert done.returncode != 0
    assert "error: of the compiler" in done.stdout
    assert f"'make {goals}' in {checkout.folder} ended with status 2" in done.stdout
    assert not list(checkout.folder.glob("dist/*.whl"))


def test_tool_has_no_sdist(checkout: Checkout) -> None:
    done = checkout.build("--sdist", of=checkout.tool)
    assert done.returncode != 0
    assert f"python -m build --wheel {checkout.tool}" in done.stdout
