# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a store's exposition says about ZeroMQ links."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

PREFIX = "fastdeploy:zmq:"
_SAMPLE = re.compile(r"^" + PREFIX + r"(\w+)\{address=\"([^\"]*)\"(?:,le=\"([^\"]*)\")?\} (\S+)$", re.MULTILINE)


class Exposition:
    """The samples of one rendering, from a process that only reads the store."""

    def __init__(self, library: Path, directory: Path) -> None:
        loaded = ctypes.CDLL(str(library))
        arguments = [ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]
        loaded.fdm_render_directory.argtypes = arguments
        loaded.fdm_last_error.restype = ctypes.c_char_p
        loaded.fdm_free.argtypes = [ctypes.c_void_p]
        text = ctypes.c_void_p()
        length = ctypes.c_size_t()
        status = loaded.fdm_render_directory(str(directory).encode(), 1, 0, ctypes.byref(text), ctypes.byref(length))
        assert status == 0, f"fdm_render_directory({directory}) gave {status}: {loaded.fdm_last_error().decode()}"
        self.text = ctypes.string_at(text.value or 0, length.value).decode()
        loaded.fdm_free(text)
        self._samples = [(name, address, le, float(value)) for name, address, le, value in _SAMPLE.findall(self.text)]

    def total(self, name: str, address: str | None = None) -> float:
        """The sum of a family's samples, over all addresses or of one; an absent series is 0."""
        return sum(value for each, at, _, value in self._samples if each == name and address in (None, at))

    def addresses(self) -> set[str]:
        """The addresses of all links."""
        return {address for _, address, _, _ in self._samples}

    def latencies_at_most(self, milliseconds: float) -> float:
        """How many latencies are in the buckets up to the first bound that is not below this."""
        bounds = {float(le) for name, _, le, _ in self._samples if name == "latency_bucket"}
        bound = min(each for each in bounds if each >= milliseconds)
        return sum(value for name, _, le, value in self._samples if name == "latency_bucket" and float(le) == bound)
