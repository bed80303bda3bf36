# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a scraper asks for: which format, which names, compressed or not. Imported by who serves or asks for it."""

from __future__ import annotations

import ctypes
from typing import Collection, Iterable, NamedTuple

from . import _constants as c
from . import _library
from ._rare_prototypes import Scrape
from .errors import InvalidArgumentError, check_status

#: The formats by their names.
FORMATS = {
    "text": c.FDM_FORMAT_TEXT,
    "openmetrics": c.FDM_FORMAT_OPENMETRICS,
    "protobuf": c.FDM_FORMAT_PROTOBUF,
}
#: The ways of escaping names, by Prometheus's words for them.
ESCAPINGS = {
    "underscores": c.FDM_RENDER_ESCAPE_UNDERSCORES,
    "dots": c.FDM_RENDER_ESCAPE_DOTS,
    "values": c.FDM_RENDER_ESCAPE_VALUES,
    "allow-utf-8": c.FDM_RENDER_ALLOW_UTF8,
}


class Asked(NamedTuple):
    """What suits a scraper's headers best."""

    #: A key of FORMATS.
    format: str
    #: A key of ESCAPINGS.
    escaping: str
    #: The answer's Content-Type.
    content_type: str
    #: Whether the answer is to be compressed.
    is_gzipped: bool


def negotiate(accept: str, accept_encoding: str) -> Asked:
    """What to answer to the headers Accept and Accept-Encoding, whatever they hold. Errors: LibraryError."""
    library = _library.load()
    asked = Scrape(ctypes.sizeof(Scrape))
    status = library.fdm_negotiate(_header(accept), _header(accept_encoding), ctypes.byref(asked))
    check_status(library, status)
    return Asked(
        _key(FORMATS, asked.format),
        _key(ESCAPINGS, asked.options),
        asked.content_type.decode(),
        bool(asked.is_gzipped),
    )


def scrape(format: str, escaping: str, options: int, names: Collection[str]) -> Scrape:
    """A structure for the library. Errors: InvalidArgumentError."""
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise InvalidArgumentError(f"names is {names!r}: give a list of names")
    asked = Scrape(ctypes.sizeof(Scrape))
    asked.format = _value(FORMATS, "format", format)
    asked.options = options | _value(ESCAPINGS, "escaping", escaping)
    # A C string ends at a zero, which no name has; so what is asked for is still not there.
    encoded = [name.replace("\0", "\ufffd").encode("utf-8", "replace") for name in names]
    asked.names = (ctypes.c_char_p * len(encoded))(*encoded)
    asked.name_count = len(encoded)
    return asked


def _header(value: str) -> bytes:
    return value.replace("\0", " ").encode("utf-8", "replace")


def _value(table: dict[str, int], what: str, key: str) -> int:
    if key not in table:
        raise InvalidArgumentError(f"{what} is {key!r}: give one of {', '.join(map(repr, table))}")
    return table[key]


def _key(table: dict[str, int], value: int) -> str:
    return next(key for key, known in table.items() if known == value)
