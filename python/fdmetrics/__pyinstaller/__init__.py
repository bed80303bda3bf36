# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What PyInstaller cannot see of this package: its library, and the modules that are imported by name.

PyInstaller finds the hooks by the entry point `pyinstaller40`; the program itself never imports this package.
"""

from __future__ import annotations

import os
from typing import List


def get_hook_dirs() -> List[str]:
    """The folder of the hooks. Called by PyInstaller. Errors: none."""
    return [os.path.dirname(__file__)]
