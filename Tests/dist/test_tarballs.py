# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What is in the tarballs, and that SHA256SUMS is of all packages."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

from elftools.elf.elffile import ELFFile

from places import HOST, PLATFORMS, ROOT, run, tarball

MACHINES = {"x86_64": "x64", "aarch64": "AArch64"}
ABI = dict(re.findall(r"#define FDM_ABI_(MAJOR|MINOR) (\d+)", (ROOT / "Include/fdmetrics.h").read_text()))
SONAME = f"libfdmetrics.so.{ABI['MAJOR']}"
LINKS = {"lib/libfdmetrics.so": SONAME, f"lib/{SONAME}": f"{SONAME}.{ABI['MINOR']}"}
FILES = {
    "LICENSE",
    "README.md",
    "lib/libfdmetrics.a",
    f"lib/{SONAME}.{ABI['MINOR']}",
    "lib/pkgconfig/fdmetrics.pc",
    "lib/cmake/fdmetrics/fdmetrics-config.cmake",
    "lib/cmake/fdmetrics/fdmetrics-config-version.cmake",
    *(f"include/{path.name}" for path in (ROOT / "Include").glob("*.h")),
}
OF_TOOL = {"bin/fdmctl", "share/man/man1/fdmctl.1"}


def test_every_file_is_there_and_no_other(platform: str, folder: Path) -> None:
    inside = [path for path in folder.rglob("*") if not path.is_dir()]
    links = {str(path.relative_to(folder)): str(path.readlink()) for path in inside if path.is_symlink()}
    files = {str(path.relative_to(folder)) for path in inside if not path.is_symlink()}
    assert links == LINKS
    assert files == FILES | (OF_TOOL if platform == HOST else set())


def test_members_say_nothing_of_who_packed_them(platform: str, dist: Path) -> None:
    path = tarball(dist, platform)
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    names = [member.name for member in members]
    assert names == sorted(names) and {name.split("/")[0] for name in names} == {path.name[: -len(".tar.gz")]}
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    assert len({member.mtime for member in members}) == 1
    assert {member.mode for member in members if member.isfile()} <= {0o644, 0o755}
    assert {member.mode for member in members if member.isdir()} == {0o755}


def test_libraries_are_of_the_platform(platform: str, folder: Path) -> None:
    wanted = MACHINES[platform.partition("-")[0]]
    with (folder / "lib" / SONAME).open("rb") as file:
        assert ELFFile(file).get_machine_arch() == wanted
    run("ar", "x", folder / "lib/libfdmetrics.a", cwd=folder.parent)
    objects = list(folder.parent.glob("*.o"))
    assert objects
    for path in objects:
        with path.open("rb") as file:
            assert ELFFile(file).get_machine_arch() == wanted, path.name


def test_static_library_defines_what_the_shared_one_exports(folder: Path) -> None:
    def names(*options: str) -> set[str]:
        lines = run("nm", "--defined-only", "--extern-only", "--format=posix", *options).splitlines()
        return {line.split()[0].partition("@")[0] for line in lines if line.startswith("fdm_")}

    exported = names("--dynamic", str(folder / "lib" / SONAME))
    assert "fdm_store_open" in exported
    assert exported <= names(str(folder / "lib/libfdmetrics.a"))


def test_nothing_names_the_folder_that_it_was_built_in(folder: Path) -> None:
    found = [path for path in folder.rglob("*") if path.is_file() and f"{ROOT}/".encode() in path.read_bytes()]
    assert not found


def test_checksums_are_of_all_packages(dist: Path) -> None:
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=dist)
    listed = {line.split("  ")[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in dist.iterdir()} - {"SHA256SUMS"}
    version = re.search(r'"(.*)"$', (ROOT / "python/fdmetrics/_version.py").read_text().strip())[1]  # type: ignore[index]
    assert {f"fdmetrics-{version}-{each}.tar.gz" for each in PLATFORMS} | {f"fdmetrics-{version}.tar.gz"} <= listed
    wheels = sorted(name.split("-")[0] for name in listed if name.endswith(".whl"))
    assert wheels == ["fdmetrics"] * 4 + ["fdmetrics_tool"]
