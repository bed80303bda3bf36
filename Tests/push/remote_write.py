# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Reads remote write: snappy by python-snappy, protobuf by its wire format, without the code that is tested."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import snappy

STALE = 0x7FF0000000000002


@dataclass(frozen=True)
class Sample:
    """A sample of a time series."""

    #: In the order that they came.
    labels: tuple[tuple[str, str], ...]
    value: float
    bits: int
    timestamp: int

    @property
    def is_stale(self) -> bool:
        """Whether it says that the series has ended."""
        return self.bits == STALE

    def __getitem__(self, name: str) -> str:
        return dict(self.labels).get(name, "")


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The numbers and values of a message's fields."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 1:
            yield tag >> 3, data[position : position + 8]
            position += 8
        else:
            assert tag & 7 == 2, f"a field of wire type {tag & 7}"
            length = varint()
            yield tag >> 3, data[position : position + length]
            position += length


def samples(body: bytes) -> list[Sample]:
    """The samples of a WriteRequest, in their order."""
    found = []
    for number, series in fields(snappy.uncompress(body)):
        if number != 1:
            continue
        labels = []
        values = []
        for part, content in fields(series):
            if part == 1:
                pair = dict(fields(content))
                labels.append((pair.get(1, b"").decode(), pair.get(2, b"").decode()))
            else:
                values.append(dict(fields(content)))
        for value in values:
            raw = value.get(1, bytes(8))
            found.append(
                Sample(tuple(labels), struct.unpack("<d", raw)[0], struct.unpack("<Q", raw)[0], value.get(2, 0))
            )
    return found


def metadata(body: bytes) -> dict[str, tuple[int, str, str]]:
    """Types, help texts and units of a WriteRequest, by family."""
    found = {}
    for number, content in fields(snappy.uncompress(body)):
        if number == 3:
            entry = dict(fields(content))
            found[entry[2].decode()] = (entry.get(1, 0), entry.get(4, b"").decode(), entry.get(5, b"").decode())
    return found
