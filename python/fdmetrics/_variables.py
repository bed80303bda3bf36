# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The environment variables that choose one of a few values: FDMETRICS_PID_LABEL=1 and the like.

An empty one is as if it were not set. So is one whose value means nothing, and that is said, once for each variable.
fdmetrics_hook, which every Python process of a service may import, has the same rule for FDMETRICS_INSTALL.
"""

from __future__ import annotations

import os

from . import _log

#: A variable that turns something on, or says that it stays off.
SWITCH = ("1", "0")

#: Whether process_*, and how, and by "worker" also python_gc_* and python_info.
PROCESS_METRICS = "FDMETRICS_PROCESS_METRICS"

_told: set[str] = set()


def chosen(name: str, values: tuple[str, ...], otherwise: str) -> str:
    """The value of a variable, one of `values`; "" where it is empty, not set, or means nothing, which is logged.

    otherwise: what happens then, for the log. Raises nothing.
    """
    told = os.environ.get(name, "")
    if not told or told in values:
        return told
    if name not in _told:
        _told.add(name)
        expected = " or ".join(filter(None, (", ".join(values[:-1]), values[-1])))
        _log.warn("fdmetrics: %s is %r in the environment: %s is expected; %s", name, told, expected, otherwise)
    return ""


def process_metrics() -> str:
    """What PROCESS_METRICS says: "worker", "1", "0", or "" for nothing, which means the same as "1"."""
    return chosen(PROCESS_METRICS, ("worker", "1", "0"), "the metrics of all processes are added up")


def is_on(name: str, otherwise: str) -> bool:
    """Whether a variable is 1; see chosen."""
    return chosen(name, SWITCH, otherwise) == "1"
