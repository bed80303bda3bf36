# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What is in the sdist and in the wheel, and what the wheel says of itself."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from checkouts import ROOT, Checkout
from environments import clean, run

MEBIBYTE = 1024 * 1024
LARGEST_LIBRARY = 8_000_000
#: Most of it is fdmctl, with an HTTP server, a TLS client and protobuf in it.
LARGEST_WHEEL = 20 * MEBIBYTE

VERSION = re.search(r'^__version__ = "(.*)"', (ROOT / "python/fdmetrics/_version.py").read_text(), re.MULTILINE)[1]  # type: ignore[index]
TOOL = f"fdmetrics-{VERSION}.data/scripts/fdmctl"
LIBRARY = "fdmetrics/libfdmetrics.so"
START_UP_HOOK = {"fdmetrics_hook.pth", "fdmetrics_hook.py"}
NATIVE = pytest.mark.parametrize("native", [LIBRARY, TOOL])


DIST_INFO = f"fdmetrics-{VERSION}.dist-info"


def metadata(unpacked: Path, name: str) -> Message:
    """A file of the wheel's dist-info."""
    return Parser().parsestr((unpacked / DIST_INFO / name).read_text())


def glibc_versions(path: Path) -> set[tuple[int, ...]]:
    """The versions of glibc that the loader asks for, weak symbols and the loader's own among them."""
    with path.open("rb") as file:
        needs = ELFFile(file).get_section_by_name(".gnu.version_r")
        names = {symbol.name for _, symbols in needs.iter_versions() for symbol in symbols}
    return {tuple(map(int, name[6:].split("."))) for name in names if name.startswith("GLIBC_")}


def modules(folder: Path) -> set[str]:
    """The Python modules below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*.py")}


def test_wheel_has_package_and_native_files(unpacked: Path) -> None:
    inside = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    dist_info = {
        f"{DIST_INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    expected = {f"fdmetrics/{name}" for name in modules(ROOT / "python/fdmetrics")}
    assert inside == expected | {"fdmetrics/py.typed", LIBRARY, TOOL} | dist_info | START_UP_HOOK


def test_native_files_are_those_that_were_built(unpacked: Path, library: Path, tool: Path) -> None:
    assert (unpacked / LIBRARY).read_bytes() == library.read_bytes()
    assert (unpacked / TOOL).read_bytes() == tool.read_bytes()


def test_tool_is_executable(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        mode = archive.getinfo(TOOL).external_attr >> 16
    assert mode & stat.S_IXUSR, oct(mode)


def test_metadata(unpacked: Path) -> None:
    described = metadata(unpacked, "METADATA")
    assert (described["Name"], described["Version"]) == ("fdmetrics", VERSION)
    assert described["Requires-Python"] == ">=3.9"
    assert described["License-Expression"] == "Apache-2.0"
    assert {"zmq", "prometheus-client", "fastapi"} <= set(described.get_all("Provides-Extra", []))
    required = [each for each in described.get_all("Requires-Dist", []) if "extra" not in each]
    assert not required, "the package itself depends on nothing"
    assert (unpacked / DIST_INFO / "licenses/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_tag_is_for_every_python(unpacked: Path, wheel: Path) -> None:
    described = metadata(unpacked, "WHEEL")
    assert described["Root-Is-Purelib"] == "false"
    (tag,) = described.get_all("Tag", [])
    assert wheel.name == f"fdmetrics-{VERSION}-{tag}.whl"
    assert tag.startswith("py3-none-manylinux_2_"), tag


def test_auditwheel_grants_tag(wheel: Path) -> None:
    done = run([sys.executable, "-m", "auditwheel", "show", wheel], clean())
    assert done.returncode == 0, done.stdout
    granted = re.search(r'platform\s+tag:\s+"manylinux_2_(\d+)_(\w+)"', done.stdout)
    said = re.search(r"manylinux_2_(\d+)_(\w+)\.whl$", wheel.name)
    assert granted and said, f"{wheel.name}: {done.stdout}"
    assert granted[2] == said[2], f"{wheel.name} is for another machine:\n{done.stdout}"
    assert int(said[1]) >= int(granted[1]), f"{wheel.name} promises too much:\n{done.stdout}"


def test_tag_is_what_loader_needs_and_no_newer(unpacked: Path, wheel: Path) -> None:
    newest = max(glibc_versions(unpacked / LIBRARY) | glibc_versions(unpacked / TOOL))
    assert f"manylinux_{newest[0]}_{newest[1]}_" in wheel.name


def test_sizes(unpacked: Path, wheel: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in (wheel, unpacked / LIBRARY, unpacked / TOOL)}
    print(sizes)
    assert (unpacked / LIBRARY).stat().st_size <= LARGEST_LIBRARY, sizes
    assert wheel.stat().st_size <= LARGEST_WHEEL, sizes


@NATIVE
def test_native_file_is_stripped_and_has_no_search_path(unpacked: Path, native: str) -> None:
    with (unpacked / native).open("rb") as file:
        elf = ELFFile(file)
        sections = {section.name for section in elf.iter_sections()}
        dynamic = elf.get_section_by_name(".dynamic")
        assert isinstance(dynamic, DynamicSection)
        entries = {entry.entry.d_tag for entry in dynamic.iter_tags()}
    assert not {name for name in sections if name == ".symtab" or name.startswith(".debug")}
    assert not entries & {"DT_RPATH", "DT_RUNPATH"}


@NATIVE
def test_native_file_needs_c_and_cxx_library_alone(unpacked: Path, native: str) -> None:
    listed = subprocess.run(
        ["ldd", unpacked / native], env=clean(), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    names = {line.split()[0].rsplit("/", 1)[-1] for line in listed}
    allowed = r"linux-vdso\.so\.1|ld-linux-.*\.so\.\d|libc\.so\.6|libm\.so\.6|libstdc\+\+\.so\.6|libgcc_s\.so\.1"
    assert {"libc.so.6"} <= names
    assert not {name for name in names if not re.fullmatch(allowed, name)}, listed


def test_sdist_builds_without_checkout(released: Checkout) -> None:
    with tarfile.open(released.built("*.tar.gz")) as archive:
        members = {member.name.split("/", 1)[1]: member for member in archive.getmembers()}
    assert not {name for name, member in members.items() if not member.isfile()}, "links lead out of an sdist"
    needed = {"pyproject.toml", "hatch_build.py", "PKG-INFO", "LICENSE", "README.md", LIBRARY, "bin/fdmctl"}
    assert needed | START_UP_HOOK <= set(members)
    assert modules(ROOT / "python/fdmetrics") <= {name[len("fdmetrics/") :] for name in members}


def test_wheel_of_checkout_is_that_of_sdist(checkout: Checkout, wheel: Path) -> None:
    done = checkout.build("--wheel")
    assert done.returncode == 0, done.stdout
    direct = checkout.built("*.whl")
    assert direct.name == wheel.name
    assert direct.read_bytes() == wheel.read_bytes()
