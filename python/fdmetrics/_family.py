# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A declared metric family: its registration with the store, and the handles of its series."""

from __future__ import annotations

import ctypes
import time

from . import _log
from ._descriptor import Descriptor, strings
from .errors import REFUSALS, ConflictError, InvalidNameError, NoSpaceError, SeriesLimitError, check_status
from .registry import Registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._gauge_functions import Function

# What refuses a new series of a family whose others go on.
_NO_ROOM = (NoSpaceError, SeriesLimitError)


class Family:
    """One family of one registry. Any thread, and fork children, may call any method; none takes a lock."""

    __slots__ = ("_retry_at", "descriptor", "functions", "handle", "is_held", "is_replacing", "refusal", "registry")

    def __init__(self, descriptor: Descriptor, registry: Registry) -> None:
        self.descriptor = descriptor
        self.registry = registry
        self._retry_at = 0.0
        #: In which way it contradicts what the store has, or this process, and is not tried again; None: in none.
        self.refusal: str | None = None
        #: Whether it is to take the place of another declaration of its name when it is registered.
        self.is_replacing = False
        #: Whether a registry of prometheus_client's has its metric, or has given it up; None: it never had one.
        self.is_held: bool | None = None
        #: What Gauge.set_function was given, by label values.
        self.functions: dict[tuple[str, ...], Function] = {}
        #: The fdm_family, once it is registered.
        self.handle: int | None = None

    def register(self) -> int:
        """Attaches the store and registers the family, each where it was not yet. Returns the fdm_family.

        Errors: those of Store(), and the classes of fdm_register's statuses.
        """
        handle = self.handle
        if handle is None:
            try:
                is_replacing = self.is_replacing and not self.registry._is_replaced(self.descriptor)
                handle = self._register(self.descriptor, is_replacing)
            except ConflictError:
                # Another thread has registered it, and a third may have put another declaration in its place since.
                handle = self.handle
                if handle is None:
                    raise
            # A thread that sees no handle sees this, or registers what is there.
            self.handle, self.is_replacing = handle, False
            # After a move to another store nothing is declared.
            self.registry._declared.setdefault(self.descriptor.name, self.descriptor)
        return handle

    def _register(self, declaration: Descriptor, is_replacing: bool) -> int:
        store = self.registry._attach()
        family = ctypes.c_void_p()
        descriptor = declaration.encoded()
        register = store.library.fdm_register_replacing if is_replacing else store.library.fdm_register
        check_status(store.library, register(store.pointer, ctypes.byref(descriptor), ctypes.byref(family)))
        assert family.value is not None
        counting = self.registry._declared.get(declaration.name)
        if is_replacing and counting is not None and counting.difference(declaration) is not None:
            # Another thread has declared the name otherwise while this one was on its way: that one counts.
            self._register(counting, True)
        return family.value

    def register_quietly(self) -> bool:
        """Whether the family is registered, trying where it is not; a failure is logged and counted, not raised."""
        if self.handle is not None:
            return True
        if self.registry._attach_quietly() is None:
            return False
        if self.refusal is not None or time.monotonic() < self._retry_at:
            return False
        try:
            self.register()
            return True
        except REFUSALS as error:
            if isinstance(error, (ConflictError, InvalidNameError)):
                self.refuse_for_ever(error)
            else:
                self._retry_at = self.refuse(error)
            return False

    def series(self, values: Sequence[str], worker: int | None = None) -> int:
        """The handle of the series with these label values, made where it was missing.

        worker: of a gauge, for this logical worker instead of this process, by a new handle; see fdm_gauge_of_worker.
        Errors: those of register(), and the classes of fdm_labels's statuses.
        """
        family = self.register()
        library = self.registry._attach().library
        handle = ctypes.c_void_p()
        if worker is None:
            status = library.fdm_labels(family, strings(values), len(values), ctypes.byref(handle))
        else:
            status = library.fdm_gauge_of_worker(family, strings(values), len(values), worker, ctypes.byref(handle))
        check_status(library, status)
        _log.listen(library)
        assert handle.value is not None
        return handle.value

    def refuse(self, error: BaseException) -> float:
        """Counts and logs a failure that no caller is told of. Returns when to try again; see Registry._refuse."""
        is_of_new_series = self.handle is not None and self.descriptor.label_names and isinstance(error, _NO_ROOM)
        consequence = _log.NO_NEW_SERIES if is_of_new_series else _log.NOTHING
        return self.registry._refuse(error, self._what, consequence)

    @property
    def _what(self) -> str:
        return f"metric {self.descriptor.name}"

    @property
    def was_named(self) -> bool:
        """Whether the log's last line about a contradiction is that about this family."""
        return self.registry._refusals.last_named(ConflictError) == self._what

    def refuse_for_ever(self, error: BaseException) -> None:
        """Counts and logs a contradiction, which lasts as long as the store. Nothing is tried again."""
        self.refusal = str(error)
        self.refuse(error)

    @property
    def is_refused(self) -> bool:
        """Whether it contradicts what the store has, or this process, in which another declaration may have taken its
        place: what the store shows under its name is not its own."""
        if self.refusal is not None:
            return True
        # Each scrape asks this of each family.
        descriptor = self.descriptor
        counting = self.registry._declared.get(descriptor.name, descriptor)
        return counting is not descriptor and descriptor.difference(counting) is not None

    def detach(self, is_replacing: bool = False) -> None:
        """Forgets the handle, and what the store has refused, because it is being closed or left; or because the family
        is declared again, to be registered in the place of another one."""
        self.is_replacing = is_replacing
        self._retry_at = 0.0
        self.refusal = None
        # Last: a thread that sees none registers it as it is told to by then.
        self.handle = None
