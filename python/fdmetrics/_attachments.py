# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Finds what holds addresses in the default store, which keeps no list of it, for a move to another store."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Iterator

from . import python_metrics
from ._family import Family

if TYPE_CHECKING:
    from .registry import Registry


def detach_all(registry: Registry) -> None:
    """Has everything of a registry that holds an address in its store let go of it, as at Registry.close()."""
    records_interpreter = registry in python_metrics._installed
    for thing in list(_attachments()):
        if isinstance(thing, Family):
            # Of metrics that are gone, perhaps: those of prometheus_client that are declared alike share one.
            if thing.registry is registry:
                thing.detach()
        elif _owner(thing) is registry:
            thing._detach()
    if records_interpreter:
        python_metrics.install(registry)


def _owner(thing: Any) -> object:
    for holder in ("_family", "settings"):
        if hasattr(thing, holder):
            return getattr(getattr(thing, holder), "registry", None)
    return getattr(thing, "_registry", None)


def _attachments() -> Iterator[Any]:
    for thing in gc.get_objects():
        # Of the class, because a proxy or a mock may have every attribute.
        kind = type(thing)
        if kind is Family or (hasattr(kind, "_detach") and any(map(_is_ours, kind.__mro__))):
            yield thing


def _is_ours(kind: type) -> bool:
    return str(kind.__module__).startswith(f"{__package__}.")
