# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the files in the wheels need what the wheels' tags allow, and no more."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from test_content import LIBRARY, TOOL

from checkouts import HOST
from environments import clean, run
from packages import TAGS, Native, Packages, native

#: What auditwheel and every distribution have as part of the C library.
OF_LIBC = {
    "gnu": r"libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux-(x86-64\.so\.2|aarch64\.so\.1)",
    "musl": r"libc\.musl-(x86_64|aarch64)\.so\.1",
}
OF_CXX = r"libstdc\+\+\.so\.6|libgcc_s\.so\.1"
#: What musl has got since 1.2.0: its symbols have no versions that a loader would compare.
MUSL_SINCE_1_2 = {
    *("_Fork", "gettid", "reallocarray", "tcgetwinsize", "tcsetwinsize"),  # 1.2.2
    *("pthread_getname_np", "qsort_r"),  # 1.2.3
    *("preadv2", "pwritev2", "statx"),  # 1.2.5
    *("posix_getdents", "renameat2", "strerrorname_np", "strerrordesc_np"),
}
OLDEST_GLIBC = (2, 17)
#: RHEL 9 and its relatives.
OLDEST_GLIBC_OF_TOOL = (2, 34)


@pytest.fixture
def carried(of_platform: Path) -> Native:
    """The library of a platform, as its wheel carries it."""
    return native(of_platform / LIBRARY)


@pytest.fixture
def carried_tool(of_tool: Path) -> Native:
    """The tool, as its wheel carries it."""
    return native(of_tool / TOOL)


def granted(wheel: Path) -> str:
    """The tag that auditwheel thinks right."""
    done = run([sys.executable, "-m", "auditwheel", "show", wheel], clean())
    assert done.returncode == 0, done.stdout
    found = re.search(r'platform\s+tag:\s+"(\w+)"', done.stdout)
    assert found, done.stdout
    return found[1]


def fits(granted: str, tag: str) -> bool:
    """Whether a tag is the granted one, or that of a newer C library."""
    of_wheel, of_auditwheel = (re.fullmatch(r"(many|musl)linux_(\d+)_(\d+)_(\w+)", each) for each in (tag, granted))
    assert of_wheel, tag
    if of_auditwheel is None or of_wheel.group(1, 4) != of_auditwheel.group(1, 4):
        return False
    wheel, auditwheel = (tuple(map(int, each.group(2, 3))) for each in (of_wheel, of_auditwheel))
    return wheel >= auditwheel


def test_auditwheel_grants_tag(platform: str, packages: Packages) -> None:
    said = granted(packages.wheel(platform))
    assert fits(said, TAGS[platform]), f"{TAGS[platform]} promises too much: auditwheel says {said}"


def test_auditwheel_grants_tag_of_tool(packages: Packages) -> None:
    tag = packages.tool.stem.rsplit("-", 1)[1]
    assert fits(granted(packages.tool), tag)


def test_library_needs_no_newer_libc_than_the_tag_says(platform: str, carried: Native) -> None:
    machine, libc = platform.split("-linux-")
    assert carried.machine == machine
    if libc == "gnu":
        assert carried.glibc and max(carried.glibc) <= OLDEST_GLIBC
    else:
        assert not carried.glibc
        assert not carried.undefined & MUSL_SINCE_1_2


def test_library_needs_libc_alone(platform: str, carried: Native) -> None:
    allowed = OF_LIBC[platform.split("-linux-")[1]]
    assert carried.needed and not {name for name in carried.needed if not re.fullmatch(allowed, name)}


def test_library_exchanges_words_by_itself(carried: Native) -> None:
    # A call of libatomic, or of the compiler's helpers for processors with and without such instructions.
    assert not {name for name in carried.undefined if name.startswith(("__atomic_", "__aarch64_"))}


def test_tool_needs_what_its_tag_says(packages: Packages, carried_tool: Native) -> None:
    newest = max(carried_tool.glibc)
    assert newest <= OLDEST_GLIBC_OF_TOOL
    assert packages.tool.name.endswith(f"-manylinux_{newest[0]}_{newest[1]}_{carried_tool.machine}.whl")
    assert HOST.startswith(carried_tool.machine)


def test_tool_needs_c_and_cxx_library_alone(carried_tool: Native) -> None:
    allowed = f"{OF_LIBC['gnu']}|{OF_CXX}"
    assert "libc.so.6" in carried_tool.needed
    assert not {name for name in carried_tool.needed if not re.fullmatch(allowed, name)}


def check_stripped(file: Native) -> None:
    """It has no symbols of its own, nothing for a debugger, and no folder of the machine that built it."""
    assert not {name for name in file.sections if name == ".symtab" or name.startswith(".debug")}
    assert not file.dynamic & {"DT_RPATH", "DT_RUNPATH"}


def test_library_is_stripped_and_has_no_search_path(carried: Native) -> None:
    check_stripped(carried)


def test_tool_is_stripped_and_has_no_search_path(carried_tool: Native) -> None:
    check_stripped(carried_tool)


@pytest.mark.parametrize(
    "granted, tag, right",
    [
        ("manylinux_2_5_x86_64", "manylinux_2_17_x86_64", True),
        ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", False),
        ("manylinux_2_17_aarch64", "manylinux_2_17_x86_64", False),
        ("musllinux_1_2_x86_64", "musllinux_1_2_x86_64", True),
        ("linux_x86_64", "musllinux_1_2_x86_64", False),
    ],
)
def test_tags_are_compared(granted: str, tag: str, right: bool) -> None:
    assert fits(granted, tag) == right
