# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The OpenMetrics format, for this package's registries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from .. import _twin
from ..registry import CollectorRegistry, collects_totals

if TYPE_CHECKING:
    from prometheus_client.openmetrics.exposition import *  # noqa: F403
else:
    _twin.run(globals())

_formatted: Callable[..., bytes] = globals()["generate_latest"]


def generate_latest(registry: Any, escaping: str = "underscores", version: str = "1.0.0") -> bytes:  # type: ignore[no-redef]
    """What a registry shows, in OpenMetrics; see fdmetrics.prometheus_client.generate_latest."""
    arguments: Any = {}
    if escaping != "underscores":
        arguments["escaping"] = escaping
    if version != "1.0.0":
        arguments["version"] = version
    if not isinstance(registry, CollectorRegistry) or not collects_totals(registry) or escaping == "dots":
        return _formatted(registry, **arguments)
    text = [selection.openmetrics(escaping) for selection in registry._selections()]
    # With nothing to show it gives the line that ends all.
    text.append(_formatted(registry._others(), **arguments))
    return b"".join(text)
