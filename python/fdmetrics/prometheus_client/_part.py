# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What of a store a collector stands for, and the text of it."""

from __future__ import annotations

from typing import Callable, Collection, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional

from prometheus_client.metrics_core import Metric

from .. import _gauge_functions
from .._prometheus import created, families
from .._prometheus.families import Block
from .._prometheus.totals import wants_pid_label
from ..registry import Registry
from ..store import ProcessMetrics


class Part(NamedTuple):
    """Families of a store: those with these exposed names, or all."""

    store: Registry
    #: Names as the text shows them, with a counter's _total and an info's _info. None: all.
    names: Optional[FrozenSet[str]]
    process_metrics: ProcessMetrics = False


class StoreCollector:
    """A collector that stands for a part of a store, and so is rendered with the rest of it."""

    __slots__ = ()

    def _part(self) -> Optional[Part]:
        """What it stands for; None where it shows something of its own, by collect()."""
        raise NotImplementedError


class Selection:
    """Parts of one store, put together."""

    def __init__(self, parts: Collection[Part], hidden: FrozenSet[str] = frozenset()) -> None:
        self.store = next(iter(parts)).store
        wanted = [part.process_metrics for part in parts if part.process_metrics]
        self._process_metrics: ProcessMetrics = wanted[0] if wanted else False
        every = any(part.names is None for part in parts)
        #: None: all but the hidden ones.
        self._names = None if every else frozenset().union(*(part.names or () for part in parts))
        self._hidden = hidden

    def _shows(self, name: str) -> bool:
        return name not in self._hidden if self._names is None else name in self._names

    def only(self, names: FrozenSet[str]) -> Selection:
        """Of these families those with the given exposed names."""
        shown = frozenset(name for name in names if self._shows(name))
        return Selection([Part(self.store, shown, self._process_metrics)])

    def text(self, escaping: str = "underscores") -> bytes:
        """The families in the text format 0.0.4. Errors: those of Registry.render, and of callbacks of gauges."""
        text = self._rendered(families.rendered, escaping)
        with_created = created.wanted()
        if self._names is None and not self._hidden and not with_created:
            return text
        made = families.created_blocks(self.store, escaping) if with_created else {}
        shown = self._shown(text, escaping)
        return "".join([families.with_created(block, made) for block in shown]).encode()

    def openmetrics(self, escaping: str = "underscores") -> bytes:
        """The same in OpenMetrics 1.0, without the line that ends it."""
        text = self._rendered(families.rendered_openmetrics, escaping)
        if self._names is None and not self._hidden:
            return text
        return "".join([block.text for block in self._shown(text, escaping)]).encode()

    def collect(self, names: Iterable[str] = ()) -> List[Metric]:
        """The same as prometheus_client's Metric objects. names: of samples that are looked for."""
        text = self._rendered(families.rendered, families.AS_THEY_ARE)
        made = families.created_blocks(self.store, families.AS_THEY_ARE) if created.wanted(names) else {}
        shown = self._shown(text, families.AS_THEY_ARE)
        return [families.family(block, self.store._declared, made) for block in shown]

    def _rendered(self, render: Callable[..., bytes], escaping: str) -> bytes:
        _gauge_functions.evaluate(self.store, self._shows)
        return render(self.store, wants_pid_label(), self._process_metrics, escaping)

    def _shown(self, text: bytes, escaping: str) -> Iterator[Block]:
        names = self._hidden if self._names is None else self._names
        for name, block in families.named_blocks(text, names, escaping):
            if (name in names) is (self._names is not None):
                yield block


def collected(part: Part) -> List[Metric]:
    """The families of one part. Errors: as Selection.text."""
    return Selection([part]).collect()


def selections(parts: Iterable[Part], hidden: FrozenSet[str]) -> List[Selection]:
    """A selection for each store that parts are of."""
    by_store: Dict[Registry, List[Part]] = {}
    for part in parts:
        by_store.setdefault(part.store, []).append(part)
    return [Selection(of_store, hidden) for of_store in by_store.values()]
