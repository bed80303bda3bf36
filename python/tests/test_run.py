# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""python -m fdmetrics."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Union

from .support import PACKAGE_ROOT, environment, run_program

SERVICE = """
import os, subprocess, sys
import prometheus_client as pc

requests = pc.Counter("requests", "Requests.")
requests.inc()
if len(sys.argv) == 1:
    subprocess.run([sys.executable, __file__, "child"], check=True)
    subprocess.run(["sh", "-c", f"{sys.executable} {__file__} child"], check=True)
    print(pc.REGISTRY.get_sample_value("requests_total"), os.environ["FDMETRICS_DIR"], os.getpid())
"""


def run(*arguments: Union[str, Path], **variables: Union[str, Path]) -> subprocess.CompletedProcess[str]:
    """Runs the command line."""
    return subprocess.run(
        [sys.executable, "-m", "fdmetrics", *map(str, arguments)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_unchanged_service_is_shared_by_its_processes(tmp_path: Path) -> None:
    service = tmp_path / "service.py"
    service.write_text(SERVICE)
    result = run("run", "--", sys.executable, service)
    assert result.returncode == 0, result.stderr
    total, directory, _ = result.stdout.split()
    assert total == "3.0"
    # The directory was chosen for the service, and removed at its end.
    assert not os.path.exists(directory)


def test_the_directory_may_be_given(tmp_path: Path) -> None:
    service = tmp_path / "service.py"
    service.write_text(SERVICE)
    directory = tmp_path / "store"
    program = ("--", sys.executable, service)
    for result in (
        run("run", "--directory", directory, *program),
        run("run", *program, FDMETRICS_DIR=directory),
        run("run", *program, PROMETHEUS_MULTIPROC_DIR=directory),
    ):
        assert result.stdout.split()[1:2] == [str(directory)], result.stderr
    rendered = run("render", directory)
    assert "requests_total 9.0\n" in rendered.stdout
    assert run("render", FDMETRICS_DIR=directory).stdout == rendered.stdout
    assert run("render", PROMETHEUS_MULTIPROC_DIR=directory).stdout == rendered.stdout


def test_an_empty_directory_is_as_none(tmp_path: Path) -> None:
    service = tmp_path / "service.py"
    service.write_text(SERVICE)
    result = run("run", "--directory", "", "--", sys.executable, service)
    total, directory, _ = result.stdout.split()
    assert (total, os.path.exists(directory)) == ("3.0", False)
    named = run("run", "--directory", "", "--", sys.executable, service, FDMETRICS_DIR=tmp_path / "store")
    assert named.stdout.split()[1] == str(tmp_path / "store")


def test_the_program_takes_the_place_of_this_one(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getpid(), os.getppid(), sys.argv[1:]); sys.exit(7)"
    process = subprocess.Popen(
        [sys.executable, "-m", "fdmetrics", "run", sys.executable, "-c", program, "--", "--flag"],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 7
    assert printed == f"{process.pid} {os.getpid()} ['--', '--flag']\n"


def test_a_customisation_of_the_site_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.customised = True\n")
    program = "import prometheus_client as pc; print(customised, type(pc.values.ValueClass).__name__)"
    result = run("run", "--", sys.executable, "-c", program, PYTHONPATH=f"{tmp_path}{os.pathsep}{PACKAGE_ROOT}")
    assert result.stdout.split() == ["True", "_ValueClass"], result.stderr


def test_a_python_without_a_customisation_starts() -> None:
    result = run("run", "--", sys.executable, "-c", "import sys; print('sitecustomize' in sys.modules)")
    assert (result.stdout, result.stderr) == ("True\n", "")


def test_what_cannot_be_run_is_said(tmp_path: Path) -> None:
    missing = run("run", "--", "no-such-program", "argument")
    assert (missing.returncode, missing.stdout) == (127, "")
    assert "no-such-program cannot be run: No such file" in missing.stderr
    (tmp_path / "data").touch()
    refused = run("run", "--", tmp_path / "data")
    assert refused.returncode == 126
    assert "Permission denied" in refused.stderr
    for nothing in (run("run", "--"), run("run", "--", "")):
        assert nothing.returncode == 2
        assert "run needs a COMMAND" in nothing.stderr
        assert "Traceback" not in nothing.stderr


def test_what_cannot_be_rendered_is_said(tmp_path: Path) -> None:
    missing = run("render", tmp_path / "none")
    assert missing.returncode == 1
    assert str(tmp_path / "none") in missing.stderr
    unsaid = run("render")
    assert unsaid.returncode == 2
    assert "render needs a DIR" in unsaid.stderr


def test_output_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    run_program('import fdmetrics; fdmetrics.Counter("c", "").inc()', FDMETRICS_DIR=tmp_path / "store")
    for redirection, reason in ((">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")):
        ended = shell(f'"$0" -m fdmetrics render "$1" {redirection}', tmp_path / "store")
        line = f"python -m fdmetrics render: standard output cannot be written: {reason}\n"
        assert (ended.returncode, ended.stderr) == (1, line)
    ended = shell('{ "$0" -m fdmetrics render "$1"; echo "$?" >&2; } | true', tmp_path / "store")
    # Whoever reads no further is told nothing.
    assert ended.stderr in ("0\n", "1\n")


def test_a_working_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    ended = shell('mkdir "$1" && cd "$1" && rmdir "$1" && "$0" -m fdmetrics run --directory x -- true', tmp_path / "d")
    assert ended.returncode == 1
    assert "run: the store's directory cannot be had: No such file or directory" in ended.stderr
    assert "Traceback" not in ended.stderr


def shell(command: str, argument: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command, sys.executable, str(argument)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_is_printed_without_a_command() -> None:
    result = run()
    assert result.returncode == 0
    assert "run a program" in result.stdout and "render" in result.stdout
