# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The OpenMetrics format, for this package's registries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from .. import _twin
from ..registry import CollectorRegistry, collects_totals

if TYPE_CHECKING:
    from prometheus_client.openmetrics.exposition import ALLOWUTF8 as ALLOWUTF8
    from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_LATEST
    from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST_2_0 as CONTENT_TYPE_LATEST_2_0
    from prometheus_client.openmetrics.exposition import DOTS as DOTS
    from prometheus_client.openmetrics.exposition import ESCAPING_HEADER_TAG as ESCAPING_HEADER_TAG
    from prometheus_client.openmetrics.exposition import UNDERSCORES as UNDERSCORES
    from prometheus_client.openmetrics.exposition import VALUES as VALUES
    from prometheus_client.openmetrics.exposition import escape_label_name as escape_label_name
    from prometheus_client.openmetrics.exposition import escape_metric_name as escape_metric_name
else:
    _twin.run(globals())

_formatted: Callable[..., bytes] = globals()["generate_latest"]


def generate_latest(registry: Any, escaping: str = "underscores", version: str = "1.0.0") -> bytes:
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
