# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The bytes of a segment file, to be damaged and put right again."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class SegmentFile:
    """Segment 0 of a store that nobody writes to, with what a dump says of it."""

    def __init__(self, path: Path, dump: Any) -> None:
        self.path = path
        self.store = path.parent
        self.dump = dump
        self.layout: dict[str, int] = dump["segments"][0]
        self._before: list[tuple[int, bytes]] = []

    def read(self, offset: int, size: int = 8) -> int:
        """A number of the file."""
        with self.path.open("rb") as file:
            file.seek(offset)
            return int.from_bytes(file.read(size), "little")

    def write(self, offset: int, value: int, size: int = 8) -> None:
        """Replaces a number of the file."""
        assert self.read(offset, size) != value, f"the {size} bytes at {offset} are {value} already: no damage"
        self._before.append((offset, self.read(offset, size).to_bytes(size, "little")))
        self._put(offset, value.to_bytes(size, "little"))

    def flip(self, offset: int, size: int = 8) -> None:
        """Inverts a few bits of a number: the lowest, and one in the middle."""
        self.write(offset, self.read(offset, size) ^ (1 | 0x10 << 4 * (size - 1)), size)

    def restore(self) -> None:
        """Puts back what was replaced."""
        while self._before:
            self._put(*self._before.pop())

    def _put(self, offset: int, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    # Where things are

    def family(self, name: str) -> Any:
        """A family of the dump."""
        return next(family for family in self.dump["families"] if family["name"] == name)

    def family_record(self, name: str) -> int:
        """The offset of a family's record."""
        return int(self.family(name)["records"][0]["offset"])

    def series_record(self, name: str) -> int:
        """The offset of the record of a family's first series."""
        return int(self.family(name)["series"][0]["offset"])

    def instance_record(self, name: str) -> int:
        """The offset of the first instance of a gauge's first series."""
        return self.read(self.series_record(name) + 80) & 0xFFFF_FFFF

    def cell(self, name: str, lane: int = 0) -> int:
        """The offset of a lane's cell of a family's first series."""
        return self.layout["lanes_offset"] + self.read(self.series_record(name) + 32, 4) + (lane << 20)

    def index_slot(self, record: int) -> int:
        """The offset of the index slot that leads to a record."""
        return next(slot for slot in self.index_slots() if self.read(slot) & 0xFFFF_FFFF == record)

    def index_slots(self) -> list[int]:
        """The offsets of all index slots in use."""
        start, count = self.layout["index_offset"], self.layout["index_capacity"]
        data = self.path.read_bytes()[start : start + count * 8]
        return [start + at for at in range(0, len(data), 8) if any(data[at : at + 8])]
