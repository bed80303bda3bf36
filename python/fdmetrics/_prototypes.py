# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What ctypes must know of the functions and structures of fdmetrics.h, and nothing else.

Here are those that most processes use; the others are in _rare_prototypes, which is imported when one of them is. A
test compares both with the header, so that a wrong or missing line cannot go unnoticed.
"""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

c_status = ctypes.c_int32
c_handle = ctypes.c_void_p


class Options(ctypes.Structure):
    """fdm_options."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("directory", ctypes.c_char_p),
        ("lanes", ctypes.c_uint32),
        ("series_limit", ctypes.c_uint32),
    ]


class Descriptor(ctypes.Structure):
    """fdm_descriptor."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("type", ctypes.c_uint32),
        ("gauge_mode", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        ("help", ctypes.c_char_p),
        ("unit", ctypes.c_char_p),
        ("label_names", ctypes.POINTER(ctypes.c_char_p)),
        ("label_count", ctypes.c_size_t),
        ("bounds", ctypes.POINTER(ctypes.c_double)),
        ("bound_count", ctypes.c_size_t),
        ("states", ctypes.POINTER(ctypes.c_char_p)),
        ("state_count", ctypes.c_size_t),
    ]


class String(ctypes.Structure):
    """fdm_string."""

    _fields_ = [("data", ctypes.c_char_p), ("length", ctypes.c_size_t)]


class Prototype:
    """One function: its types, and whether a call keeps the interpreter lock.

    Keeping it is right for a call of a few nanoseconds, where releasing it would cost more than the call. Whatever may
    call the kernel or take longer releases it.
    """

    __slots__ = ("arguments", "keeps_lock", "result")

    def __init__(self, result: Any, arguments: tuple[Any, ...], keeps_lock: bool) -> None:
        self.result = result
        self.arguments = arguments
        self.keeps_lock = keeps_lock


def quick(result: Any, *arguments: Any) -> Prototype:
    return Prototype(result, arguments, True)


def slow(result: Any, *arguments: Any) -> Prototype:
    return Prototype(result, arguments, False)


out_handle = ctypes.POINTER(c_handle)
strings = ctypes.POINTER(String)
c_strings = ctypes.POINTER(ctypes.c_char_p)
out_u64 = ctypes.POINTER(ctypes.c_uint64)
out_double = ctypes.POINTER(ctypes.c_double)
size = ctypes.c_size_t
u32 = ctypes.c_uint32
u64 = ctypes.c_uint64
double = ctypes.c_double
text = ctypes.c_char_p
objects = ctypes.POINTER(ctypes.c_void_p)
# Builtins: see _builtins. ctypes never calls them itself.
builtin = quick(c_handle, c_handle, objects, ctypes.c_ssize_t)
keyword_builtin = quick(c_handle, c_handle, objects, ctypes.c_ssize_t, c_handle)

PROTOTYPES: dict[str, Prototype] = {
    "fdm_strerror": quick(text, c_status),
    "fdm_last_error": quick(text),
    "fdm_version": quick(text),
    "fdm_abi_version": quick(u32),
    "fdm_keep_notices": quick(None, u32),
    "fdm_take_notice": quick(size, ctypes.c_char_p, size),
    "fdm_store_open": slow(c_status, ctypes.POINTER(Options), out_handle),
    "fdm_store_default": slow(c_status, out_handle),
    "fdm_store_close": slow(c_status, c_handle),
    "fdm_store_path": quick(text, c_handle),
    "fdm_default_directory": slow(text),
    "fdm_plan_directory": slow(text),
    "fdm_store_join": slow(c_status, c_handle, ctypes.POINTER(u32)),
    "fdm_store_removals": quick(out_u64, c_handle),
    "fdm_register": slow(c_status, c_handle, ctypes.POINTER(Descriptor), out_handle),
    "fdm_register_replacing": slow(c_status, c_handle, ctypes.POINTER(Descriptor), out_handle),
    "fdm_labels": slow(c_status, c_handle, strings, size, out_handle),
    "fdm_remove": slow(c_status, c_handle, strings, size),
    "fdm_clear": slow(c_status, c_handle),
    "fdm_counter_labels": slow(c_status, c_handle, c_strings, size, out_handle),
    "fdm_gauge_labels": slow(c_status, c_handle, c_strings, size, out_handle),
    "fdm_histogram_labels": slow(c_status, c_handle, c_strings, size, out_handle),
    "fdm_summary_labels": slow(c_status, c_handle, c_strings, size, out_handle),
    "fdm_counter_inc": quick(None, c_handle),
    "fdm_counter_add": quick(c_status, c_handle, double),
    "fdm_counter_add_u64": quick(None, c_handle, u64),
    "fdm_counter_value": quick(double, c_handle),
    "fdm_gauge_set": quick(None, c_handle, double),
    "fdm_gauge_set_at": quick(None, c_handle, double, double),
    "fdm_gauge_add": quick(c_status, c_handle, double),
    "fdm_gauge_inc": quick(None, c_handle),
    "fdm_gauge_dec": quick(None, c_handle),
    "fdm_gauge_value": quick(double, c_handle),
    "fdm_histogram_observe": quick(None, c_handle, double),
    "fdm_histogram_value": quick(None, c_handle, out_u64, out_double),
    "fdm_summary_observe": quick(None, c_handle, double),
    "fdm_summary_value": quick(None, c_handle, out_u64, out_double),
    "fdm_render": slow(c_status, c_handle, u32, u32, out_handle, ctypes.POINTER(size)),
    "fdm_free": slow(None, c_handle),
    "fdm_py_prepare": quick(c_status),
    "fdm_py_counter_inc": keyword_builtin,
    "fdm_py_gauge_set": keyword_builtin,
    "fdm_py_gauge_inc": keyword_builtin,
    "fdm_py_gauge_dec": keyword_builtin,
    "fdm_py_histogram_observe": keyword_builtin,
    "fdm_py_summary_observe": keyword_builtin,
    "fdm_py_labels": keyword_builtin,
}
