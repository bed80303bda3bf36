# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A declared metric family: its registration with the store, and the handles of its series."""

from __future__ import annotations

import ctypes
import time
from typing import Optional, Sequence

from . import _log
from ._descriptor import Descriptor, strings
from .errors import REFUSALS, ConflictError, InvalidNameError, NoSpaceError, SeriesLimitError, check_status
from .registry import Registry

# What refuses a new series of a family whose others go on.
_NO_ROOM = (NoSpaceError, SeriesLimitError)


class Family:
    """One family of one registry. Any thread, and fork children, may call any method; none takes a lock."""

    __slots__ = ("_retry_at", "descriptor", "handle", "refusal", "registry")

    def __init__(self, descriptor: Descriptor, registry: Registry) -> None:
        self.descriptor = descriptor
        self.registry = registry
        self._retry_at = 0.0
        #: In which way it contradicts what the store has, or this process; None where it does not.
        self.refusal: Optional[str] = None
        #: The fdm_family, once it is registered.
        self.handle: Optional[int] = None

    def register(self) -> int:
        """Attaches the store and registers the family, each where it was not yet. Returns the fdm_family.

        Errors: those of Store(), and the classes of fdm_register's statuses.
        """
        if self.handle is None:
            store = self.registry._attach()
            family = ctypes.c_void_p()
            descriptor = self.descriptor.encoded()
            is_replacing = self.registry._replaces(self.descriptor)
            register = store.library.fdm_register_replacing if is_replacing else store.library.fdm_register
            check_status(store.library, register(store.pointer, ctypes.byref(descriptor), ctypes.byref(family)))
            if is_replacing:
                self.registry._replacing.discard(self.descriptor.name)
            self.handle = family.value
            # After a move to another store nothing is declared.
            self.registry._declared.setdefault(self.descriptor.name, self.descriptor)
        assert self.handle is not None
        return self.handle

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

    def series(self, values: Sequence[str], worker: Optional[int] = None) -> int:
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
        """Whether it contradicts what the store has, or this process."""
        return self.refusal is not None

    def detach(self) -> None:
        """Forgets the handle, and what the store has refused, because it is being closed or left."""
        self.handle = None
        self._retry_at = 0.0
        self.refusal = None
