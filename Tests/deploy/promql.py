# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Which metrics an expression asks for, and where the expressions of a dashboard are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

# What is in an expression and is no name of a metric: texts, selectors, ranges, lists of labels, offsets.
_NO_NAMES = [
    r'"(?:[^"\\]|\\.)*"',
    r"\{[^}]*\}",
    r"\[[^\]]*\]",
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)",
    r"\boffset\s+\w+",
]
_NAME = re.compile(r"(?<![\w:])[a-zA-Z_:][\w:]*(?![\w:])(?!\s*\()")
_WORDS = {"and", "or", "unless", "bool"}


def names_in(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    for pattern in _NO_NAMES:
        expression = re.sub(pattern, " ", expression)
    return set(_NAME.findall(expression)) - _WORDS


class Query(NamedTuple):
    """A query of a panel."""

    title: str
    expression: str
    #: The labels that name its series.
    shown: set[str]


def queries_of(dashboard: Any) -> Iterator[Query]:
    """The queries of all panels."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield Query(panel["title"], target["expr"], set(re.findall(r"{{(\w+)}}", target["legendFormat"])))


def with_choices(expression: str, rate_interval: str = "1m") -> str:
    """An expression as Grafana sends it when everything is chosen."""
    for variable, value in {
        "$__rate_interval": rate_interval,
        "$job": ".*",
        "$instance": ".*",
        "$address": ".*",
    }.items():
        expression = expression.replace(variable, value)
    return expression


def samples_in(exposition: str) -> set[str]:
    """The names of the samples of a text."""
    return {re.split(r"[{ ]", line, maxsplit=1)[0] for line in exposition.splitlines() if line and line[0] != "#"}
