# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The functions and structures of fdmetrics.h that a process which only counts does not use; see _prototypes."""

from __future__ import annotations

import ctypes

from ._prototypes import (
    Prototype,
    builtin,
    c_handle,
    c_status,
    double,
    out_handle,
    out_u64,
    quick,
    size,
    slow,
    strings,
    text,
    u32,
    u64,
)


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


class Scrape(ctypes.Structure):
    """fdm_scrape."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("format", ctypes.c_uint32),
        ("options", ctypes.c_uint32),
        ("content_type", ctypes.c_char_p),
        ("is_gzipped", ctypes.c_uint32),
        ("name_count", ctypes.c_uint32),
        ("names", ctypes.POINTER(ctypes.c_char_p)),
    ]


PROTOTYPES: dict[str, Prototype] = {
    "fdm_allow_utf8_names": quick(None, u32),
    "fdm_negotiate": quick(c_status, text, text, ctypes.POINTER(Scrape)),
    "fdm_render_scrape": slow(c_status, c_handle, ctypes.POINTER(Scrape), out_handle, ctypes.POINTER(size)),
    "fdm_render_directory_scrape": slow(c_status, text, ctypes.POINTER(Scrape), out_handle, ctypes.POINTER(size)),
    "fdm_set_process_name": slow(c_status, text),
    "fdm_store_statistics": slow(c_status, c_handle, ctypes.POINTER(StatisticsNumbers)),
    "fdm_gauge_of_worker": slow(c_status, c_handle, strings, size, u32, out_handle),
    "fdm_worker_ended": slow(c_status, c_handle, u32),
    "fdm_info_set": slow(c_status, c_handle, strings, size, strings, strings, size),
    "fdm_state_set": slow(c_status, c_handle, strings, size, text),
    "fdm_render_directory": slow(c_status, text, u32, u32, out_handle, ctypes.POINTER(size)),
    "fdm_dump_directory": slow(c_status, text, u32, out_handle, ctypes.POINTER(size)),
    "fdm_check_directory": slow(c_status, text, u32, out_u64, out_handle, ctypes.POINTER(size)),
    "fdm_content_type": quick(text, u32),
    "fdm_zmq_link_open": slow(c_status, c_handle, text, text, out_handle),
    "fdm_zmq_sent": quick(None, c_handle, u64),
    "fdm_zmq_send_failed": quick(None, c_handle),
    "fdm_zmq_received": quick(None, c_handle, u64),
    "fdm_zmq_received_stamped": quick(None, c_handle, u64, double),
    "fdm_zmq_now": quick(double),
    "fdm_zmq_send_blocked": quick(None, c_handle, double),
    "fdm_zmq_received_trailer": quick(None, c_handle, u64, c_handle),
    "fdm_zmq_receive_failed": quick(None, c_handle),
    "fdm_zmq_write_trailer": quick(None, c_handle),
    "fdm_zmq_is_trailer": quick(ctypes.c_int, c_handle, size),
    "fdm_zmq_clock_domain": quick(u64),
    "fdm_zmq_link_watch": slow(c_status, c_handle),
    "fdm_zmq_connection_event": quick(None, c_handle, u32),
    "fdm_py_zmq_sent": builtin,
    "fdm_py_zmq_send_failed": builtin,
    "fdm_py_zmq_received": builtin,
    "fdm_py_zmq_received_stamped": builtin,
    "fdm_py_zmq_received_trailer": builtin,
    "fdm_py_zmq_trailer": builtin,
}
