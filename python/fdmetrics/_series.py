# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the label values of a family's series out of rendered text."""

from __future__ import annotations

import re
from typing import Dict, Iterator, Tuple

from . import _constants as c
from ._descriptor import Descriptor

_PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")

# One sample that each series of a kind has.
_SUFFIXES: Dict[int, str] = {
    c.FDM_COUNTER: "_total",
    c.FDM_HISTOGRAM: "_count",
    c.FDM_SUMMARY: "_count",
    c.FDM_INFO: "_info",
}


def rendered_series(text: bytes, descriptor: Descriptor) -> Iterator[Tuple[str, ...]]:
    """The label values of each rendered series of a labelled family; some come more than once."""
    start = descriptor.name + _SUFFIXES.get(descriptor.kind, "") + "{"
    for line in text.decode("utf-8", "replace").split("\n"):
        if line.startswith(start):
            labels = {name: _ESCAPE.sub(_unescaped, value) for name, value in _PAIR.findall(line)}
            yield tuple(labels.get(name, "") for name in descriptor.label_names)


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match.group(1) == "n" else match.group(1)
