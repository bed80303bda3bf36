# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The store's totals as prometheus_client's Metric objects.

prometheus_client's own parser reads any exposition, character by character. This one reads what the library writes, in
a tenth of the time: every scrape that asks for OpenMetrics goes through it.
"""

from __future__ import annotations

import re
from typing import Collection, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Sample

from .. import _constants as c
from .. import _gauge_functions
from .._descriptor import Descriptor, is_classic
from ..registry import REGISTRY, Registry
from . import created

_PAIR = re.compile(r'(?:([a-zA-Z_][a-zA-Z0-9_]*)|"((?:[^"\\]|\\.)*)")="((?:[^"\\]|\\.)*)"')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
# A family without a sample, of a type that a gauge, or an info, has in the text format or in OpenMetrics. The pattern
# begins with what a search is fast for: the end of a line, as a line of the help text always stands before.
_SILENT = re.compile(rb"\n# TYPE (.+) (?:gauge|info)\n(?:# UNIT .*\n)?(?=# HELP|\Z)")

#: The modes of gauges of which each process has a sample.
MODES_OF_EACH = (c.FDM_GAUGE_ALL, c.FDM_GAUGE_LIVEALL)
# What an exposed family's name ends with.
_SUFFIXES = {c.FDM_COUNTER: "_total", c.FDM_INFO: "_info"}
_SUFFIXES_BY_TYPE = {"counter": "_total", "info": "_info"}
_FAMILY = "# HELP "
_LABELS_KEPT = 20_000

# The labels of a series by their text: the same ones come at every scrape.
_labels: Dict[str, Dict[str, str]] = {}

#: Of what render(process_metrics=...) takes: none, the sum over all processes, or each worker's.
ProcessMetrics = Union[bool, str]
#: How names outside of the classic character set are written where they are shown as they are.
AS_THEY_ARE = "allow-utf-8"
END_OF_OPENMETRICS = b"# EOF\n"


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
    Samples have no timestamps or exemplars; created.wanted says whether there are `_created` ones. An Info or an Enum
    is one where this process has declared it, else a gauge. Errors: those of Registry.render.
    """
    registry = registry or REGISTRY
    _gauge_functions.evaluate(registry, lambda _name: True)
    text = rendered(registry, pid_label, process_metrics, AS_THEY_ARE)
    made = created_blocks(registry, AS_THEY_ARE) if created.wanted(names or ()) else {}
    families = parse(text, registry._declared, made)
    if names is None:
        return families
    return [metric for metric in (restricted(family, names) for family in families) if metric is not None]


def rendered(
    registry: Registry, pid_label: bool, process_metrics: ProcessMetrics, escaping: str = "underscores"
) -> bytes:
    """The native text. The functions of gauges are not called. Errors: those of Registry.render."""
    text = registry._ready().render(pid_label=pid_label, process_metrics=process_metrics, escaping=escaping)
    return _with_silent(text, registry._declared, escaping)


def rendered_openmetrics(
    registry: Registry, pid_label: bool, process_metrics: ProcessMetrics, escaping: str = "underscores"
) -> bytes:
    """The same in OpenMetrics, without the line that ends it. Errors: those of Registry.render."""
    text = registry._ready().render(
        pid_label=pid_label,
        process_metrics=process_metrics,
        format="openmetrics",
        escaping=escaping,
        created=created.wanted_in_openmetrics(),
    )
    return _with_silent(text[: -len(END_OF_OPENMETRICS)], registry._declared, escaping)


def escaped(name: str, escaping: str) -> str:
    """A metric's name as a text with this escaping shows it, without quotes."""
    if escaping == AS_THEY_ARE or is_classic(name):
        return name
    # Versions without it declare no other names.
    escape = getattr(openmetrics, "escape_metric_name", None)
    return name if escape is None else str(escape(name, escaping))


def _with_silent(text: bytes, declared: Dict[str, Descriptor], escaping: str) -> bytes:
    """The text with what prometheus_client shows of metrics that nobody has said anything of.

    Those are an Info without a text, and a gauge of which each process has a value. It is there until any process says
    something: it does not stand beside what another one has said.
    """
    samples = dict(_silent_samples(declared, escaping))

    def shown(match: re.Match[bytes]) -> bytes:
        return match.group() + samples.get(match.group(1), b"")

    return _SILENT.sub(shown, text) if samples else text


