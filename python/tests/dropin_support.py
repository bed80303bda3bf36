# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A registry of the drop-in with a store of its own."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Optional

import pytest

import fdmetrics
from fdmetrics.prometheus_client import CollectorRegistry, generate_latest

from .support import Samples


class Shown:
    """What a registry of the drop-in shows."""

    def __init__(self, store: fdmetrics.Registry) -> None:
        self.registry = CollectorRegistry(store=store)

    @property
    def text(self) -> str:
        """The text format."""
        return generate_latest(self.registry).decode()

    def value(self, name: str, **labels: str) -> Optional[float]:
        """One sample's value; None where there is none."""
        return Samples(self.text).get(name, **labels)

    def collected(self) -> Dict[str, Any]:
        """The families by name, as collect() gives them."""
        return {family.name: family for family in self.registry.collect()}


@pytest.fixture
def shown(registry: fdmetrics.Registry) -> Iterator[Shown]:
    """A registry of the test's own store."""
    yield Shown(registry)
