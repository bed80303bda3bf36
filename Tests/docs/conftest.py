# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The pages as a newcomer follows them: every block of code is compiled, checked or run.

FDMETRICS_LIBRARY  the library (python/fdmetrics/libfdmetrics.so)
FDMCTL             the tool (build/bin/fdmctl)
PATH               clang, swift; prometheus, promtool, victoria-metrics and prometheus-pushgateway, else those beside
                   the Python that runs this (scripts/setup.sh servers)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from machine import Machine, machine


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Machine]:
    """A machine that nothing has been done on yet."""
    with machine(tmp_path) as fresh:
        yield fresh
