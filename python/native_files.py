# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the build hooks of both packages ask of native files: where they are, for which platform, and the tag for it.

A platform is called as the folder of its library, ARCHITECTURE-linux-LIBC: aarch64-linux-musl.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

PLATFORMS = ("x86_64-linux-gnu", "aarch64-linux-gnu", "x86_64-linux-musl", "aarch64-linux-musl")

#: The oldest glibc that the library is linked for and tried with; what needs less gets no older tag.
OLDEST_GLIBC = (2, 17)

IS_MISSING = """\
{path} is not built, and there is no Swift here to build it: '{swift}' is not on the PATH.
The package carries it, so that an installation needs no Swift. Either
  - install Swift 6.3 or newer (https://www.swift.org/install) and repeat this, or
  - run 'make wheel' in a checkout on a machine that has it, and install build/dist/*.whl here.
"""

MAKE_FAILED = """\
'make {goals}' in {checkout} ended with status {status}; what it said is above.
It builds {path}, which the package carries; once it succeeds by hand, repeat this.
"""


def host() -> str:
    """The platform of the Python that runs this: its own file says what it is made for and which loader it asks for."""
    try:
        with open(sys.executable, "rb") as file:
            elf = ELFFile(file)
            loader = "".join(segment.get_interp_name() for segment in elf.iter_segments("PT_INTERP"))
            platform = f"{machine(elf)}-linux-{'musl' if 'ld-musl' in loader else 'gnu'}"
    except ELFError:
        raise RuntimeError(f"{sys.executable} is no ELF file: fdmetrics is for Linux alone") from None
    return known(platform, f"the platform of {sys.executable}")


def known(platform: str, what: str) -> str:
    """The platform, if it is one of those that there is a library for. `what` says where it comes from."""
    if platform not in PLATFORMS:
        raise RuntimeError(f"{what} is '{platform}', expected one of {', '.join(PLATFORMS)}")
    return platform


def brought_up_to_date(checkout: Path, path: Path, *goals: str) -> Path:
    """A file of a checkout, built by these goals of its Makefile where Swift is at hand."""
    swift = os.environ.get("SWIFT", "swift")  # as the Makefile takes it
    if shutil.which(swift) is not None:
        # Also when it is there: make knows whether it is older than the sources.
        done = subprocess.run(["make", "-C", str(checkout), *goals], check=False)
        if done.returncode != 0:
            raise RuntimeError(
                MAKE_FAILED.format(goals=" ".join(goals), checkout=checkout, status=done.returncode, path=path)
            )
    if not path.is_file():
        raise RuntimeError(IS_MISSING.format(path=path, swift=swift))
    return path


def platform_tag(path: Path) -> str:
    """The oldest manylinux or musllinux tag whose libc has all that the file needs, so that no older loader gets it.

    The loader refuses a file for a version of weak symbols too, which auditwheel passes over. `make test-wheel` asks
    auditwheel for the rest: the other libraries that the tag allows, and their versions.
    """
    with path.open("rb") as file:
        elf = ELFFile(file)
        needed = [tag.needed for tag in elf.get_section_by_name(".dynamic").iter_tags("DT_NEEDED")]
        needs = elf.get_section_by_name(".gnu.version_r")
        names = [symbol.name for _, symbols in needs.iter_versions() for symbol in symbols] if needs else []
        versions = [name.partition("_")[2] for name in names if name.startswith("GLIBC_")]
        if versions:
            major, minor = max(OLDEST_GLIBC, *(tuple(map(int, version.split(".")[:2])) for version in versions))
            return f"manylinux_{major}_{minor}_{machine(elf)}"
        # musl's symbols have no versions. 1.2 is the first with 64-bit times everywhere, and pip's oldest but one.
        if any(name == "libc.so" or name.startswith("libc.musl-") for name in needed):
            return f"musllinux_1_2_{machine(elf)}"
    raise RuntimeError(
        f"{path} needs neither glibc nor musl, but {', '.join(needed) or 'nothing'}: no tag is known for it"
    )


def machine(elf: ELFFile) -> str:
    """The architecture that a file is for, as tags and platforms name it."""
    name = elf.get_machine_arch()
    return {"x64": "x86_64", "AArch64": "aarch64"}.get(name, name)
