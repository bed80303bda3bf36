# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Programs in several languages with the library inside, by pkg-config and by CMake: they run, and load none of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from languages import COUNTED, PROGRAMS, Language, found, linked, zig
from places import HOST, Place, clean, run, tarball, unpacked


def test_static_program_counts(place: Place, language: Language, tmp_path: Path, store: Path) -> None:
    program = tmp_path / "program"
    language.link(place, language.source, program)
    assert "libfdmetrics" not in " ".join(linked(program).needed)
    assert COUNTED in run(program, FDMETRICS_DIR=str(store))


@pytest.mark.parametrize("compiler, source", [("cc", "count.c"), ("c++", "count.cpp")])
def test_nothing_is_loaded_at_all(place: Place, compiler: str, source: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    run(compiler, "-static", PROGRAMS / source, *found(place, "--static", "--cflags", "--libs"), "-o", program)
    assert linked(program) == ([], "")


def test_archive_alone_is_static(place: Place, tmp_path: Path, store: Path) -> None:
    program = tmp_path / "program"
    archive = found(place, "--variable=static_library")
    run("cc", PROGRAMS / "count.c", *found(place, "--cflags"), *archive, "-lm", "-ldl", "-pthread", "-o", program)
    needed = linked(program).needed
    assert "libc.so.6" in needed and "libfdmetrics" not in " ".join(needed)
    assert COUNTED in run(program, FDMETRICS_DIR=str(store))


def test_shared_library_is_found_by_its_soname(place: Place, tmp_path: Path, store: Path) -> None:
    program = tmp_path / "program"
    run("cc", PROGRAMS / "count.c", *found(place, "--cflags", "--libs"), "-o", program)
    assert "libfdmetrics.so.1" in linked(program).needed
    assert COUNTED in run(program, FDMETRICS_DIR=str(store), LD_LIBRARY_PATH=str(place.libraries))


def test_header_and_library_are_of_one_version(place: Place) -> None:
    version = run("pkg-config", "--modversion", "fdmetrics", PKG_CONFIG_PATH=str(place.libraries / "pkgconfig")).strip()
    text = (PROGRAMS.parents[2] / "python/fdmetrics/_version.py").read_text()
    assert f'__version__ = "{version}"' in text


def configured(place: Place, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """CMake's first step, for the project in `programs`. The caller looks at the status."""
    command = ["cmake", "-S", PROGRAMS, "-B", folder, f"-Dfdmetrics_DIR={place.libraries}/cmake/fdmetrics", *options]
    return subprocess.run(command, env=clean(), capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def made(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, as CMake builds it."""
    folder = tmp_path_factory.mktemp("cmake")
    done = configured(place, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    run("cmake", "--build", folder)
    return folder


@pytest.mark.parametrize("suffix", ["c", "cpp"])
def test_cmake_links_statically(made: Path, suffix: str, store: Path) -> None:
    assert "libfdmetrics" not in " ".join(linked(made / f"{suffix}-static").needed)
    assert COUNTED in run(made / f"{suffix}-static", FDMETRICS_DIR=str(store))


@pytest.mark.parametrize("suffix", ["c", "cpp"])
def test_cmake_links_with_shared_library(made: Path, suffix: str, store: Path) -> None:
    assert "libfdmetrics.so.1" in linked(made / f"{suffix}-fdmetrics").needed
    assert COUNTED in run(made / f"{suffix}-fdmetrics", FDMETRICS_DIR=str(store))  # by the path that CMake wrote


@pytest.mark.parametrize(
    "asked, fits",
    [("", True), ("0.0.9", True), ("0.1.0 EXACT", True), ("0.1...<1", True), ("0.2", False), ("1", False)],
)
def test_cmake_compares_versions(place: Place, asked: str, fits: bool, tmp_path: Path) -> None:
    project = (
        f"cmake_minimum_required(VERSION 3.19)\nproject(p LANGUAGES C)\nfind_package(fdmetrics {asked} REQUIRED)\n"
    )
    (tmp_path / "CMakeLists.txt").write_text(project)
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "made", f"-Dfdmetrics_DIR={place.libraries}/cmake/fdmetrics"]
    done = subprocess.run(command, env=clean(), capture_output=True, text=True, timeout=300)
    assert (done.returncode == 0) == fits, done.stdout + done.stderr


@pytest.mark.parametrize("missing", ["lib/libfdmetrics.a", "lib/libfdmetrics.so.1", "include/fdmetrics.h"])
def test_cmake_says_what_is_missing(dist: Path, missing: str, tmp_path: Path) -> None:
    folder = unpacked(tarball(dist, HOST), tmp_path)
    (folder / missing).unlink()
    done = configured(Place(HOST, folder / "include", folder / "lib"), tmp_path / "made")
    assert done.returncode != 0
    assert str(folder / missing) in "".join(done.stderr.split()), done.stderr


def start(of: str, program: Path) -> list[str | Path]:
    """How a program of a platform, which loads nothing, is run here."""
    machine = of.partition("-")[0]
    return [program] if HOST.startswith(machine) else [f"qemu-{machine}", program]


def test_static_program_of_every_platform(of_platform: Place, tmp_path: Path, store: Path) -> None:
    program = tmp_path / "program"
    compiler = zig(of_platform.platform)
    archive = found(of_platform, "--cflags") + found(of_platform, "--variable=static_library")
    static = ["-static"] if of_platform.platform.endswith("-musl") else []  # zig has glibc as a shared library alone
    run(*compiler, *static, PROGRAMS / "count.c", *archive, "-lm", "-ldl", "-pthread", "-o", program)
    needs = linked(program)
    assert "libfdmetrics" not in " ".join(needs.needed)
    if static:
        assert needs.needed == []
        assert COUNTED in run(*start(of_platform.platform, program), FDMETRICS_DIR=str(store))
