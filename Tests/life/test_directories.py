# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Any directory that a user names works."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import NOBODY, as_user, run
from stores import FORK_SERVER, NAMES, counting, own_directory

VARIABLES = ["FDMETRICS_DIR", "PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"]


def shared_directory(path: Path, mode: int = 0o1777) -> Path:
    """A new directory that others may write to."""
    path.mkdir()
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("mode", "variable"),
    [
        *((mode, "PROMETHEUS_MULTIPROC_DIR") for mode in (0o777, 0o1777, 0o2777, 0o770, 0o775, 0o702)),
        (0o1777, "FDMETRICS_DIR"),
        (0o1777, "prometheus_multiproc_dir"),
    ],
)
def test_a_directory_that_others_may_write_to(folder: Path, mode: int, variable: str) -> None:
    shared = shared_directory(folder / "shared", mode)
    store = shared / "fdmetrics-0"
    for total in (10, 20):
        assert run(counting(), **{variable: str(shared)}).output == f"jobs_total {total}.0 {store}"
    assert store.stat().st_mode & 0o777 == 0o700
    assert (store / "fdmetrics-0.seg").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("names", ["drop-in", "install"])
@pytest.mark.parametrize(("owner", "mode"), [(0, 0o777), (0, 0o2777), (NOBODY, 0o770)])
def test_a_directory_of_a_volume(folder: Path, names: str, owner: int, mode: int) -> None:
    """An unprivileged service, whose container was given the directory by somebody else."""
    shared = shared_directory(folder / "shared", mode)
    os.chown(shared, owner, NOBODY)
    shared.chmod(mode)
    for total in (10, 20):
        outcome = run(counting(names), prefix=as_user(NOBODY), PROMETHEUS_MULTIPROC_DIR=str(shared))
        assert outcome.output == f"jobs_total {total}.0 {shared}/fdmetrics-{NOBODY}"
        assert outcome.lines == []
    assert [path.name for path in shared.iterdir()] == [f"fdmetrics-{NOBODY}"]


@pytest.mark.parametrize("names", NAMES)
def test_another_users_directory_that_may_not_be_written_to(folder: Path, names: str) -> None:
    closed = own_directory(folder / "closed")
    closed.chmod(0o755)
    outcome = run(counting(names), prefix=as_user(NOBODY), PROMETHEUS_MULTIPROC_DIR=str(closed))
    total, store = outcome.output.rsplit(" ", 1)
    assert total == "jobs_total 10.0"
    assert Path(store).name.startswith("fdmetrics-")
    assert not Path(store).exists()
    assert len([line for line in outcome.log.splitlines() if str(closed) in line and store in line]) == 1
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("variable", VARIABLES)
def test_workers_whose_directory_may_not_be_written_to(folder: Path, variable: str) -> None:
    """They were forked before anything was imported, and agree on one automatic directory all the same."""
    closed = own_directory(folder / "closed")
    closed.chmod(0o755)
    outcome = run(FORK_SERVER, prefix=as_user(NOBODY), **{variable: str(closed)})
    assert len(outcome.output.splitlines()) == 4
    (line,) = set(outcome.output.splitlines())
    assert line.startswith("jobs_total 40.0 workers 4.0 /dev/shm/fdmetrics-")
    assert all(str(closed) in said for said in outcome.lines)


def test_a_file_in_place_of_the_directory(folder: Path) -> None:
    (folder / "file").write_text("precious")
    outcome = run(counting(), FDMETRICS_DIR=str(folder / "file"))
    assert outcome.output.startswith("jobs_total 10.0 /dev/shm/fdmetrics-")
    assert [f"{folder}/file is not a directory" in line for line in outcome.lines] == [True]
    assert (folder / "file").read_text() == "precious"


