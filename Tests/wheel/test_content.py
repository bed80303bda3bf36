# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What is in the wheels and in the sdist, and what the wheels say of themselves."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

from checkouts import ROOT
from packages import TAGS, VERSION, Packages

LIBRARY = "fdmetrics/libfdmetrics.so"
TOOL = f"fdmetrics_tool-{VERSION}.data/scripts/fdmctl"
START_UP_HOOK = {"fdmetrics_hook.pth", "fdmetrics_hook.py"}

LARGEST_LIBRARY = 700_000
LARGEST_WHEEL = 800_000
#: A program with an HTTP server, a TLS client, protobuf and the Swift runtime in it.
LARGEST_TOOL_WHEEL = 14_000_000


def dist_info(unpacked: Path) -> Path:
    """The wheel's own folder."""
    (folder,) = unpacked.glob("*.dist-info")
    return folder


def metadata(unpacked: Path, name: str) -> Message:
    """A file of the wheel's dist-info."""
    return Parser().parsestr((dist_info(unpacked) / name).read_text())


def modules(folder: Path) -> set[str]:
    """The Python modules below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*.py")}


def files(unpacked: Path) -> set[str]:
    """All files of a wheel but those of its dist-info."""
    paths = {path for path in unpacked.rglob("*") if path.is_file()}
    return {str(path.relative_to(unpacked)) for path in paths if dist_info(unpacked) not in path.parents}


def test_wheel_has_package_and_library(of_platform: Path) -> None:
    expected = {f"fdmetrics/{name}" for name in modules(ROOT / "python/fdmetrics")}
    assert files(of_platform) == expected | {"fdmetrics/py.typed", LIBRARY} | START_UP_HOOK
    inside = {str(path.relative_to(dist_info(of_platform))) for path in dist_info(of_platform).rglob("*.*")}
    assert inside == {"entry_points.txt"}
    assert (dist_info(of_platform) / "licenses/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_tool_wheel_has_tool_alone(of_tool: Path) -> None:
    assert files(of_tool) == {TOOL}
    assert (dist_info(of_tool) / "licenses/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_library_is_that_of_the_platform(platform: str, of_platform: Path, libraries: Path) -> None:
    assert (of_platform / LIBRARY).read_bytes() == (libraries / platform / "libfdmetrics.so").read_bytes()


def test_tool_is_the_one_that_was_built(packages: Packages, of_tool: Path, tool: Path) -> None:
    assert (of_tool / TOOL).read_bytes() == tool.read_bytes()
    with zipfile.ZipFile(packages.tool) as archive:
        mode = archive.getinfo(TOOL).external_attr >> 16
    assert mode & stat.S_IXUSR, oct(mode)


def test_metadata(of_platform: Path) -> None:
    described = metadata(of_platform, "METADATA")
    assert (described["Name"], described["Version"]) == ("fdmetrics", VERSION)
    assert described["Requires-Python"] == ">=3.9"
    assert described["License-Expression"] == "Apache-2.0"
    extras = {"tool", "zmq", "fastdeploy", "prometheus-client", "fastapi"}
    assert set(described.get_all("Provides-Extra", [])) == extras
    required = described.get_all("Requires-Dist", [])
    assert not [each for each in required if "extra" not in each], "the package itself depends on nothing"
    assert f"fdmetrics-tool=={VERSION}; extra == 'tool'" in required, "the version in pyproject.toml is another one"


def test_metadata_of_tool(of_tool: Path) -> None:
    described = metadata(of_tool, "METADATA")
    assert (described["Name"], described["Version"]) == ("fdmetrics-tool", VERSION)
    assert described["Requires-Python"] == ">=3.9"
    assert described["License-Expression"] == "Apache-2.0"
    assert described.get_all("Requires-Dist") is None


def test_tag_is_for_every_python(platform: str, of_platform: Path, packages: Packages) -> None:
    described = metadata(of_platform, "WHEEL")
    assert described["Root-Is-Purelib"] == "false"
    assert described.get_all("Tag", []) == [f"py3-none-{TAGS[platform]}"]
    assert packages.wheel(platform).is_file()


def test_sizes_of_wheel(platform: str, of_platform: Path, packages: Packages) -> None:
    assert (of_platform / LIBRARY).stat().st_size <= LARGEST_LIBRARY
    assert packages.wheel(platform).stat().st_size <= LARGEST_WHEEL


def test_size_of_tool_wheel(packages: Packages) -> None:
    assert packages.tool.stat().st_size <= LARGEST_TOOL_WHEEL


def test_sdist_has_all_platforms(packages: Packages, libraries: Path) -> None:
    with tarfile.open(packages.sdist) as archive:
        members = {member.name.split("/", 1)[1]: member for member in archive.getmembers()}
        carried = {name: archive.extractfile(members[name]).read() for name in members if name.endswith(".so")}  # type: ignore[union-attr]
    assert not {name for name, member in members.items() if not member.isfile()}, "links lead out of an sdist"
    needed = {"pyproject.toml", "hatch_build.py", "native_files.py", "PKG-INFO", "LICENSE", "README.md"}
    assert needed | START_UP_HOOK <= set(members)
    assert modules(ROOT / "python/fdmetrics") <= {name[len("fdmetrics/") :] for name in members}
    built = {platform: (libraries / platform / "libfdmetrics.so").read_bytes() for platform in TAGS}
    assert carried == {f"lib/{platform}/libfdmetrics.so": library for platform, library in built.items()}
