# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The store's totals as prometheus_client's Metric objects.

prometheus_client's own parser reads any exposition, character by character. This one reads what the library writes, in
a tenth of the time: every scrape that asks for OpenMetrics goes through it.
"""

from __future__ import annotations

import re
from typing import Any, Collection, Dict, Iterator, List, NamedTuple, Optional, Union

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from .. import _constants as c
from .._descriptor import Descriptor
from ..registry import REGISTRY, Registry

_PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_FAMILY = "# HELP "
_LABELS_KEPT = 20_000

# The labels of a series by their text: the same ones come at every scrape.
_labels: Dict[str, Dict[str, str]] = {}

#: Of what render(process_metrics=...) takes: none, the sum over all processes, or each worker's.
ProcessMetrics = Union[bool, str]


def collect_families(
    registry: Optional[Registry] = None,
    *,
    pid_label: bool = False,
    process_metrics: ProcessMetrics = False,
    names: Optional[Collection[str]] = None,
) -> List[Metric]:
    """The totals over all processes, a Metric for each family of the store, by one rendering of it.

    registry: None stands for the process's default one. pid_label and process_metrics are those of Registry.render.
    names: only samples of these names, and only families that have any, as a registry's restricted_registry gives.
    Samples have no timestamps, exemplars or `_created`. An Info or an Enum is one where this process has declared it,
    else a gauge. Errors: those of Registry.render.
    """
    registry = registry or REGISTRY
    families = parse(rendered(registry, pid_label, process_metrics), registry._declared)
    if names is None:
        return families
    return [metric for metric in (restricted(family, names) for family in families) if metric is not None]


def rendered(registry: Registry, pid_label: bool, process_metrics: ProcessMetrics) -> bytes:
    """The native text. Errors: those of Registry.render."""
    render: Any = registry.render
    if process_metrics:
        text: bytes = render(pid_label=pid_label, process_metrics=process_metrics)
    else:
        text = render(pid_label=pid_label)
    return text


def restricted(metric: Metric, names: Collection[str]) -> Optional[Metric]:
    """A family with its samples of these names alone; None where it has none of them."""
    samples = [sample for sample in metric.samples if sample.name in names]
    if not samples:
        return None
    made = Metric(metric.name, metric.documentation, metric.type)
    made.samples = samples
    return made


class Block(NamedTuple):
    """One family in a rendered text."""

    #: Its name as HELP and TYPE have it: with _total for a counter, and _info for an info.
    exposed: str
    kind: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    """The families of a text that the library rendered."""
    start = 0
    while start < len(text):
        # A line can only begin with a # where a family does: names do not.
        end = text.find("\n" + _FAMILY, start) + 1 or len(text)
        name_start = start + len(_FAMILY)
        kind_end = text.index("\n", text.index("\n", start) + 1)
        kind_start = text.rindex(" ", start, kind_end) + 1
        yield Block(text[name_start : text.index(" ", name_start)], text[kind_start:kind_end], text[start:end])
        start = end


def parse(text: bytes, declared: Dict[str, Descriptor]) -> List[Metric]:
    """The families of a text that the library rendered; `declared` says which gauges are infos and state sets."""
    return [family(block, declared) for block in blocks(text.decode("utf-8", "replace"))]


class Identity(NamedTuple):
    """What prometheus_client calls a family."""

    name: str
    kind: str
    unit: str


def identity(block: Block, declared: Dict[str, Descriptor]) -> Identity:
    """What prometheus_client calls a rendered family."""
    name, kind, _ = block
    if kind == "counter" and name.endswith("_total"):
        name = name[: -len("_total")]
    known = declared.get(name)
    if kind == "gauge":
        # The text format has neither info nor stateset.
        if known is not None and known.kind == c.FDM_STATE_SET:
            kind = "stateset"
        elif name.endswith("_info"):
            info = declared.get(name[: -len("_info")])
            if info is not None and info.kind == c.FDM_INFO:
                return Identity(info.name, "info", "")
    return Identity(name, kind, known.unit if known is not None else "")


def family(block: Block, declared: Dict[str, Descriptor]) -> Metric:
    """A family as prometheus_client's object."""
    lines = block.text.split("\n")
    documentation = _ESCAPE.sub(_unescaped, lines[0][len(_FAMILY) + len(block.exposed) + 1 :])
    name, kind, unit = identity(block, declared)
    metric = Metric(name, documentation, kind, unit)
    metric.samples = [_sample(line) for line in lines[2:] if line]
    return metric


def _sample(line: str) -> Sample:
    series, _, value = line.rpartition(" ")
    name, brace, labels = series.partition("{")
    if not brace:
        return Sample(name, {}, float(value))
    known = _labels.get(labels)
    if known is None:
        if len(_labels) >= _LABELS_KEPT:
            _labels.clear()
        pairs = {label: _ESCAPE.sub(_unescaped, text) for label, text in _PAIR.findall(labels)}
        known = _labels.setdefault(labels, pairs)
    return Sample(name, known.copy(), float(value))


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match.group(1) == "n" else match.group(1)
