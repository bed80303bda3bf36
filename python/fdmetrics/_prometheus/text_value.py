# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The series behind prometheus_client's Info and Enum, which keep their state themselves and know no value class."""

from __future__ import annotations

import time
from typing import Dict, Optional, Sequence, Tuple

from .. import _constants as c
from .._descriptor import is_classic, strings
from .._family import Family
from .._library import import_rare_prototypes, take_utf8_names
from ..errors import REFUSALS, InvalidNameError, check_status
from ..registry import Registry
from .declaration import announce, family_of, forget, store_name

# What shows text: its first update then imports nothing.
import_rare_prototypes()


class _TextSeries:
    """A series that shows text. Never raises for the store's sake; any thread and fork children may call it."""

    __slots__ = ("__weakref__", "_family", "_label_values", "_retry_at")

    def __init__(self, family: Family, label_values: Sequence[str]) -> None:
        self._label_values: Tuple[str, ...] = tuple(label_values)
        self._family: Optional[Family] = family
        self._retry_at = 0.0
        announce(self, family)

    def use(self, family: Family) -> None:
        """Goes on with its family as it was declared again."""
        self._family = family
        self._retry_at = 0.0
        self._register_quietly()

    def register(self) -> None:
        """Registers the series now. Errors: as Metric.register."""
        if self._family is not None:
            self._bind(self._family)
            forget(self, self._family.registry)

    def _register_quietly(self) -> bool:
        family = self._family
        if family is None or not family.register_quietly():
            return False
        try:
            self.register()
            return True
        except REFUSALS as error:
            family.refuse(error)
            return False

    def _detach(self) -> None:
        if self._family is not None:
            self._family.detach()

    def _bind(self, family: Family) -> None:
        raise NotImplementedError

    def _update(self, function: str, *arguments: object) -> None:
        family = self._family
        if family is None:
            return
        if family.register_quietly() and time.monotonic() >= self._retry_at:
            library = family.registry._attach().library
            values = self._label_values
            try:
                update = getattr(library, function)
                check_status(library, update(family.handle, strings(values), len(values), *arguments))
                return
            except REFUSALS as error:
                retry_at = family.refuse(error)
                if not isinstance(error, InvalidNameError):
                    # A text with a key that nobody can show says nothing of the next one.
                    self._retry_at = retry_at
        family.registry.lost_updates += 1

    def removed(self) -> None:
        """This process has removed the series."""
        if self._family is not None:
            forget(self, self._family.registry)
        self._family = None


class InfoSeries(_TextSeries):
    """The text of an Info."""

    __slots__ = ()

    def __init__(
        self, registry: Registry, name: str, documentation: str, names: Sequence[str], label_values: Sequence[str]
    ) -> None:
        """Declares the series, which shows from the first text on."""
        super().__init__(family_of(registry, c.FDM_INFO, store_name("info", name), documentation, names), label_values)

    def _bind(self, family: Family) -> None:
        family.register()

    def show(self, text: Dict[str, str]) -> None:
        """Puts this text in place of the former one, for all processes."""
        keys, values = [str(key) for key in text], [str(value) for value in text.values()]
        if not is_classic("info", keys):
            take_utf8_names()
        self._update("fdm_info_set", strings(keys), strings(values), len(values))


class StateSeries(_TextSeries):
    """The state of an Enum."""

    __slots__ = ()

    def __init__(
        self,
        registry: Registry,
        name: str,
        documentation: str,
        names: Sequence[str],
        label_values: Sequence[str],
        states: Sequence[str],
    ) -> None:
        """Declares the series, which shows the first state until another one is chosen by any process."""
        texts = tuple(str(state) for state in states)
        super().__init__(family_of(registry, c.FDM_STATE_SET, name, documentation, names, states=texts), label_values)

    def _bind(self, family: Family) -> None:
        family.series(self._label_values)

    def show(self, state: str) -> None:
        """Turns this state on and all others off, for all processes."""
        self._update("fdm_state_set", str(state).encode("utf-8", "surrogatepass"))
