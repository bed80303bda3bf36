# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Finds and loads libfdmetrics.so, once a process, at the first use of it."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any, Callable, Optional

from ._constants import FDM_ABI_MAJOR, FDM_ABI_MINOR
from ._prototypes import PROTOTYPES
from .errors import LibraryError

#: The environment variable that names the library's file and goes before everything else.
VARIABLE = "FDMETRICS_LIBRARY"


class Library:
    """The functions of one loaded libfdmetrics.so as attributes, with their prototypes set.

    Each function comes from a ctypes.PyDLL, which keeps the interpreter lock, or from a ctypes.CDLL, which releases
    it, as its prototype says. Safe to use from any thread and in fork children.
    """

    def __init__(self, path: str) -> None:
        """Loads the library of a path, or of a bare name that the dynamic linker looks for. Errors: LibraryError."""
        try:
            keeps_lock: ctypes.CDLL = ctypes.PyDLL(path)
            releases_lock = ctypes.CDLL(path)
        except OSError as error:
            raise LibraryError(
                f"{path} cannot be loaded: {error}. Install fdmetrics with its library, or set {VARIABLE} to the "
                "path of libfdmetrics.so."
            ) from None
        self.path = path
        for name, prototype in PROTOTYPES.items():
            try:
                function = getattr(keeps_lock if prototype.keeps_lock else releases_lock, name)
            except AttributeError:
                raise LibraryError(
                    f"{path} has no function {name}: it is not libfdmetrics.so, or an older one than this package "
                    f"needs (ABI {FDM_ABI_MAJOR}.{FDM_ABI_MINOR})."
                ) from None
            function.restype = prototype.result
            function.argtypes = prototype.arguments
            setattr(self, name, function)
        self._check_abi()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    def _check_abi(self) -> None:
        version = self.fdm_abi_version()
        major, minor = version >> 16, version & 0xFFFF
        if major != FDM_ABI_MAJOR or minor < FDM_ABI_MINOR:
            raise LibraryError(
                f"{self.path} has ABI {major}.{minor}, this package needs {FDM_ABI_MAJOR}.{FDM_ABI_MINOR} or a later "
                f"minor version: install a matching library, or correct {VARIABLE}."
            )


def find() -> str:
    """Where the library is: FDMETRICS_LIBRARY, else beside this file, else left to the dynamic linker."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return chosen
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libfdmetrics.so")
    return beside if os.path.exists(beside) else "libfdmetrics.so"


_loaded: Optional[Library] = None


def load() -> Library:
    """The library of this process, loaded at the first call; after an error the next call tries again.

    Takes no lock: two threads that load at once get two equal objects over one mapping. Errors: LibraryError.
    """
    global _loaded
    if _loaded is None:
        _loaded = Library(find())
    return _loaded
