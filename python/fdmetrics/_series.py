# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the label values of a family's series out of rendered text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Dict, Iterator, Tuple

from . import _constants as c
from ._descriptor import Descriptor

if TYPE_CHECKING:
    from .registry import Registry

_PAIR = re.compile(r'(?:([a-zA-Z_][a-zA-Z0-9_]*)|"((?:[^"\\]|\\.)*)")="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_SPECIAL = re.compile(r'[\\"\n]')

# One sample that each series of a kind has.
_SUFFIXES: Dict[int, str] = {
    c.FDM_COUNTER: "_total",
    c.FDM_HISTOGRAM: "_count",
    c.FDM_SUMMARY: "_count",
    c.FDM_INFO: "_info",
}


def rendered_series(registry: Registry, descriptor: Descriptor) -> Iterator[Tuple[str, ...]]:
    """The label values of each rendered series of a labelled family; some come more than once.

    Errors: those of Store() and Store.render.
    """
    name = descriptor.name + _SUFFIXES.get(descriptor.kind, "")
    # Not by Registry.render, which has the functions of gauges called.
    text = registry._ready().render(escaping="allow-utf-8", names=(descriptor.name,))
    starts = (name + "{", '{"' + _SPECIAL.sub(_escaped, name) + '",')
    for line in text.decode("utf-8", "replace").split("\n"):
        for start in starts:
            if line.startswith(start):
                labels = {
                    legacy or _ESCAPE.sub(_unescaped, quoted): _ESCAPE.sub(_unescaped, value)
                    for legacy, quoted, value in _PAIR.findall(line, len(start))
                }
                yield tuple(labels.get(name, "") for name in descriptor.label_names)


def _escaped(match: re.Match[str]) -> str:
    return "\\n" if match.group() == "\n" else "\\" + match.group()


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match.group(1) == "n" else match.group(1)
