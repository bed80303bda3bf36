# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Whether `_created` samples are shown: when each series was made, by the first process of the service that had it.

In OpenMetrics they are, unless prometheus_client was told to show none. Elsewhere they are when it was told to show
them, by enable_created_metrics(), by PROMETHEUS_DISABLE_CREATED_SERIES=false, or by asking for a sample of that name:
they are a series more for each one of the service, which prometheus_client's multi-process mode does not have.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Iterable, List

from prometheus_client import metrics

SUFFIX = "_created"

# The modules that have prometheus_client's switch, _use_created. Older versions have none.
_switches: List[ModuleType] = [metrics]
_asked = "PROMETHEUS_DISABLE_CREATED_SERIES" in os.environ and getattr(metrics, "_use_created", True)


def follow(module: ModuleType) -> None:
    """Regards the switch of another module too."""
    if module not in _switches:
        _switches.append(module)


def enable() -> None:
    """Enable exporting _created metrics on counters, histograms, and summaries."""
    _switch(True)


def disable() -> None:
    """Disable exporting _created metrics on counters, histograms, and summaries."""
    _switch(False)


def _switch(on: bool) -> None:
    global _asked
    _asked = on
    for module in _switches:
        module._use_created = on  # type: ignore[attr-defined]


def wanted(names: Iterable[str] = ()) -> bool:
    """Whether a text, or a collection of samples with these names, has them."""
    return wanted_in_openmetrics() and (_asked or any(name.endswith(SUFFIX) for name in names))


def wanted_in_openmetrics() -> bool:
    """Whether OpenMetrics has them."""
    return all(getattr(module, "_use_created", True) for module in _switches)
