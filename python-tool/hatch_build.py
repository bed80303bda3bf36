# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What hatchling cannot know of this package: the program that it carries, and the platform tag that this allows.

The program is that of the machine that builds it, with the Swift runtime inside: `make tool`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# hatchling loads this file by its path alone.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "python"))
from native_files import brought_up_to_date, platform_tag

TOOL = "build/bin/fdmctl"

NO_SDIST = """\
fdmetrics-tool has no sdist: a program of Swift is all that is in it, and its sources are those of the repository.
Build the wheel in a checkout: python -m build --wheel {root}
"""


class Tool(BuildHookInterface):
    """Adds the program to the wheel, and says the wheel's tag."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each wheel. Errors: RuntimeError, saying what to run."""
        if self.target_name != "wheel":
            raise RuntimeError(NO_SDIST.format(root=self.root))
        checkout = Path(self.root).parent
        tool = brought_up_to_date(checkout, checkout / TOOL, "tool")
        build_data["shared_scripts"][str(tool)] = "fdmctl"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag(tool)}"
