# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A store that refuses, and a clock that a test moves."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fdmetrics import _family, _link, _log, errors, instruments, metric, registry


class Clock:
    """Stands in for module time in what remembers refusals: `monotonic` moves by `now` alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for module in (_family, _link, _log, instruments, metric, registry):
            monkeypatch.setattr(module, "time", self)

    def monotonic(self) -> float:
        """The clock's reading in seconds."""
        return self.now

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()


class FullStore:
    """Stands in for a function of the library on a full file system, as long as `full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, library: Any, function: str = "fdm_labels") -> None:
        self.real = getattr(library, function)
        self.full = True
        self.calls = 0
        monkeypatch.setattr(library, function, self)

    def __call__(self, *arguments: Any) -> int:
        self.calls += 1
        return errors.NoSpaceError.status if self.full else int(self.real(*arguments))
