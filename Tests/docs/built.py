# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the pages' programs need, as it was built.

FDMETRICS_LIBRARY  the library (python/fdmetrics/libfdmetrics.so)
FDMCTL             the tool (build/bin/fdmctl)
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fdmetrics
from blocks import ROOT

#: The folder of the Python package.
PACKAGE = Path(fdmetrics.__file__).resolve().parents[1]


def _built(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable) or ROOT / default).resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there; run `make library tool`, or set {variable} to its path")
    return path


def library() -> Path:
    """The library that programs record with."""
    return _built("FDMETRICS_LIBRARY", "python/fdmetrics/libfdmetrics.so")


def fdmctl() -> Path:
    """The tool."""
    return _built("FDMCTL", "build/bin/fdmctl")