def test_each_user_has_a_store(folder: Path, fdmctl: Callable[..., str]) -> None:
    shared = shared_directory(folder / "shared")
    other = as_user(NOBODY)
    for total in (10, 20):
        assert run(counting(), prefix=other, FDMETRICS_DIR=str(shared)).output.endswith(
            f"{total}.0 {shared}/fdmetrics-{NOBODY}"
        )
    # The only one, so it is the one that is meant.
    assert "jobs_total 20.0" in fdmctl("dump", "--prometheus", shared)
    assert run(counting(), FDMETRICS_DIR=str(shared)).output == f"jobs_total 10.0 {shared}/fdmetrics-0"
    assert "jobs_total 10.0" in fdmctl("dump", "--prometheus", shared)


@pytest.mark.parametrize("names", NAMES)
def test_the_older_variable(folder: Path, names: str) -> None:
    """A start script that still has the name in lower case, and starts the processes of a service one by one."""
    store = own_directory(folder / "store")
    for total in (10, 20):
        assert run(counting(names), prometheus_multiproc_dir=str(store)).output == f"jobs_total {total}.0 {store}"


def test_which_variable_counts(folder: Path) -> None:
    directories = [own_directory(folder / name) for name in ("first", "second", "third")]
    named = dict(zip(VARIABLES, map(str, directories)))
    for variable, directory in zip(VARIABLES, directories):
        assert run(counting(), **named).output == f"jobs_total 10.0 {directory}"
        # An empty one says nothing.
        named[variable] = ""


@pytest.mark.parametrize(
    ("names", "variable"),
    [
        *(("fdmetrics", variable) for variable in VARIABLES),
        ("drop-in", "PROMETHEUS_MULTIPROC_DIR"),
        ("install", "PROMETHEUS_MULTIPROC_DIR"),
    ],
)
def test_a_relative_name(folder: Path, names: str, variable: str) -> None:
    """It is meant as seen from where the program was started, wherever its processes go from there."""
    source = f"""
import os
{NAMES[names]}
jobs = p.Counter("jobs", "Jobs")
paths = p.Counter("paths", "Paths", ["x"])
os.chdir("/")
if os.fork() == 0:
    jobs.inc()
    os._exit(0)
os.wait()
os.mkdir({str(folder / "elsewhere")!r})
os.chdir({str(folder / "elsewhere")!r})
jobs.inc(10)
paths.labels("a").inc()
import fdmetrics
print(*(line for line in show().splitlines() if line.startswith(("jobs_total", "paths_total"))))
print(fdmetrics.REGISTRY.path)
"""
    prefix = ("env", f"--chdir={folder}")
    outcome = run(source, prefix=prefix, **{variable: "./run/metrics"})
    assert outcome.output.splitlines() == ['jobs_total 11.0 paths_total{x="a"} 1.0', f"{folder}/run/metrics"]
    assert list((folder / "elsewhere").iterdir()) == []
    assert run(counting(names), prefix=prefix, **{variable: "run/metrics"}).output.startswith("jobs_total 21.0")


def test_other_names_of_a_directory(folder: Path) -> None:
    store = own_directory(folder / "store")
    (folder / "link").symlink_to(store)
    names = [f"{store}/", f"{store}//.", f"{store}/../store", f"{folder}/link", ".", "./", "../store", "../link/"]
    for number, name in enumerate(names):
        outcome = run(counting(), prefix=("env", f"--chdir={store}"), FDMETRICS_DIR=name)
        assert (outcome.output, outcome.lines) == (f"jobs_total {10 * number + 10}.0 {store}", [])


def test_a_child_process_shares_a_relative_directory(folder: Path) -> None:
    source = """
        import os, subprocess, sys
        import fdmetrics
        fdmetrics.Counter("jobs", "Jobs").inc(10)
        os.chdir("/")
        child = "import fdmetrics; fdmetrics.Counter('jobs', 'Jobs').inc(5)"
        subprocess.run([sys.executable, "-c", child], check=True)
        print(fdmetrics.generate_latest().decode().splitlines()[-1], fdmetrics.REGISTRY.path)
        """
    outcome = run(source, prefix=("env", f"--chdir={folder}"), PROMETHEUS_MULTIPROC_DIR="metrics")
    assert outcome.output == f"jobs_total 15.0 {folder}/metrics"
