# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""One program in several languages, and how each is linked with the static library that pkg-config finds."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Callable, NamedTuple

from elftools.elf.elffile import ELFFile

from places import Place, run

PROGRAMS = Path(__file__).parent / "programs"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
#: What each program prints, among the rest.
COUNTED = 'requests_total{method="GET"} 3.0\n'


def found(place: Place, *options: str) -> list[str]:
    """What pkg-config says of the library."""
    return run("pkg-config", *options, "fdmetrics", PKG_CONFIG_PATH=str(place.libraries / "pkgconfig")).split()


def all_static(*compiler: str | Path) -> Callable[[Place, Path, Path], None]:
    """The line of a C compiler by which nothing is loaded when the program starts."""

    def link(place: Place, source: Path, program: Path) -> None:
        run(*compiler, *WARNINGS, "-static", source, *found(place, "--static", "--cflags", "--libs"), "-o", program)

    return link


def rust(place: Place, source: Path, program: Path) -> None:
    """No crate and no build script: rustc takes the archive into the program."""
    (libraries,) = found(place, "--variable=libdir")
    options = ["--edition", "2021", "-D", "warnings", "-L", libraries, "-l", "static=fdmetrics"]
    run("rustc", *options, source, "-o", program)


def go(place: Place, source: Path, program: Path) -> None:
    """cgo asks pkg-config by itself; the linker is told to take archives."""
    folder = program.parent / "go"
    folder.mkdir()
    shutil.copy(source, folder)
    environment = {"PKG_CONFIG_PATH": str(place.libraries / "pkgconfig"), "GOCACHE": str(folder / "cache")}
    environment |= {"GO111MODULE": "off", "CGO_ENABLED": "1"}
    run("go", "build", "-ldflags", "-extldflags=-static", "-o", program, source.name, cwd=folder, **environment)


class Language(NamedTuple):
    """A compiler of this machine."""

    name: str
    source: Path
    link: Callable[[Place, Path, Path], None]

    def __str__(self) -> str:
        return self.name


#: C and C++ must be here, to build fdmetrics at all. Of the others those whose compiler is here.
LANGUAGES = {
    "C": Language("C", PROGRAMS / "count.c", all_static("cc", "-std=c11")),
    "C++": Language("C++", PROGRAMS / "count.cpp", all_static("c++", "-std=c++17")),
}
if shutil.which("rustc"):
    LANGUAGES["Rust"] = Language("Rust", PROGRAMS / "count.rs", rust)
if shutil.which("go"):
    LANGUAGES["Go"] = Language("Go", PROGRAMS / "count.go", go)


def zig(platform: str) -> tuple[str | Path, ...]:
    """A C compiler for a platform, of PyPI's ziglang; for glibc the oldest one that the library is for."""
    target = f"{platform}.2.17" if platform.endswith("-gnu") else platform
    return sys.executable, "-m", "ziglang", "cc", "-target", target


class Linked(NamedTuple):
    """What a program asks of the loader."""

    needed: list[str]
    loader: str


def linked(program: Path) -> Linked:
    """The libraries that a program names, and the loader, "" for none."""
    with program.open("rb") as file:
        elf = ELFFile(file)
        loader = "".join(segment.get_interp_name() for segment in elf.iter_segments("PT_INTERP"))
        dynamic = elf.get_section_by_name(".dynamic")
        needed = [tag.needed for tag in dynamic.iter_tags("DT_NEEDED")] if dynamic else []
    return Linked(needed, loader)
