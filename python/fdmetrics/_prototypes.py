# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What ctypes must know of every function and structure of fdmetrics.h, and nothing else.

A test compares this table with the header, so that a wrong or missing line cannot go unnoticed.
"""

from __future__ import annotations

import ctypes
from typing import Any, Dict, NamedTuple, Tuple

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


class StatisticsNumbers(ctypes.Structure):
    """fdm_statistics."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("segments", ctypes.c_uint64),
        ("families", ctypes.c_uint64),
        ("series", ctypes.c_uint64),
        ("removed_series", ctypes.c_uint64),
        ("gauge_instances", ctypes.c_uint64),
        ("damaged_records", ctypes.c_uint64),
        ("live_processes", ctypes.c_uint64),
        ("bytes_reserved", ctypes.c_uint64),
        ("dropped_no_space", ctypes.c_uint64),
        ("dropped_series_limit", ctypes.c_uint64),
        ("conflicts", ctypes.c_uint64),
    ]


class Prototype(NamedTuple):
    """One function: its types, and whether a call keeps the interpreter lock.

    Keeping it is right for a call of a few nanoseconds, where releasing it would cost more than the call. Whatever may
    call the kernel or take longer releases it.
    """

    result: Any
    arguments: Tuple[Any, ...]
    keeps_lock: bool


def _quick(result: Any, *arguments: Any) -> Prototype:
    return Prototype(result, arguments, True)


def _slow(result: Any, *arguments: Any) -> Prototype:
    return Prototype(result, arguments, False)


_out_handle = ctypes.POINTER(c_handle)
_strings = ctypes.POINTER(String)
_c_strings = ctypes.POINTER(ctypes.c_char_p)
_out_u64 = ctypes.POINTER(ctypes.c_uint64)
_out_double = ctypes.POINTER(ctypes.c_double)
_size = ctypes.c_size_t
_u32 = ctypes.c_uint32
_u64 = ctypes.c_uint64
_double = ctypes.c_double
_text = ctypes.c_char_p
_objects = ctypes.POINTER(ctypes.c_void_p)
# Builtins: see _builtins. ctypes never calls them itself.
_builtin = _quick(c_handle, c_handle, _objects, ctypes.c_ssize_t)
_keyword_builtin = _quick(c_handle, c_handle, _objects, ctypes.c_ssize_t, c_handle)

PROTOTYPES: Dict[str, Prototype] = {
    "fdm_strerror": _quick(_text, c_status),
    "fdm_last_error": _quick(_text),
    "fdm_version": _quick(_text),
    "fdm_abi_version": _quick(_u32),
    "fdm_store_open": _slow(c_status, ctypes.POINTER(Options), _out_handle),
    "fdm_store_default": _slow(c_status, _out_handle),
    "fdm_store_close": _slow(c_status, c_handle),
    "fdm_store_path": _quick(_text, c_handle),
    "fdm_default_directory": _slow(_text),
    "fdm_plan_directory": _slow(_text),
    "fdm_store_join": _slow(c_status, c_handle, ctypes.POINTER(_u32)),
    "fdm_store_statistics": _slow(c_status, c_handle, ctypes.POINTER(StatisticsNumbers)),
    "fdm_store_removals": _quick(_out_u64, c_handle),
    "fdm_register": _slow(c_status, c_handle, ctypes.POINTER(Descriptor), _out_handle),
    "fdm_labels": _slow(c_status, c_handle, _strings, _size, _out_handle),
    "fdm_remove": _slow(c_status, c_handle, _strings, _size),
    "fdm_clear": _slow(c_status, c_handle),
    "fdm_counter_labels": _slow(c_status, c_handle, _c_strings, _size, _out_handle),
    "fdm_gauge_labels": _slow(c_status, c_handle, _c_strings, _size, _out_handle),
    "fdm_histogram_labels": _slow(c_status, c_handle, _c_strings, _size, _out_handle),
    "fdm_summary_labels": _slow(c_status, c_handle, _c_strings, _size, _out_handle),
    "fdm_counter_inc": _quick(None, c_handle),
    "fdm_counter_add": _quick(c_status, c_handle, _double),
    "fdm_counter_add_u64": _quick(None, c_handle, _u64),
    "fdm_counter_value": _quick(_double, c_handle),
    "fdm_gauge_set": _quick(None, c_handle, _double),
    "fdm_gauge_set_at": _quick(None, c_handle, _double, _double),
    "fdm_gauge_add": _quick(c_status, c_handle, _double),
    "fdm_gauge_inc": _quick(None, c_handle),
    "fdm_gauge_dec": _quick(None, c_handle),
    "fdm_gauge_value": _quick(_double, c_handle),
    "fdm_gauge_of_worker": _slow(c_status, c_handle, _strings, _size, _u32, _out_handle),
    "fdm_worker_ended": _slow(c_status, c_handle, _u32),
    "fdm_histogram_observe": _quick(None, c_handle, _double),
    "fdm_histogram_value": _quick(None, c_handle, _out_u64, _out_double),
    "fdm_summary_observe": _quick(None, c_handle, _double),
    "fdm_summary_value": _quick(None, c_handle, _out_u64, _out_double),
    "fdm_info_set": _slow(c_status, c_handle, _strings, _size, _strings, _strings, _size),
    "fdm_state_set": _slow(c_status, c_handle, _strings, _size, _text),
    "fdm_render": _slow(c_status, c_handle, _u32, _u32, _out_handle, ctypes.POINTER(_size)),
    "fdm_render_directory": _slow(c_status, _text, _u32, _u32, _out_handle, ctypes.POINTER(_size)),
    "fdm_free": _slow(None, c_handle),
    "fdm_content_type": _quick(_text, _u32),
    "fdm_zmq_link_open": _slow(c_status, c_handle, _text, _text, _out_handle),
    "fdm_zmq_sent": _quick(None, c_handle, _u64),
    "fdm_zmq_send_failed": _quick(None, c_handle),
    "fdm_zmq_received": _quick(None, c_handle, _u64),
    "fdm_zmq_received_stamped": _quick(None, c_handle, _u64, _double),
    "fdm_zmq_now": _quick(_double),
    "fdm_zmq_send_blocked": _quick(None, c_handle, _double),
    "fdm_zmq_received_trailer": _quick(None, c_handle, _u64, c_handle),
    "fdm_zmq_receive_failed": _quick(None, c_handle),
    "fdm_zmq_write_trailer": _quick(None, c_handle),
    "fdm_zmq_is_trailer": _quick(ctypes.c_int, c_handle, _size),
    "fdm_zmq_clock_domain": _quick(_u64),
    "fdm_zmq_link_watch": _slow(c_status, c_handle),
    "fdm_zmq_connection_event": _quick(None, c_handle, _u32),
    "fdm_py_prepare": _quick(c_status),
    "fdm_py_counter_inc": _keyword_builtin,
    "fdm_py_gauge_set": _keyword_builtin,
    "fdm_py_gauge_inc": _keyword_builtin,
    "fdm_py_gauge_dec": _keyword_builtin,
    "fdm_py_histogram_observe": _keyword_builtin,
    "fdm_py_summary_observe": _keyword_builtin,
    "fdm_py_labels": _keyword_builtin,
    "fdm_py_zmq_sent": _builtin,
    "fdm_py_zmq_send_failed": _builtin,
    "fdm_py_zmq_received": _builtin,
    "fdm_py_zmq_received_stamped": _builtin,
    "fdm_py_zmq_received_trailer": _builtin,
    "fdm_py_zmq_trailer": _builtin,
}