def _silent_samples(declared: Dict[str, Descriptor], escaping: str) -> Iterator[Tuple[bytes, bytes]]:
    """Names as a line of the type has them, each with the line of its sample."""
    for descriptor in list(declared.values()):
        if descriptor.label_names:
            continue
        if descriptor.kind == c.FDM_INFO:
            sample = _written(f"{descriptor.name}_info", escaping)
            # In the text format it is a gauge of the longer name.
            for name in (sample, _written(descriptor.name, escaping)):
                yield name.encode(), _line(sample, 1.0)
        elif descriptor.kind == c.FDM_GAUGE and descriptor.gauge_mode in MODES_OF_EACH:
            name = _written(descriptor.name, escaping)
            yield name.encode(), _line(name, 0.0)


def _written(name: str, escaping: str) -> str:
    name = escaped(name, escaping)
    return name if is_classic(name) else f'"{_quotable(name)}"'


def _line(name: str, value: float) -> bytes:
    return (f"{{{name}}} {value}\n" if name.startswith('"') else f"{name} {value}\n").encode()


def restricted(metric: Metric, names: Collection[str]) -> Optional[Metric]:
    """A family with its samples of these names alone; None where it has none of them."""
    samples = [sample for sample in metric.samples if sample.name in names]
    if not samples:
        return None
    made = Metric(metric.name, metric.documentation, metric.type)
    made.samples = samples
    return made


def exposed_name(descriptor: Descriptor) -> str:
    """A family's name in the text format, not escaped: with a counter's _total and an info's _info."""
    return descriptor.name + _SUFFIXES.get(descriptor.kind, "")


def suffixed(name: str, kind: str) -> str:
    """The same of a family with this name and type."""
    suffix = _SUFFIXES_BY_TYPE.get(kind, "")
    return name if name.endswith(suffix) else name + suffix


class Block(NamedTuple):
    """One family in a rendered text."""

    #: Its name as HELP and TYPE have it: in the text format with _total for a counter, and _info for an info.
    exposed: str
    kind: str
    text: str

    @property
    def suffixed(self) -> str:
        """Its name as the text format has it, also where this is OpenMetrics."""
        return suffixed(self.exposed, self.kind)


def blocks(text: str) -> Iterator[Block]:
    """The families of a text that the library rendered, in a text format or in OpenMetrics."""
    start = 0
    while text.startswith(_FAMILY, start):
        # A line can only begin with "# HELP " where a family does: names do not.
        end = text.find("\n" + _FAMILY, start) + 1 or len(text)
        type_start = text.index("\n", start) + 1
        kind_end = text.index("\n", type_start)
        kind_start = text.rindex(" ", start, kind_end) + 1
        name = text[type_start + len("# TYPE ") : kind_start - 1]
        yield Block(_unquoted(name), text[kind_start:kind_end], text[start:end])
        start = end


def named_blocks(text: bytes, names: Iterable[str], escaping: str) -> Iterator[Tuple[str, Block]]:
    """The families of a text with this escaping, each with its exposed name: a real one if it is among the names."""
    found = {block.suffixed: block for block in blocks(text.decode("utf-8", "replace"))}
    by_shown = _by_shown_name(names, escaping, found)
    for shown, block in found.items():
        yield by_shown.get(shown, shown), block


def _by_shown_name(names: Iterable[str], escaping: str, shown: Collection[str]) -> Dict[str, str]:
    """Those of the names that a text shows as something else, by that."""
    names = set(names)
    by_shown = {}
    for name in names:
        if is_classic(name):
            continue
        # The library falls back to "values" where another family has the name that this one would be shown with.
        unique = escaped(name, "values")
        other = unique if unique in shown else escaped(name, escaping)
        if other not in names:
            by_shown[other] = name
    return by_shown


def parse(text: bytes, declared: Dict[str, Descriptor], made: Optional[Dict[str, Block]] = None) -> List[Metric]:
    """The families of a text that the library rendered; `declared` says which gauges are infos and state sets.

    made: what created_blocks gives.
    """
    return [family(block, declared, made) for block in blocks(text.decode("utf-8", "replace"))]


