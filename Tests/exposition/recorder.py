# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Records into a store through the C interface alone: what the Python package adds takes no part in these tests."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_double, c_size_t, c_uint32, c_void_p
from pathlib import Path
from typing import Any, Optional

COUNTER, GAUGE, HISTOGRAM, SUMMARY, INFO, STATE_SET = range(1, 7)
GAUGE_ALL, GAUGE_SUM, GAUGE_MOST_RECENT = 1, 7, 9
FORMAT_TEXT, FORMAT_OPENMETRICS, FORMAT_PROTOBUF = 1, 2, 3
RENDER_CREATED = 8

Status = ctypes.c_int32


class Options(ctypes.Structure):
    """fdm_options."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("directory", c_char_p),
        ("lanes", c_uint32),
        ("series_limit", c_uint32),
    )


class Descriptor(ctypes.Structure):
    """fdm_descriptor."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("type", c_uint32),
        ("gauge_mode", c_uint32),
        ("name", c_char_p),
        ("help", c_char_p),
        ("unit", c_char_p),
        ("label_names", POINTER(c_char_p)),
        ("label_count", c_size_t),
        ("bounds", POINTER(c_double)),
        ("bound_count", c_size_t),
        ("states", POINTER(c_char_p)),
        ("state_count", c_size_t),
    )


class Text(ctypes.Structure):
    """fdm_string."""

    _fields_ = (("data", c_char_p), ("length", c_size_t))


class Library:
    """The functions that are used here."""

    def __init__(self, path: Path) -> None:
        self.functions = ctypes.CDLL(str(path))

        def declare(name: str, result: Any, *arguments: Any) -> None:
            function = getattr(self.functions, name)
            function.restype = result
            function.argtypes = arguments

        declare("fdm_last_error", c_char_p)
        declare("fdm_store_open", Status, POINTER(Options), POINTER(c_void_p))
        declare("fdm_store_close", Status, c_void_p)
        declare("fdm_register", Status, c_void_p, POINTER(Descriptor), POINTER(c_void_p))
        declare("fdm_labels", Status, c_void_p, POINTER(Text), c_size_t, POINTER(c_void_p))
        declare("fdm_counter_add", Status, c_void_p, c_double)
        declare("fdm_gauge_set", None, c_void_p, c_double)
        declare("fdm_histogram_observe", None, c_void_p, c_double)
        declare("fdm_summary_observe", None, c_void_p, c_double)
        declare("fdm_info_set", Status, c_void_p, POINTER(Text), c_size_t, POINTER(Text), POINTER(Text), c_size_t)
        declare("fdm_state_set", Status, c_void_p, POINTER(Text), c_size_t, c_char_p)
        declare("fdm_render", Status, c_void_p, c_uint32, c_uint32, POINTER(c_void_p), POINTER(c_size_t))
        declare("fdm_free", None, c_void_p)

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function that returns a status, which must be FDM_OK."""
        status = getattr(self.functions, name)(*arguments)
        assert status == 0, f"{name}: {status}: {self.functions.fdm_last_error().decode()}"


def texts(values: Sequence[bytes]) -> Any:
    """An array of fdm_string. It keeps the bytes."""
    return (Text * len(values))(*[Text(value, len(value)) for value in values])


def strings(values: Sequence[str]) -> Any:
    """An array of C strings."""
    return (c_char_p * len(values))(*[value.encode() for value in values])


class Recorder:
    """One store, and what is recorded into it."""

    def __init__(self, library: Library, directory: Path) -> None:
        self.library = library
        self.functions = library.functions
        self.store = c_void_p()
        options = Options(ctypes.sizeof(Options), bytes(directory), 4, 1 << 20)
        library.call("fdm_store_open", ctypes.byref(options), ctypes.byref(self.store))

    def close(self) -> None:
        """Detaches the store."""
        self.library.call("fdm_store_close", self.store)

    def family(
        self,
        kind: int,
        name: str,
        help: str,
        labels: Sequence[str] = (),
        *,
        mode: int = 0,
        bounds: Sequence[float] = (),
        states: Sequence[str] = (),
        unit: Optional[str] = None,
    ) -> c_void_p:
        """Registers a family."""
        family = c_void_p()
        descriptor = Descriptor(
            ctypes.sizeof(Descriptor),
            kind,
            mode,
            name.encode(),
            help.encode(),
            unit.encode() if unit else None,
            strings(labels),
            len(labels),
            (c_double * len(bounds))(*bounds),
            len(bounds),
            strings(states),
            len(states),
        )
        self.library.call("fdm_register", self.store, ctypes.byref(descriptor), ctypes.byref(family))
        return family

    def series(self, family: c_void_p, values: Sequence[bytes]) -> c_void_p:
        """The handle of a series."""
        handle = c_void_p()
        self.library.call("fdm_labels", family, texts(values), len(values), ctypes.byref(handle))
        return handle

    def record(self, kind: int, handle: c_void_p, value: float) -> None:
        """Adds to a counter, sets a gauge, or observes."""
        if kind == COUNTER:
            self.library.call("fdm_counter_add", handle, value)
        elif kind == GAUGE:
            self.functions.fdm_gauge_set(handle, value)
        elif kind == HISTOGRAM:
            self.functions.fdm_histogram_observe(handle, value)
        else:
            self.functions.fdm_summary_observe(handle, value)

    def set_info(self, family: c_void_p, values: Sequence[bytes], shown: Sequence[tuple[str, bytes]]) -> None:
        """Shows texts."""
        keys = texts([key.encode() for key, _ in shown])
        self.library.call(
            "fdm_info_set", family, texts(values), len(values), keys, texts([text for _, text in shown]), len(shown)
        )

    def set_state(self, family: c_void_p, values: Sequence[bytes], state: str) -> None:
        """Turns a state on."""
        self.library.call("fdm_state_set", family, texts(values), len(values), state.encode())

    def render(self, format: int = FORMAT_TEXT, options: int = 0) -> str:
        """The whole text, which must be UTF-8."""
        return self.render_bytes(format, options).decode("utf-8", "strict")

    def render_bytes(self, format: int, options: int = 0) -> bytes:
        """The whole exposition."""
        text, length = c_void_p(), c_size_t()
        self.library.call("fdm_render", self.store, format, options, ctypes.byref(text), ctypes.byref(length))
        try:
            return ctypes.string_at(text, length.value)
        finally:
            self.functions.fdm_free(text)
