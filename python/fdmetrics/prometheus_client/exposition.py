# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering, and the servers and pushers of prometheus_client, for this package's registries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from . import _twin
from .registry import REGISTRY, Collector, CollectorRegistry

if TYPE_CHECKING:
    from prometheus_client.exposition import *  # noqa: F403
else:
    _twin.run(globals())

_formatted: Callable[..., bytes] = globals()["generate_latest"]


def generate_latest(registry: Collector = REGISTRY, escaping: str = "underscores") -> bytes:  # type: ignore[no-redef]
    """What a registry shows, in the text format.

    What is in the store is rendered by the library; other collectors by prometheus_client. escaping: of names outside
    of the classic character set, which only other collectors have, and with "dots" of all names. Errors: those of
    fdmetrics.Registry.render, and of the collectors.
    """
    arguments: Any = {} if escaping == "underscores" else {"escaping": escaping}
    if not isinstance(registry, CollectorRegistry) or escaping == "dots":
        return _formatted(registry, **arguments)
    text = [selection.text() for selection in registry._selections()]
    others = registry._others()
    if others:
        text.append(_formatted(others, **arguments))
    return b"".join(text)
