# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What is built and packed again has the same bytes: in another folder, by another user's habits, at another time."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from places import HANG_SECONDS, HOST, PLATFORMS, ROOT, clean, tarball

#: What building the library and packing read.
PARTS = (
    ".gitignore",
    "Include",
    "LICENSE",
    "Package.swift",
    "man",
    "python",
    "python-tool",
    "scripts",
    "build/bin",
    "build/lib",
    "Sources",
)


def sums(folder: Path) -> dict[str, str]:
    """The checksum of each package."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what was built and of what packing reads, with new times."""
    folder = tmp_path_factory.mktemp("another") / "folder"
    folder.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "dist", ".*_cache", "tests")
            shutil.copytree(ROOT / part, folder / part, symlinks=True, copy_function=shutil.copy, ignore=ignored)
        else:
            shutil.copy(ROOT / part, folder / part, follow_symlinks=False)
    shutil.copytree(ROOT / "python/tests", folder / "python/tests", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def packed(checkout: Path, into: Path, umask: int, **environment: str) -> Path:
    """All packages, made in a checkout in which nothing is built any more: there is no Swift on its way."""
    variables = clean(PYTHON=sys.executable, SWIFT="/nonexistent/swift", **environment)
    before = os.umask(umask)
    try:
        for what in (["tarballs", into, *PLATFORMS], ["wheels", into, *PLATFORMS], ["checksums", into]):
            command = [checkout / "scripts/dist.sh", *what]
            done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=HANG_SECONDS)
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        os.umask(before)
    return into


def test_packages_are_the_same_when_packed_again(dist: Path, copied: Path, tmp_path: Path) -> None:
    with tarfile.open(tarball(dist, HOST)) as archive:
        seconds = str(int(archive.getmembers()[0].mtime))  # copied is in no repository that would say it
    habits = {"TZ": "Pacific/Chatham", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)}
    again = packed(copied, tmp_path / "again", 0o077, SOURCE_DATE_EPOCH=seconds, **habits)
    assert sums(again) == sums(dist)


def test_library_is_the_same_when_built_again(copied: Path) -> None:
    # Of this machine: each platform's is built by the same two commands. In the folders that the Makefile names: what
    # the compiler writes depends on them, and not on where the checkout is.
    machine = HOST.partition("-")[0]
    objects, built = f"build/embedded/{machine}", f"build/lib/{HOST}"
    shutil.rmtree(copied / built)
    (copied / built).mkdir()
    variables = clean(ZIG=f"{sys.executable} -m ziglang", TZ="Pacific/Chatham")
    for words in (["swift", machine, objects], ["link", HOST, f"{objects}/FDMetricsC.o", built]):
        command = [copied / "scripts/build-library.sh", *words]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=HANG_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
    for name in ("libfdmetrics.so", "libfdmetrics.a"):
        assert (copied / built / name).read_bytes() == (ROOT / built / name).read_bytes(), name


def test_time_of_the_sources_is_in_the_packages(dist: Path, copied: Path, tmp_path: Path) -> None:
    # The comparison above sees a difference where there is one.
    command = [copied / "scripts/dist.sh", "tarballs", tmp_path, PLATFORMS[0]]
    subprocess.run(command, env=clean(SOURCE_DATE_EPOCH="1000000000"), check=True, timeout=HANG_SECONDS)
    (name, sum_of_another_time), *_ = sums(tmp_path).items()
    assert sums(dist)[name] != sum_of_another_time


def test_without_a_time_it_says_so(copied: Path, tmp_path: Path) -> None:
    variables = {name: value for name, value in clean().items() if name != "SOURCE_DATE_EPOCH"}
    command = [copied / "scripts/dist.sh", "tarballs", tmp_path, PLATFORMS[0]]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 1
    assert "set SOURCE_DATE_EPOCH" in done.stderr