def created_blocks(registry: Registry, escaping: str) -> Dict[str, Block]:
    """The families with their `_created` samples alone, by prometheus_client's names. Errors: Registry.render's."""
    text = registry._ready().render(format="openmetrics", escaping=escaping, created=True).decode("utf-8", "replace")
    shown = {}
    for block in blocks(text):
        if block.kind in ("counter", "histogram", "summary"):
            suffixed = block.exposed + created.SUFFIX
            # A sample's line begins with its name, or with a brace and its name in quotes.
            starts = (suffixed + "{", suffixed + " ", '{"' + _quotable(suffixed) + '"')
            lines = [line for line in block.text.split("\n") if line.startswith(starts)]
            shown[block.exposed] = block._replace(text="".join(line + "\n" for line in lines))
    return shown


def with_created(block: Block, made: Dict[str, Block]) -> str:
    """A block of the text format, and a family more with its `_created` samples, as prometheus_client writes them."""
    name = block.exposed[: -len("_total")] if block.kind == "counter" else block.exposed
    known = made.get(name)
    if known is None or not known.text:
        return block.text
    help_line, type_line, _ = block.text.split("\n", 2)
    suffixed = name + created.SUFFIX
    shown = '"' + _quotable(suffixed) + '"' if known.text.startswith("{") else suffixed
    documentation = help_line[len(type_line) - len(block.kind) :]
    return f"{block.text}{_FAMILY}{shown} {documentation}\n# TYPE {shown} gauge\n{known.text}"


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


def family(block: Block, declared: Dict[str, Descriptor], made: Optional[Dict[str, Block]] = None) -> Metric:
    """A family as prometheus_client's object."""
    help_line, type_line, samples = block.text.split("\n", 2)
    documentation = help_line[len(type_line) - len(block.kind) :]
    name, kind, unit = identity(block, declared)
    metric = Metric(name, _ESCAPE.sub(_unescaped, documentation), kind, unit)
    metric.samples = [_sample(line) for line in samples.split("\n") if line]
    known = made.get(name) if made else None
    if known is not None:
        metric.samples = list(_interleaved(metric.samples, [_sample(line) for line in known.text.split("\n") if line]))
    return metric


def _interleaved(samples: Iterable[Sample], made: Iterable[Sample]) -> Iterator[Sample]:
    """The samples, with that of `made` after those of each series, as OpenMetrics wants them."""
    by_labels = {_series(sample): sample for sample in made}
    current: Optional[Tuple[Tuple[str, str], ...]] = None
    for sample in samples:
        series = _series(sample)
        if current is not None and current != series and current in by_labels:
            yield by_labels.pop(current)
        current = series
        yield sample
    if current in by_labels:
        yield by_labels.pop(current)


def sum_first(metrics: Iterable[Metric]) -> Iterator[Metric]:
    """The families with a histogram's samples in the order of prometheus_client's MultiProcessCollector."""
    for metric in metrics:
        if metric.type == "histogram":
            last: Dict[Tuple[Tuple[str, str], ...], List[Sample]] = {}
            for sample in metric.samples:
                series = last.setdefault(_series(sample), [])
                series.insert(0 if sample.name == metric.name + "_sum" else len(series), sample)
            metric.samples = [sample for series in last.values() for sample in series]
        yield metric


def _series(sample: Sample) -> Tuple[Tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))


def _sample(line: str) -> Sample:
    series, _, value = line.rpartition(" ")
    name, brace, labels = series.partition("{")
    if not brace:
        return Sample(name, {}, float(value))
    if not name:
        # {"a.name",label="value"}
        quoted = _QUOTED.match(labels)
        assert quoted is not None
        name, labels = _ESCAPE.sub(_unescaped, quoted.group(1)), labels[quoted.end() :]
    known = _labels.get(labels)
    if known is None:
        if len(_labels) >= _LABELS_KEPT:
            _labels.clear()
        pairs = {
            classic or _ESCAPE.sub(_unescaped, other): _ESCAPE.sub(_unescaped, text)
            for classic, other, text in _PAIR.findall(labels)
        }
        known = _labels.setdefault(labels, pairs)
    return Sample(name, known.copy(), float(value))


def _quotable(name: str) -> str:
    return name.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _unquoted(name: str) -> str:
    return _ESCAPE.sub(_unescaped, name[1:-1]) if name.startswith('"') else name


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match.group(1) == "n" else match.group(1)
