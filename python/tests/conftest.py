# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures: every test has a store of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

import fdmetrics
from fdmetrics import _library

from .zmq_support import Sockets


@pytest.fixture(scope="session", autouse=True)
def library() -> _library.Library:
    """The library under test; without it every test fails with what to do."""
    return _library.load()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory for a store, not made yet."""
    return tmp_path / "store"


@pytest.fixture
def registry(directory: Path) -> Iterator[fdmetrics.Registry]:
    """A registry of the test's own store, closed at its end."""
    registry = fdmetrics.Registry(directory)
    yield registry
    registry.close()


@pytest.fixture
def sockets(registry: fdmetrics.Registry) -> Iterator[Sockets]:
    """Sockets that are closed at the end of the test."""
    sockets = Sockets(registry)
    yield sockets
    sockets.close()


@pytest.fixture
def utf8_names() -> Iterator[None]:
    """Allows names of any UTF-8 for the test."""
    fdmetrics.allow_utf8_names()
    yield
    fdmetrics.allow_utf8_names(False)
