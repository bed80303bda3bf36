# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The names of the store's directory in the environment: relative ones, the lower case variable, the automatic one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Tuple

import pytest

from fdmetrics._environment import is_cleared_at_logout, is_store_of

from .support import PACKAGE_ROOT, environment, run_program

VARIABLES = ("FDMETRICS_DIR", "PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
WARNING = (
    "prometheus_multiproc_dir variable has been deprecated in favor of the upper case naming PROMETHEUS_MULTIPROC_DIR"
)

#: Each counts once, with a metric that is declared in one directory and updated in another, and prints the store.
NATIVE = """
import os, fdmetrics
counter = fdmetrics.Counter("c", "C.")
os.chdir("/")
counter.inc()
print(fdmetrics.REGISTRY.path)
"""
DROPIN = """
import os, fdmetrics
from fdmetrics.prometheus_client import Counter, CollectorRegistry, multiprocess
counter = Counter("c", "C.")
os.chdir("/")
counter.inc()
multiprocess.MultiProcessCollector(CollectorRegistry())
print(fdmetrics.REGISTRY.path)
"""
INSTALLED = """
import os, fdmetrics
fdmetrics.install()
from prometheus_client import Counter, CollectorRegistry, multiprocess
counter = Counter("c", "C.")
os.chdir("/")
counter.inc()
multiprocess.MultiProcessCollector(CollectorRegistry())
print(fdmetrics.REGISTRY.path)
"""


def run(directory: Path, *arguments: str, **variables: str) -> Tuple[str, str]:
    """What a Python program that is started in a directory prints and says on stderr."""
    result = subprocess.run(
        [sys.executable, *arguments],
        env=environment(**variables),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout, result.stderr


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_relative_name_becomes_absolute_at_the_import(variable: str, tmp_path: Path) -> None:
    program = "import os, fdmetrics; print([os.environ.get(name) for name in " + repr(VARIABLES) + "])"
    shown = [str(tmp_path / "of" / "service") if name == variable else None for name in VARIABLES]
    assert run(tmp_path, "-c", program, **{variable: "of/service"})[0] == f"{shown}\n"
    assert run(tmp_path, "-c", program, **{variable: str(tmp_path / "of" / "service")})[0] == f"{shown}\n"


@pytest.mark.parametrize("program", [NATIVE, DROPIN, INSTALLED])
@pytest.mark.parametrize("variable", VARIABLES[:2])
def test_a_change_of_the_working_directory_does_not_move_the_store(variable: str, program: str, tmp_path: Path) -> None:
    assert run(tmp_path, "-c", program, **{variable: "store"})[0] == f"{tmp_path}/store\n"
    assert not os.path.exists("/store")


def test_a_name_that_is_set_after_the_import_becomes_absolute_at_the_first_metric(tmp_path: Path) -> None:
    late = INSTALLED.replace("import os, fdmetrics\n", "import os, fdmetrics\nos.environ['FDMETRICS_DIR'] = 'late'\n")
    assert run(tmp_path, "-c", late)[0] == f"{tmp_path}/late\n"


def test_children_that_are_started_elsewhere_record_into_the_same_store(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    printed, _ = run(
        tmp_path,
        "-c",
        f"""
import subprocess, sys, fdmetrics
subprocess.run([sys.executable, "-c", {NATIVE!r}], cwd={str(elsewhere)!r}, check=True)
fdmetrics.Counter("c", "C.").inc()
print(fdmetrics.REGISTRY.path, b"c_total 2.0" in fdmetrics.generate_latest())
""",
        PROMETHEUS_MULTIPROC_DIR="store",
    )
    assert printed == f"{tmp_path}/store\n{tmp_path}/store True\n"


def test_an_import_without_a_working_directory_works(tmp_path: Path) -> None:
    program = "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\nimport fdmetrics; print('well')"
    assert run(tmp_path, "-c", program, FDMETRICS_DIR="store") == ("well\n", "")


def test_run_and_render_take_relative_names(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    moved = ("sh", "-c", 'cd inner && exec "$0" "$@"', sys.executable, "-c", INSTALLED)
    for variable in VARIABLES:
        printed, _ = run(tmp_path, "-m", "fdmetrics", "run", "--", *moved, **{variable: variable})
        assert printed == f"{tmp_path}/{variable}\n"
        printed, _ = run(tmp_path, "-m", "fdmetrics", "render", **{variable: variable})
        assert "c_total 1.0\n" in printed


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_hook_makes_a_name_absolute_for_programs_below(variable: str, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    child = "import prometheus_client as pc, fdmetrics; pc.Counter('c', '').inc(); print(fdmetrics.REGISTRY.path)"
    printed, _ = run(
        tmp_path,
        "-c",
        f"""
import subprocess, sys
import fdmetrics_hook
assert "prometheus_client" not in sys.modules
subprocess.run([sys.executable, "-c", {"import fdmetrics_hook;" + child!r}], cwd="inner", check=True)
""",
        FDMETRICS_INSTALL="1",
        FDMETRICS_AUTO_DIR="/dev/shm/fdmetrics-named-by-an-ancestor",
        **{variable: "store"},
    )
    assert printed == f"{tmp_path}/store\n"


def test_the_lower_case_name_leads_all_to_one_store(tmp_path: Path) -> None:
    """Web and worker that are started apart, each in its way."""
    store = str(tmp_path / "store")
    programs = (NATIVE, DROPIN, INSTALLED)
    assert [run(tmp_path, "-c", program, prometheus_multiproc_dir=store)[0] for program in programs] == [
        f"{store}\n"
    ] * len(programs)
    assert "c_total 3.0\n" in run(tmp_path, "-m", "fdmetrics", "render", prometheus_multiproc_dir=store)[0]


def test_the_order_of_the_variables(tmp_path: Path) -> None:
    told = {name: str(tmp_path / str(number)) for number, name in enumerate(VARIABLES)}
    paths = []
    while told:
        paths.append(run(tmp_path, "-c", NATIVE, **told)[0].strip())
        # An empty one counts as none.
        paths.append(run(tmp_path, "-c", NATIVE, **{**dict.fromkeys(VARIABLES, ""), **told})[0].strip())
        told.pop(next(iter(told)))
    assert paths == [str(tmp_path / number) for number in "001122"]


@pytest.mark.parametrize("program", [DROPIN, INSTALLED])
def test_the_lower_case_name_is_warned_of_once(program: str, tmp_path: Path) -> None:
    told: dict[str, Any] = {"prometheus_multiproc_dir": str(tmp_path / "store"), "PYTHONWARNINGS": "always"}
    assert run(tmp_path, "-c", program, **told)[1].count(f"DeprecationWarning: {WARNING}") == 1
    told["PROMETHEUS_MULTIPROC_DIR"] = told["prometheus_multiproc_dir"]
    assert run(tmp_path, "-c", program, **told)[1] == ""


def test_a_collector_keeps_to_the_path_it_was_given(tmp_path: Path) -> None:
    run(tmp_path, "-c", NATIVE, FDMETRICS_DIR=str(tmp_path / "service"))
    reader = """
import os, fdmetrics, prometheus_client as pc
fdmetrics.install()
from prometheus_client.multiprocess import MultiProcessCollector
registry = pc.CollectorRegistry()
MultiProcessCollector(registry, path="service")
os.chdir("/")
print(registry.get_sample_value("c_total"))
"""
    assert run(tmp_path, "-c", reader)[0] == "1.0\n"


def test_a_store_is_known_by_its_directory_or_the_private_one_in_it(tmp_path: Path) -> None:
    shared, link = tmp_path / "shared", tmp_path / "link"
    private = shared / f"fdmetrics-{os.geteuid()}"
    private.mkdir(parents=True)
    link.symlink_to(shared)
    assert is_store_of(str(shared), link) and is_store_of(str(private), shared) and is_store_of(str(private), link)
    assert not is_store_of(str(shared), private) and not is_store_of(str(tmp_path), shared)


def test_whose_files_logind_may_remove(tmp_path: Path) -> None:
    run = str(tmp_path)
    assert not is_cleared_at_logout(1000, run), "a container"
    (tmp_path / "users").mkdir()
    (tmp_path / "seats").mkdir()
    assert not is_cleared_at_logout(1000, run), "a package's directories, and no logind"
    (tmp_path / "users" / "1000").touch()
    assert [is_cleared_at_logout(user, run) for user in (0, 999, 1000, 1001)] == [False, False, True, False]
    (tmp_path / "system").mkdir()
    assert [is_cleared_at_logout(user, run) for user in (0, 999, 1000, 1001)] == [False, False, True, True]


def planned(place: str, user: int, **variables: Any) -> str:
    """Where a process plans its directory for a user, where logind is as a place says."""
    program = f"""
import os, sys
sys.path.insert(0, {str(PACKAGE_ROOT)!r})
from fdmetrics import _environment
known = _environment.is_cleared_at_logout
_environment.is_cleared_at_logout = lambda user: known({user}, {place!r})
del os.environ["FDMETRICS_AUTO_DIR"]
print(os.path.dirname(_environment.plan_directory()))
"""
    return run_program(program, **variables).strip()


def test_where_an_automatic_directory_is_planned(tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    there = str(temporary)
    assert planned(str(tmp_path), 0, TMPDIR=there) == "/dev/shm"
    assert planned(str(tmp_path / "none"), 1000, TMPDIR=there) == "/dev/shm"
    assert planned(str(tmp_path), 1000, TMPDIR=there) == there
    assert planned(str(tmp_path), 1000, TMPDIR="") == "/tmp"
    assert planned(str(tmp_path), 1000, TMPDIR=str(tmp_path / "none")) == "/dev/shm"
    # A relative TMPDIR is one of the working directory at the start.
    assert planned(str(tmp_path), 1000, TMPDIR=os.path.relpath(there)) == there
