# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The children of a metric, which are its labelled series: those that a look-up finds, and those that callers hold."""

from __future__ import annotations

from _weakref import ref
from types import MethodType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: So many label values that the store refuses a metric remembers; then it forgets them all. Who sends ever other values
#: so gets no more memory than this.
MOST_REFUSED = 1024


class Children(dict["tuple[str, ...]", "Any"]):
    """The children of a metric by their label values, right as long as the store's word of removals is `word`.

    Those that the store has refused are in it too, where a look-up finds them as fast as any other: they try again by
    themselves. They are in `refused` as well, so that there are not too many. The next dictionary knows nothing of
    them: what was removed may have made room.
    """

    __slots__ = ("refused", "word")

    def __init__(self, word: int) -> None:
        super().__init__()
        self.word = word
        self.refused: dict[tuple[str, ...], Any] = {}

    def keep_refused(self, values: tuple[str, ...], child: Any) -> Any:
        """Takes up a child that has no series. Returns the one that is kept."""
        refused = self.refused
        if len(refused) >= MOST_REFUSED:
            # One at a time, each of which another thread may be quicker to take.
            try:
                while True:
                    forgotten, known = refused.popitem()
                    if known._calls is None:
                        self.pop(forgotten, None)
            except KeyError:
                pass
        child = self.setdefault(values, child)
        refused[values] = child
        return child

    def forget(self, values: tuple[str, ...]) -> None:
        """Takes a child out."""
        self.pop(values, None)
        self.refused.pop(values, None)


class MadeChildren:
    """All children of a metric that are alive, also those that nobody but a caller holds on to."""

    __slots__ = ("_forget", "_references")

    def __init__(self) -> None:
        # Each leaves with its child. A WeakSet could not be read while another thread adds.
        self._references: dict[Any, None] = {}
        # Of the dictionary alone: a reference is not to keep the metric.
        self._forget = MethodType(_forget, self._references)

    def add(self, child: Any) -> None:
        """Takes note of a child."""
        self._references[ref(child, self._forget)] = None

    def __iter__(self) -> Iterator[Any]:
        for reference in list(self._references):
            child = reference()
            if child is not None:
                yield child


def _forget(references: dict[Any, None], reference: Any) -> None:
    references.pop(reference, None)
