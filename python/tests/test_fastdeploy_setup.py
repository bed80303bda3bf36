# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The directory that setup_multiprocess_prometheus chooses. Each case is a program of its own."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

from .support import Samples, run_program

IMPORTS = """
import logging, os, stat, subprocess, sys
import fdmetrics
from fdmetrics.fastdeploy import (
    get_filtered_metrics, get_original_prom_dir, main_process_metrics as metrics,
    setup_dp_prometheus_dir, setup_multiprocess_prometheus,
)

def run(code, *arguments, **keywords):
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code, *arguments], check=True, capture_output=True, text=True, **keywords
    )
    return done.stdout

def shown(text=None):
    lines = (text or get_filtered_metrics()).splitlines()
    return [line.split()[1] for line in lines if line.startswith("fastdeploy:requests_number_total ")][0]
"""
PRELUDE = f"PRELUDE = {IMPORTS!r}\nexec(PRELUDE)\n"


def run_with(code: str, *arguments: object, **variables: Any) -> str:
    lines = code.replace("\n        ", "\n")
    return run_program(PRELUDE + lines, *map(str, arguments), **variables)


def test_a_fresh_directory_is_made_and_put_into_the_environment(tmp_path: Path) -> None:
    printed = run_with(
        """
        assert get_original_prom_dir() is None
        directory = setup_multiprocess_prometheus()
        assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == directory == get_original_prom_dir()
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
        print(directory)
        metrics.requests_number.inc()
        run("metrics.requests_number.inc(2)")
        assert fdmetrics.REGISTRY.path == directory
        print(shown())
        """,
        TMPDIR=tmp_path,
    )
    directory, count = printed.split()
    assert count == "3.0"
    assert os.path.dirname(directory) == str(tmp_path)
    assert re.search(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$", directory), "a UUID"
    assert os.listdir(tmp_path) == [], "it goes with the service"


def test_directories_of_two_services_differ(tmp_path: Path) -> None:
    directories = {run_with("print(setup_multiprocess_prometheus())", TMPDIR=tmp_path) for _ in range(2)}
    assert len(directories) == 2


def test_without_a_temporary_directory_it_is_where_others_of_the_service_look() -> None:
    printed = run_with(
        """
        os.environ.pop("TMPDIR", None)
        child = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + "input(); metrics.requests_number.inc(2)"], stdin=subprocess.PIPE
        )
        directory = setup_multiprocess_prometheus()
        metrics.requests_number.inc()
        child.communicate(b"\\n")
        assert child.returncode == 0
        print(directory, shown())
        """
    )
    directory, count = printed.split()
    assert count == "3.0", "the child was started before"
    assert not os.path.exists(directory)


def test_a_service_that_records_already_stays_where_it_is(tmp_path: Path) -> None:
    printed = run_with(
        """
        run("metrics.requests_number.inc(2)")
        directory = setup_multiprocess_prometheus()
        assert directory == os.environ["FDMETRICS_AUTO_DIR"]
        metrics.requests_number.inc()
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
        assert setup_multiprocess_prometheus() == directory
        print(shown())
        """,
        TMPDIR=tmp_path,
    )
    assert printed == "3.0\n"
    printed = run_with(
        """
        metrics.requests_number.inc()
        assert setup_multiprocess_prometheus() == fdmetrics.REGISTRY.path
        run("setup_multiprocess_prometheus(); metrics.requests_number.inc(2)")
        print(shown())
        """,
        TMPDIR=tmp_path,
    )
    assert printed == "3.0\n"


def test_every_process_may_call_it(tmp_path: Path) -> None:
    printed = run_with(
        """
        directory = setup_multiprocess_prometheus()
        assert run("print(setup_multiprocess_prometheus()); metrics.requests_number.inc(2)").strip() == directory
        if os.fork() == 0:
            setup_multiprocess_prometheus()
            metrics.requests_number.inc(4)
            os._exit(0)
        os.wait()
        print(shown())
        """,
        TMPDIR=tmp_path,
    )
    assert printed == "6.0\n"


def test_forked_workers_that_import_it_themselves_share_one(tmp_path: Path) -> None:
    """As those of gunicorn, whose master loads nothing of the application."""
    ends = " os._exit(0)"
    printed = run_program(
        f"""
        import os
        code = {PRELUDE!r} + "setup_multiprocess_prometheus(); metrics.requests_number.inc(2);"
        for _ in range(2):
            if os.fork() == 0:
                exec(code + {ends!r})
            assert os.wait()[1] == 0
        exec({PRELUDE!r})
        setup_multiprocess_prometheus()
        print(shown())
        """,
        TMPDIR=tmp_path,
    )
    assert printed == "4.0\n"


def test_the_users_directory_is_respected_and_made(tmp_path: Path) -> None:
    directory = tmp_path / "of" / "user"
    code = "print(setup_multiprocess_prometheus()); metrics.requests_number.inc(); print(shown())"
    assert run_with(code, PROMETHEUS_MULTIPROC_DIR=directory) == f"{directory}\n1.0\n"
    assert os.listdir(directory)
    assert os.stat(directory).st_mode & 0o777 == 0o700


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    printed = run_with("print(setup_multiprocess_prometheus())", PROMETHEUS_MULTIPROC_DIR="", TMPDIR=tmp_path)
    assert printed.startswith(str(tmp_path))


def test_files_of_an_earlier_service_do_not_show(tmp_path: Path) -> None:
    """What prometheus_client left in the directory is neither read nor removed."""
    left = tmp_path / "gauge_all_12345.db"
    left.write_bytes(b"\x10\x00\x00\x00left behind" * 10)
    assert run_with("setup_multiprocess_prometheus(); print(shown())", PROMETHEUS_MULTIPROC_DIR=tmp_path) == "0.0\n"
    assert left.exists()


@pytest.mark.parametrize("user", [True, False])
def test_two_calls_do_it_once_and_warn_of_nothing(user: bool, tmp_path: Path) -> None:
    variables = {"PROMETHEUS_MULTIPROC_DIR": tmp_path / "user"} if user else {"TMPDIR": tmp_path}
    printed = run_with(
        """
        logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(levelname)s %(message)s")
        first = setup_multiprocess_prometheus()
        before = sorted(os.listdir(os.path.dirname(first)))
        assert setup_multiprocess_prometheus() == first
        fdmetrics.fastdeploy.MetricsManager()
        assert sorted(os.listdir(os.path.dirname(first))) == before
        """,
        **variables,
    )
    lines = printed.splitlines()
    assert len(lines) == 1, printed
    assert lines[0].startswith(f"INFO PROMETHEUS_MULTIPROC_DIR is {tmp_path}")
    assert ("as the user has set it" in lines[0]) == user


UNUSABLE = """
        try:
            setup_multiprocess_prometheus()
        except fdmetrics.FDMetricsError as error:
            print(type(error).__name__, error)
            print("PROMETHEUS_MULTIPROC_DIR" in os.environ, get_original_prom_dir())
        metrics.requests_number.inc()
        print(fdmetrics.REGISTRY.failures)
"""


@pytest.mark.parametrize("chosen", ["PROMETHEUS_MULTIPROC_DIR", "TMPDIR"])
def test_an_unwritable_directory_is_a_clear_error(chosen: str) -> None:
    # Permissions do not bind the superuser, and pytest's directories are not for others. What is loaded later may not
    # be either.
    unprivileged = """
        fdmetrics._library.load()
        if os.geteuid() == 0: os.setuid(65534)
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:
        os.chmod(parent, 0o755)
        closed = os.path.join(parent, "closed")
        os.mkdir(closed, 0o555)
        directory = closed if chosen == "TMPDIR" else os.path.join(closed, "metrics")
        printed = run_with(unprivileged + UNUSABLE, **{chosen: directory}).splitlines()
    assert printed[0].startswith(f"SystemCallError PROMETHEUS_MULTIPROC_DIR={directory}")
    assert "Permission denied" in printed[0]
    assert printed[1] == f"{chosen != 'TMPDIR'} None"
    # Metrics are where they would be without a directory that is chosen.
    assert printed[2] == "{}"


def test_a_file_in_the_place_of_the_directory_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    printed = run_with(UNUSABLE, PROMETHEUS_MULTIPROC_DIR=tmp_path / "file")
    assert printed.startswith(f"DirectoryError PROMETHEUS_MULTIPROC_DIR={tmp_path}/file cannot be used for metrics: ")
    assert "not a directory" in printed


@pytest.mark.parametrize("owner", [None, 65534])
def test_in_a_directory_that_others_may_write_to_the_store_has_a_private_one(tmp_path: Path, owner: Any) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    if owner is not None and os.geteuid() == 0:
        os.chown(shared, owner, owner)
    printed = run_with(
        """
        base = setup_multiprocess_prometheus()
        assert base == os.environ["PROMETHEUS_MULTIPROC_DIR"] == get_original_prom_dir()
        metrics.requests_number.inc()
        print(base, fdmetrics.REGISTRY.path, oct(stat.S_IMODE(os.stat(fdmetrics.REGISTRY.path).st_mode)))
        run("setup_multiprocess_prometheus(); metrics.requests_number.inc(2)")
        print(shown())
        # Rank 0 goes on in it, another rank has its own.
        assert setup_dp_prometheus_dir(0, base) == f"{base}/dp0"
        environment = dict(os.environ)
        setup_dp_prometheus_dir(1, base, environment)
        print(shown(), shown(run("print(get_filtered_metrics())", env=environment)))
        """,
        PROMETHEUS_MULTIPROC_DIR=shared,
    )
    private = f"{shared}/fdmetrics-{os.geteuid()}"
    assert printed.split() == [str(shared), private, "0o700", "3.0", "3.0", "0.0"]


def test_the_lower_case_variable_and_relative_names_are_respected(tmp_path: Path) -> None:
    code = """
        directory = setup_multiprocess_prometheus()
        assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == directory
        metrics.requests_number.inc()
        print(directory, fdmetrics.REGISTRY.path)
        """
    old = tmp_path / "old"
    assert run_with(code, prometheus_multiproc_dir=old).split() == [str(old)] * 2
    relative = f"os.chdir({str(tmp_path)!r}); os.environ['PROMETHEUS_MULTIPROC_DIR'] = 'relative'"
    assert run_with(relative + code).split() == [str(tmp_path / "relative")] * 2


def test_fdmetrics_dir_has_precedence(tmp_path: Path) -> None:
    store, user = tmp_path / "store", tmp_path / "user"
    code = "print(setup_multiprocess_prometheus()); metrics.requests_number.inc(); print(fdmetrics.REGISTRY.path)"
    assert run_with(code, FDMETRICS_DIR=store) == f"{store}\n{store}\n"
    assert run_with(code, FDMETRICS_DIR=store, PROMETHEUS_MULTIPROC_DIR=user) == f"{user}\n{store}\n"


# Ranks ----------------------------------------------------------------------------------------------------------------


def test_ranks_of_programs_have_metrics_of_their_own(tmp_path: Path) -> None:
    printed = run_with(
        """
        base = setup_multiprocess_prometheus()
        metrics.requests_number.inc(5)
        for rank in (0, 1, "2"):
            environment = dict(os.environ)
            assert setup_dp_prometheus_dir(rank, base, environment) == f"{base}/dp{rank}"
            assert environment["PROMETHEUS_MULTIPROC_DIR"] == f"{base}/dp{rank}"
            count = int(rank) + 1
            code = f"metrics.requests_number.inc({count}); print(get_filtered_metrics())"
            print(shown(run(code, env=environment)))
            # A process of the rank that calls it too stays in the rank.
            code = "setup_multiprocess_prometheus(); print(get_filtered_metrics())"
            print(shown(run(code, env=environment)))
        assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == get_original_prom_dir() == base
        print(shown())
        """,
        TMPDIR=tmp_path,
    )
    # Rank 0 goes on with what was there.
    assert printed.split() == ["6.0", "6.0", "2.0", "2.0", "3.0", "3.0", "6.0"]
    assert os.listdir(tmp_path) == []


def test_a_rank_may_choose_for_itself(tmp_path: Path) -> None:
    printed = run_with(
        """
        base = setup_multiprocess_prometheus()
        for rank in (0, 1):
            if os.fork() == 0:
                assert get_original_prom_dir() == base
                setup_dp_prometheus_dir(rank, get_original_prom_dir())
                metrics.requests_number.inc(rank + 1)
                run("metrics.requests_number.inc(10)")
                print(shown(), flush=True)
                os._exit(0)
            assert os.wait()[1] == 0
        """,
        PROMETHEUS_MULTIPROC_DIR=tmp_path / "base",
    )
    assert printed.split() == ["11.0", "12.0"]
    assert {"dp0", "dp1"} <= set(os.listdir(tmp_path / "base"))


def test_a_process_that_has_recorded_cannot_become_another_rank(tmp_path: Path) -> None:
    printed = run_with(
        """
        base = setup_multiprocess_prometheus()
        metrics.requests_number.inc()
        setup_dp_prometheus_dir(0, base)
        try:
            setup_dp_prometheus_dir(1, base)
        except RuntimeError as error:
            print(error)
        print(os.environ["PROMETHEUS_MULTIPROC_DIR"])
        """,
        PROMETHEUS_MULTIPROC_DIR=tmp_path / "base",
    )
    lines = printed.splitlines()
    assert f"records into {tmp_path}/base already, so it cannot move to {tmp_path}/base/dp1" in lines[0]
    assert lines[1] == f"{tmp_path}/base/dp0"


def test_ranks_are_shown_apart(tmp_path: Path) -> None:
    code = """
        setup_dp_prometheus_dir(int(sys.argv[1]), sys.argv[2])
        metrics.requests_number.inc()
        print(get_filtered_metrics())
        """
    for rank in (0, 1, 0):
        printed = run_with(code, rank, tmp_path / "base")
    assert Samples(printed).get("fastdeploy:requests_number_total") == 2
