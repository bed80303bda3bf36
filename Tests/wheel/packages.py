# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The packages that `make dist` makes, and what an ELF file in them asks of the machine."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import NamedTuple

from elftools.elf.elffile import ELFFile

from checkouts import ROOT

VERSION = re.search(r'^__version__ = "(.*)"', (ROOT / "python/fdmetrics/_version.py").read_text(), re.MULTILINE)[1]  # type: ignore[index]

#: The tag of the wheel of each platform.
TAGS = {
    "x86_64-linux-gnu": "manylinux_2_17_x86_64",
    "aarch64-linux-gnu": "manylinux_2_17_aarch64",
    "x86_64-linux-musl": "musllinux_1_2_x86_64",
    "aarch64-linux-musl": "musllinux_1_2_aarch64",
}


class Packages:
    """A folder with the packages of all platforms."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sdist = folder / f"fdmetrics-{VERSION}.tar.gz"

    def wheel(self, platform: str) -> Path:
        """The wheel of a platform."""
        return self.folder / f"fdmetrics-{VERSION}-py3-none-{TAGS[platform]}.whl"

    @property
    def tool(self) -> Path:
        """The wheel of the tool, which is that of the machine that made it."""
        (path,) = self.folder.glob(f"fdmetrics_tool-{VERSION}-py3-none-*.whl")
        return path

    @property
    def seconds(self) -> str:
        """The time that is in them, SOURCE_DATE_EPOCH when they were made."""
        with tarfile.open(self.sdist) as archive:
            return str(int(archive.getmember(f"fdmetrics-{VERSION}/PKG-INFO").mtime))


class Native(NamedTuple):
    """What there is to know of a library or a program from outside."""

    machine: str
    needed: set[str]
    glibc: set[tuple[int, ...]]
    undefined: set[str]
    sections: set[str]
    dynamic: set[str]


def native(path: Path) -> Native:
    """Reads an ELF file. The versions of glibc are those that the loader insists on, of weak symbols, too."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        dynamic = list(elf.get_section_by_name(".dynamic").iter_tags())
        needs = elf.get_section_by_name(".gnu.version_r")
        versions = [symbol.name for _, symbols in needs.iter_versions() for symbol in symbols] if needs else []
        symbols = elf.get_section_by_name(".dynsym").iter_symbols()
        return Native(
            machine={"x64": "x86_64", "AArch64": "aarch64"}.get(elf.get_machine_arch(), elf.get_machine_arch()),
            needed={tag.needed for tag in dynamic if tag.entry.d_tag == "DT_NEEDED"},
            glibc={tuple(map(int, name[6:].split("."))) for name in versions if name.startswith("GLIBC_")},
            undefined={symbol.name for symbol in symbols if symbol.entry.st_shndx == "SHN_UNDEF"} - {""},
            sections={section.name for section in elf.iter_sections()},
            dynamic={tag.entry.d_tag for tag in dynamic},
        )
