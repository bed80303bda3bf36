# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What hatchling cannot know of this package: the native files that it carries, and the platform tag that they allow.

An sdist and a wheel carry libfdmetrics.so and fdmctl, both with the Swift runtime inside. In a checkout they are made
by `make self-contained`; in an unpacked sdist they are there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = "fdmetrics/libfdmetrics.so"
TOOL = "bin/fdmctl"
#: A line that site-packages runs when Python starts. A wheel has it as one more file beside the package.
START_UP_HOOK = "fdmetrics_hook.pth"

SWIFT_IS_MISSING = """\
{missing} is not built, and there is no Swift here to build it: '{swift}' is not on the PATH.
The package carries it, so that an installation needs no Swift. Either
  - install Swift 6.2 or newer (https://www.swift.org/install) and repeat this, or
  - run 'make wheel' in a checkout on a machine that has it, and install build/dist/*.whl here.
"""

MAKE_FAILED = """\
'make self-contained' in {checkout} ended with status {status}; what it said is above.
It builds libfdmetrics.so and fdmctl, which the package carries; once it succeeds by hand, repeat this.
"""


class NativeFiles(BuildHookInterface):
    """Adds what is not in the Python folder, or not where it belongs, to what is built, and says the wheel's tag."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each sdist, wheel and editable wheel. Errors: RuntimeError, saying what to run."""
        root = Path(self.root)
        library, tool = native_files(root)
        if self.target_name == "sdist":
            build_data["force_include"][str(tool)] = TOOL
            follow_links(build_data["force_include"])
            return
        build_data["shared_scripts"][str(tool)] = "fdmctl"
        if version == "editable":
            build_data["force_include_editable"][str(root / START_UP_HOOK)] = START_UP_HOOK
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag(library, tool)}"


def native_files(root: Path) -> tuple[Path, Path]:
    """The library and the tool, brought up to date where the sources and Swift are at hand."""
    checkout = root.parent
    # PKG-INFO is in every sdist: one that was unpacked beside somebody else's Package.swift is none of ours.
    if (root / "PKG-INFO").exists() or not (checkout / "Package.swift").exists():
        files = root / LIBRARY, root / TOOL
        can_build = False
    else:
        files = root / LIBRARY, checkout / "build" / TOOL
        can_build = shutil.which(swift()) is not None
    if can_build:
        # Also when they are there: make knows whether they are older than the sources.
        done = subprocess.run(["make", "-C", str(checkout), "self-contained"], check=False)
        if done.returncode != 0:
            raise RuntimeError(MAKE_FAILED.format(checkout=checkout, status=done.returncode))
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise RuntimeError(SWIFT_IS_MISSING.format(missing=" and ".join(missing), swift=swift()))
    return files


def swift() -> str:
    """The command that the Makefile calls, which takes SWIFT from the environment."""
    return os.environ.get("SWIFT", "swift")


def follow_links(included: dict[str, str]) -> None:
    """Makes an sdist take the file that a link leads to: the licence is a link out of the Python folder."""
    for source, target in list(included.items()):
        del included[source]
        included[os.path.realpath(source)] = target


def platform_tag(*files: Path) -> str:
    """The oldest manylinux tag whose glibc has every symbol that the files need, so that no older loader gets them.

    The loader refuses a file for a version of weak symbols too, which auditwheel passes over. `make test-wheel` asks
    auditwheel for the rest: the other libraries that the tag allows, and their versions.
    """
    newest = (2, 5)  # the oldest that there is a tag for
    machines = set()
    for path in files:
        with path.open("rb") as file:
            elf = ELFFile(file)
            machines.add({"x64": "x86_64", "AArch64": "aarch64"}.get(elf.get_machine_arch(), elf.get_machine_arch()))
            needs = elf.get_section_by_name(".gnu.version_r")
            for _, symbols in needs.iter_versions():
                for symbol in symbols:
                    name, _, number = symbol.name.partition("_")
                    if name == "GLIBC":
                        major, minor = number.split(".")[:2]
                        newest = max(newest, (int(major), int(minor)))
    if len(machines) != 1:
        raise RuntimeError(f"{', '.join(map(str, files))} are for different machines: {', '.join(sorted(machines))}")
    return f"manylinux_{newest[0]}_{newest[1]}_{machines.pop()}"
