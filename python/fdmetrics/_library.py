# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Finds and loads libfdmetrics.so, once a process, at the first use of it."""

from __future__ import annotations

import ctypes
import os

from . import _variables
from ._constants import FDM_ABI_MAJOR, FDM_ABI_MINOR
from ._prototypes import PROTOTYPES, Prototype
from .errors import LibraryError, check_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
            raise LibraryError(f"{path} cannot be loaded: {error}. {_advice()}") from None
        self.path = path
        self._keeps_lock = keeps_lock
        self._releases_lock = releases_lock
        self._check_abi()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A function, looked up at its first use: a process uses few of them. Errors: LibraryError."""
        prototype = _prototype(name)
        try:
            function = getattr(self._keeps_lock if prototype.keeps_lock else self._releases_lock, name)
        except AttributeError:
            raise LibraryError(
                f"{self.path} has no function {name}: it is not libfdmetrics.so, or an older one than this package "
                f"needs (ABI {FDM_ABI_MAJOR}.{FDM_ABI_MINOR})."
            ) from None
        function.restype = prototype.result
        function.argtypes = prototype.arguments
        setattr(self, name, function)
        made: Callable[..., Any] = function
        return made

    def _check_abi(self) -> None:
        version = self.fdm_abi_version()
        major, minor = version >> 16, version & 0xFFFF
        if major != FDM_ABI_MAJOR or minor < FDM_ABI_MINOR:
            raise LibraryError(
                f"{self.path} has ABI {major}.{minor}, this package needs {FDM_ABI_MAJOR}.{FDM_ABI_MINOR} or a later "
                f"minor version: install a matching library, or correct {VARIABLE}."
            )


def text_of(library: Library, call: Callable[..., int], *arguments: Any) -> bytes:
    """What a function gives that hands over a text and its length by its last two arguments. Errors: the function's."""
    text, length = ctypes.c_void_p(), ctypes.c_size_t()
    check_status(library, call(*arguments, ctypes.byref(text), ctypes.byref(length)))
    try:
        return ctypes.string_at(text.value, length.value) if text.value else b""
    finally:
        library.fdm_free(text)


def _prototype(name: str) -> Prototype:
    prototype = PROTOTYPES.get(name)
    if prototype is None and name.startswith("fdm_"):
        try:
            from . import _rare_prototypes

            prototype = _rare_prototypes.PROTOTYPES.get(name)
        except (AttributeError, ImportError, OSError) as error:
            # No descriptor is left; or a signal handler has interrupted the import and gets half of the module.
            raise LibraryError(f"The prototype of {name} cannot be imported: {error}. It is tried again.") from None
    if prototype is None:
        raise AttributeError(f"fdmetrics.h has no function {name}")
    return prototype


def import_rare_prototypes() -> None:
    """Imports what declares the functions that few processes use, for who declares a metric that will use them.

    Recording then imports nothing. Where it fails, it is tried again at the first use.
    """
    try:  # noqa: SIM105
        from . import _rare_prototypes  # noqa: F401
    except (ImportError, OSError):
        pass


def _advice() -> str:
    """What to do where the library was not found."""
    archive = getattr(__spec__.loader, "archive", None)
    if archive is None:
        return f"Install fdmetrics with its library, or set {VARIABLE} to the path of libfdmetrics.so."
    return (
        f"fdmetrics is imported out of the zip file {archive}, from which no library can be loaded: leave fdmetrics "
        f"out of it and install it where the file is run (pip install fdmetrics), or set {VARIABLE} to the path of "
        "a libfdmetrics.so beside it."
    )


def find() -> str:
    """Where the library is: FDMETRICS_LIBRARY, else beside this file, else left to the dynamic linker."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return chosen
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libfdmetrics.so")
    return beside if os.path.exists(beside) else "libfdmetrics.so"


_loaded: Library | None = None

#: Turns names of any UTF-8 on where it is 1, unless the program has called allow_utf8_names.
UTF8_NAMES = "FDMETRICS_UTF8_NAMES"
_utf8_names: bool | None = None
_other_utf8_names = False


def allow_utf8_names(allowed: bool = True) -> None:
    """Whether this process may register metric and label names of any UTF-8, as Prometheus 3 takes them.

    Off by default, unless the environment has FDMETRICS_UTF8_NAMES=1: a scraper that does not ask for such names gets
    them escaped, http.requests as http_requests. Call it before such a metric is declared. Errors: none.
    """
    global _utf8_names
    _utf8_names = bool(allowed)
    if _loaded is not None:
        _loaded.fdm_allow_utf8_names(_utf8_names or _other_utf8_names)


def utf8_names_are_allowed() -> bool:
    """What allow_utf8_names has said, else the environment."""
    if _utf8_names is None:
        return _variables.is_on(UTF8_NAMES, "names are of the classic character set")
    return _utf8_names


def take_utf8_names() -> None:
    """Has the library take names of any UTF-8, for metrics whose names are checked by other rules than fdmetrics' own.

    utf8_names_are_allowed() is what it was.
    """
    global _other_utf8_names
    _other_utf8_names = True
    if _loaded is not None:
        _loaded.fdm_allow_utf8_names(True)


def load() -> Library:
    """The library of this process, loaded at the first call; after an error the next call tries again.

    Takes no lock: two threads that load at once get two equal objects over one mapping. Errors: LibraryError.
    """
    global _loaded
    if _loaded is None:
        library = Library(find())
        # For logging, at the places that call _log.
        library.fdm_keep_notices(1)
        # It has read the environment of the program's start; os.environ may have changed since.
        if utf8_names_are_allowed() or _other_utf8_names:
            library.fdm_allow_utf8_names(True)
        _loaded = library
    return _loaded


def loaded() -> Library | None:
    """The library, if it was loaded already."""
    return _loaded
