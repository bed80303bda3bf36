# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What hatchling cannot know of this package: the library that it carries, and the platform tag that this allows.

FDMETRICS_PLATFORM says for which platform (native_files.PLATFORMS), by default that of the Python that builds. For an
sdist it may be `all`. In a checkout `make lib` builds the library; in an unpacked sdist it is there.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # hatchling loads this file by its path alone
from native_files import PLATFORMS, brought_up_to_date, host, known, platform_tag

LIBRARY = "libfdmetrics.so"
IN_PACKAGE = f"fdmetrics/{LIBRARY}"
VARIABLE = "FDMETRICS_PLATFORM"
#: A line that site-packages runs when Python starts. A wheel has it as one more file beside the package.
START_UP_HOOK = "fdmetrics_hook.pth"

NOT_IN_SDIST = """\
This sdist has no library for {platform}: {path} is not there. It has those of {present}.
Take the wheel or the sdist of that platform, or build it in a checkout: make wheel PLATFORM={platform}
"""


class NativeFiles(BuildHookInterface):
    """Adds what is not in the Python folder, or not where it belongs, to what is built, and says the wheel's tag."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each sdist, wheel and editable wheel. Errors: RuntimeError, saying what to run."""
        root = Path(self.root)
        asked = os.environ.get(VARIABLE)
        if self.target_name == "sdist":
            for platform in PLATFORMS if asked == "all" else [chosen(asked)]:
                build_data["force_include"][str(library(root, platform))] = f"lib/{platform}/{LIBRARY}"
            follow_links(build_data["force_include"])
        elif version == "editable":
            # Python imports the package out of the Python folder, with the library of this machine.
            put_into_package(root)
            build_data["force_include_editable"][str(root / START_UP_HOOK)] = START_UP_HOOK
        else:
            carried = library(root, chosen(asked))
            build_data["force_include"][str(carried)] = IN_PACKAGE
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform_tag(carried)}"


def chosen(asked: str | None) -> str:
    """The platform that a wheel is for."""
    return known(asked, VARIABLE) if asked else host()


def is_checkout(root: Path) -> bool:
    """Whether there are sources beside the Python folder. PKG-INFO is in every sdist, also in one that was unpacked
    beside somebody else's Package.swift."""
    return not (root / "PKG-INFO").exists() and (root.parent / "Package.swift").exists()


def library(root: Path, platform: str) -> Path:
    """The library of a platform, brought up to date where the sources and Swift are at hand."""
    if is_checkout(root):
        built = root.parent / "build/lib" / platform / LIBRARY
        return brought_up_to_date(root.parent, built, "lib", f"PLATFORM={platform}")
    path = root / "lib" / platform / LIBRARY
    if not path.is_file():
        present = ", ".join(sorted(each.parent.name for each in root.glob(f"lib/*/{LIBRARY}"))) or "no platform"
        raise RuntimeError(NOT_IN_SDIST.format(platform=platform, path=path, present=present))
    return path


def put_into_package(root: Path) -> None:
    """The library of this machine, where the package looks for it when it is used as it lies here."""
    path = root / IN_PACKAGE
    if is_checkout(root):
        brought_up_to_date(root.parent, path, "library")
    else:
        shutil.copyfile(library(root, host()), path)


def follow_links(included: dict[str, str]) -> None:
    """Makes an sdist take the file that a link leads to: the licence is a link out of the Python folder."""
    for source, target in list(included.items()):
        del included[source]
        included[os.path.realpath(source)] = target
