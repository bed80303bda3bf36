# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Programs in one file: PyInstaller's, of each way to use the package; and a zipapp, out of which nothing loads."""

from __future__ import annotations

import shutil
import zipapp
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from conftest import FOUND
from environments import Environment, clean, run

PROGRAMS = Path(__file__).parent / "frozen"
LINE = 'requests_total{method="GET"} 3.0'
#: What each program must print.
WANTED = {
    "own_api": LINE,
    "installed": LINE,
    "dropped_in": LINE,
    "instrumented": 'fastdeploy:zmq:msg_recv_total{address="inproc://jobs"} 1.0',
}
IN_A_ZIP = """
import fdmetrics
fdmetrics.Counter("requests", "Requests answered.").inc()
print(fdmetrics.generate_latest().decode())
"""


@pytest.fixture(scope="module")
def workshop(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Where programs are frozen: the wheel, what it binds to, and PyInstaller."""
    environment = Environment(tmp_path_factory.mktemp("workshop") / "venv", FOUND[-1].path)
    done = environment.install(f"{wheel}[zmq,prometheus-client]", "pyinstaller>=6")
    assert done.returncode == 0, done.stdout
    return environment


def freeze(workshop: Environment, program: str, folder: Path, *options: str) -> Path:
    """The program as PyInstaller makes it, without an option that is for fdmetrics."""
    paths = ["--distpath", folder / "dist", "--workpath", folder / "work", "--specpath", folder]
    command = [workshop.folder / "bin/pyinstaller", "--noconfirm", "--log-level=WARN", *options, *paths]
    path = f"{workshop.folder / 'bin'}:/usr/bin:/bin"  # It calls objdump and ldd.
    done = run([*command, PROGRAMS / f"{program}.py"], clean(PATH=path), cwd=folder)
    assert done.returncode == 0, done.stdout
    return folder / "dist" / program


def start(program: Path, store: Path) -> CompletedProcess[str]:
    """Runs it where there is no Python."""
    return run([program], clean(PATH="/nowhere", FDMETRICS_DIR=str(store)), cwd=store.parent)


@pytest.mark.parametrize("program", WANTED)
def test_a_program_in_one_file(workshop: Environment, program: str, tmp_path: Path, store: Path) -> None:
    done = start(freeze(workshop, program, tmp_path, "--onefile"), store)
    assert done.returncode == 0, done.stdout
    assert WANTED[program] in done.stdout.splitlines(), done.stdout


def test_a_program_in_a_folder(workshop: Environment, tmp_path: Path, store: Path) -> None:
    folder = freeze(workshop, "own_api", tmp_path, "--onedir")
    assert [path.name for path in folder.rglob("libfdmetrics*")] == ["libfdmetrics.so"]
    moved = shutil.move(folder, tmp_path / "elsewhere")
    done = start(Path(moved) / "own_api", store)
    assert done.returncode == 0, done.stdout
    assert LINE in done.stdout.splitlines(), done.stdout


def zipped(unpacked: Path, folder: Path) -> Path:
    """A program with the package, its library too, in one zip file."""
    shutil.copytree(unpacked / "fdmetrics", folder / "app/fdmetrics")
    (folder / "app/__main__.py").write_text(IN_A_ZIP)
    zipapp.create_archive(folder / "app", folder / "app.pyz")
    return folder / "app.pyz"


def test_a_zipapp_says_what_to_do(unpacked: Path, tmp_path: Path, store: Path) -> None:
    archive = zipped(unpacked, tmp_path)
    done = run([FOUND[-1].path, "-I", archive], clean(FDMETRICS_DIR=str(store)), cwd=tmp_path)
    assert done.returncode != 0
    said = done.stdout.splitlines()[-1]
    assert said.startswith("fdmetrics.errors.LibraryError: ") and str(archive) in said
    assert "pip install fdmetrics" in said and "set FDMETRICS_LIBRARY to the path" in said


def test_a_zipapp_with_its_library_beside_it(unpacked: Path, tmp_path: Path, store: Path, library: Path) -> None:
    archive = zipped(unpacked, tmp_path)
    beside = tmp_path / "libfdmetrics.so"
    shutil.copy(library, beside)
    variables = clean(FDMETRICS_DIR=str(store), FDMETRICS_LIBRARY=str(beside))
    done = run([FOUND[-1].path, "-I", archive], variables, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "requests_total 1.0" in done.stdout.splitlines()
