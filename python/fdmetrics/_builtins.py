# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Builtins of CPython made from functions of libfdmetrics.so, with no compiler and no extension module.

A call of one costs no Python frame and no conversion of arguments, a tenth of a call through ctypes. There are none
where the process is not CPython, and where FDMETRICS_PURE_CTYPES is set to 1: what needs them then calls the plain
functions through ctypes, with the same results and the same exceptions.
"""

from __future__ import annotations

import ctypes
import sys

from . import _constants as c
from . import _variables
from ._library import Library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: The environment variable that turns builtins off when it is 1.
VARIABLE = "FDMETRICS_PURE_CTYPES"

_METH_FASTCALL = 0x0080
_METH_KEYWORDS = 0x0002


class _PyMethodDef(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


# A builtin points to its definition, so each lives for ever; there are at most as many as functions fdm_py_*.
_definitions: dict[int, _PyMethodDef] = {}


def available(library: Library) -> bool:
    """Whether this process can make builtins."""
    if not hasattr(getattr(ctypes, "pythonapi", None), "PyCFunction_NewEx"):
        return False
    if _variables.is_on(VARIABLE, "builtins are used"):
        return False
    return bool(library.fdm_py_prepare() == c.FDM_OK)


def make(library: Library, function: str, self: int | tuple[Any, ...], doc: str) -> Callable[..., Any]:
    """A builtin that calls a function fdm_py_* for a handle, or for a tuple where it takes that.

    doc begins with its name and its arguments. Only where `available`. The handle is not kept alive: a builtin must not
    be called after its store was closed.
    """
    pointer = getattr(library, function)
    address = ctypes.cast(pointer, ctypes.c_void_p).value
    assert address is not None
    definition = _definitions.get(address)
    if definition is None:
        # A function of four parameters takes the names of keyword arguments.
        flags = _METH_FASTCALL | (_METH_KEYWORDS if len(pointer.argtypes) == 4 else 0)
        made = _PyMethodDef(doc.partition("(")[0].encode(), address, flags, doc.encode())
        # Of two threads that get here at once, both use the one that is kept.
        definition = _definitions.setdefault(address, made)
    if isinstance(self, int):
        bound: object = self.to_bytes(ctypes.sizeof(ctypes.c_void_p), sys.byteorder)
    else:
        bound = self
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype = ctypes.py_object
    new.argtypes = (ctypes.POINTER(_PyMethodDef), ctypes.py_object, ctypes.c_void_p)
    builtin: Callable[..., Any] = new(ctypes.byref(definition), bound, None)
    return builtin
