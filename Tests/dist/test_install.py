# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""`make install`: what is where, and that pkg-config and CMake find it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from languages import COUNTED, PROGRAMS, linked
from places import HOST, ROOT, run
from test_tarballs import FILES, LINKS, OF_TOOL


def install(destination: Path, prefix: Path | str, libdir: Path | str) -> None:
    """The line of `make install`."""
    run("scripts/install-files.sh", HOST, destination, str(prefix), str(libdir), cwd=ROOT)


def test_everything_is_installed(tmp_path: Path) -> None:
    install(tmp_path, "/opt/fdm", "/opt/fdm/lib")
    inside = {str(path.relative_to(tmp_path / "opt/fdm")) for path in tmp_path.rglob("*") if not path.is_dir()}
    assert inside == (FILES | OF_TOOL | set(LINKS)) - {"LICENSE", "README.md"}


def test_below_destdir_it_is_for_the_prefix(tmp_path: Path) -> None:
    install(tmp_path, "/usr", "/usr/lib/x86_64-linux-gnu")
    described = tmp_path / "usr/lib/x86_64-linux-gnu/pkgconfig"
    flags = run("pkg-config", "--variable=libdir", "fdmetrics", PKG_CONFIG_PATH=str(described)).split()
    assert flags == ["/usr/lib/x86_64-linux-gnu"]
    # The compiler looks into these folders anyway.
    assert run("pkg-config", "--cflags", "--libs", "fdmetrics", PKG_CONFIG_PATH=str(described)).split() == [
        "-lfdmetrics"
    ]


@pytest.mark.parametrize("libdir", ["lib", "lib/x86_64-linux-gnu"])
def test_pkg_config_and_cmake_find_it(libdir: str, tmp_path: Path, store: Path) -> None:
    prefix = tmp_path / "prefix"
    run("scripts/install-files.sh", HOST, "", prefix, prefix / libdir, cwd=ROOT)
    flags = run("pkg-config", "--cflags", "--libs", "fdmetrics", PKG_CONFIG_PATH=str(prefix / libdir / "pkgconfig"))
    run("cc", PROGRAMS / "count.c", *flags.split(), "-o", tmp_path / "program")
    assert COUNTED in run(tmp_path / "program", FDMETRICS_DIR=str(store), LD_LIBRARY_PATH=str(prefix / libdir))
    run("cmake", "-S", PROGRAMS, "-B", tmp_path / "made", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "made")
    assert "libfdmetrics.so.1" in linked(tmp_path / "made/c-fdmetrics").needed
    assert COUNTED in run(tmp_path / "made/c-static", FDMETRICS_DIR=str(store.with_name("another")))
