# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""A reader of store directories that shares no code with the library: written from docs/file-format.md alone.

It is the proof that the document suffices. It maps the segments read-only, never locks anything, and says what the
store holds as plain Python values. Run it with a directory to see them:

    python read_store.py /dev/shm/fdmetrics-...
"""

from __future__ import annotations

import dataclasses
import fcntl
import math
import mmap
import os
import pprint
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

MASK = (1 << 64) - 1
MAGIC = b"FDMSTORE"
VERSION = 1
LANE_STRIDE = 1 << 20
LEASE_BASE = 1 << 60
NO_CELLS = 0xFFFF_FFFF
UNSET = 0x7FF8_6664_6D75_6E73
CHECKSUM_SEED = 0x6664_6D65_7472_6963

COUNTER, GAUGE, HISTOGRAM, SUMMARY, INFO, STATE_SET = range(1, 7)
FAMILY_RECORD, SERIES_RECORD, INSTANCE_RECORD, NAME_RECORD = range(1, 5)
ALL, LIVE_ALL, MIN, LIVE_MIN, MAX, LIVE_MAX, SUM, LIVE_SUM, MOST_RECENT, LIVE_MOST_RECENT, LOCAL = range(1, 12)
LIVE_MODES = (LIVE_ALL, LIVE_MIN, LIVE_MAX, LIVE_SUM, LIVE_MOST_RECENT)


class NotAStore(Exception):
    """The file is none of ours, or of another version, or damaged."""


# ----------------------------------------------------------------------------------------------------------------------
# Hash


def fold(a: int, b: int) -> int:
    product = (a & MASK) * (b & MASK)
    return (product >> 64) ^ (product & MASK)


def mix_bytes(state: int, data: bytes) -> int:
    state = fold(state ^ len(data), 0xE703_7ED1_A0B4_28DB)
    start = 0
    while len(data) - start >= 16:
        a, b = struct.unpack_from("<QQ", data, start)
        state = fold(a ^ 0x8EBC_6AF0_9C88_C6E3, b ^ state)
        start += 16
    tail = data[start:]
    count = len(tail)
    if count == 0:
        return state
    if count >= 8:
        a, b = int.from_bytes(tail[:8], "little"), int.from_bytes(tail[-8:], "little")
    elif count >= 4:
        a, b = int.from_bytes(tail[:4], "little"), int.from_bytes(tail[-4:], "little")
    else:
        a, b = tail[0], tail[count >> 1] << 8 | tail[count - 1]
    return fold(a ^ 0x5899_65CC_7537_4CC3, b ^ state)


def mix_number(state: int, number: int) -> int:
    return fold(state ^ number, 0x1D8E_4E27_C47D_124F)


def finish(state: int) -> int:
    value = fold(state ^ 0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93)
    return value if value >> 32 else value | 1 << 32


def start(seed: int) -> int:
    return seed ^ 0xA076_1D64_78BD_642F


def checksum(*parts: bytes) -> int:
    state = start(CHECKSUM_SEED)
    for part in parts:
        state = mix_bytes(state, part)
    return finish(state)


def key_hash(seed: int, name: bytes, values: list[bytes]) -> int:
    """The hash of a series' key."""
    state = mix_number(start(seed), finish(mix_bytes(start(seed), name)))
    for value in values:
        state = mix_bytes(state, value)
    return finish(state)


def layout_signature() -> int:
    parts = [8, 16, LANE_STRIDE, 4096, 64, 16, 4096, 4096, 176, 528, 64, 64, 128, 64, LEASE_BASE, 1]
    value = 0xFD4D_0000_0000_0001
    for part in parts:
        value = (value ^ part) * 0x9E37_79B9_7F4A_7C15 & MASK
    return value


# ----------------------------------------------------------------------------------------------------------------------
# Segments


class Segment:
    """One file: checked, and mapped read-only."""

    def __init__(self, path: Path, number: int) -> None:
        self.number = number
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            header = os.pread(descriptor, 4096, 0)
            self._check(path, header, size)
            self.bytes = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)
        finally:
            os.close(descriptor)

    def _check(self, path: Path, header: bytes, size: int) -> None:
        if len(header) < 4096:
            raise NotAStore(f"{path} has {len(header)} bytes, a header has 4096")
        if header[:8] != MAGIC:
            raise NotAStore(f"{path} begins with {header[:8]!r}, not with {MAGIC!r}")
        version, header_size, signature = struct.unpack_from("<IIQ", header, 8)
        if version != VERSION or header_size != 4096 or signature != layout_signature():
            raise NotAStore(f"{path} has version {version} and layout signature {signature:#x}")
        if struct.unpack_from("<Q", header, 176)[0] != checksum(header[:176]):
            raise NotAStore(f"{path} has a header whose checksum does not match")
        self.store_id = header[24:40]
        number, self.lane_count = struct.unpack_from("<II", header, 56)
        n = self.number
        index_capacity = 4096 << min(2 * n, 8)
        slot_capacity = 4096 if n == 0 else 0
        slots_offset = 4096 + 8 * index_capacity
        records_offset = slots_offset + 64 * slot_capacity
        records_size = 16 * 2**20 << min(2 * n, 6)
        lanes_offset = records_offset + records_size
        groups = 1 << min(2 * n, 6)
        file_size = lanes_offset + groups * self.lane_count * LANE_STRIDE
        expected = (LANE_STRIDE, file_size, 4096, index_capacity, slots_offset, slot_capacity, records_offset,
                    records_size, lanes_offset, groups)  # fmt: skip
        if number != n or struct.unpack_from("<10Q", header, 64) != expected or size != file_size:
            raise NotAStore(f"{path} has not the geometry of segment {n} with {self.lane_count} lanes")
        self.index_capacity, self.slots_offset = index_capacity, slots_offset
        self.records_offset, self.lanes_offset = records_offset, lanes_offset
        self.hash_seed = struct.unpack_from("<Q", header, 144)[0]

    def word(self, offset: int) -> int:
        return int(struct.unpack_from("<Q", self.bytes, offset)[0])

    def double(self, offset: int) -> float:
        return float(struct.unpack_from("<d", self.bytes, offset)[0])

    @property
    def is_sealed(self) -> bool:
        return self.word(392) == 1

    def record(self, offset: int, kind: int) -> bytes | None:
        """The record at an offset: None if there is none of that kind, or it does not verify."""
        end = self.records_offset + min(self.word(256), self.word(264))
        if offset < self.records_offset or offset % 64 or offset + 64 > end:
            return None
        size, found = struct.unpack_from("<II", self.bytes, offset)
        if found != kind or size < 64 or size % 64 or offset + size > end:
            return None
        data = self.bytes[offset : offset + size]
        if kind in (FAMILY_RECORD, SERIES_RECORD):
            rest = 64 if kind == FAMILY_RECORD else struct.unpack_from("<I", data, 44)[0]
            if struct.unpack_from("<Q", data, 8)[0] != checksum(data[:8], data[16:56], data[rest:]):
                return None
        return data

    def lanes(self, cell: int) -> Iterator[int]:
        """The offset in the file of a cell in each lane."""
        group, within = divmod(cell, LANE_STRIDE)
        for lane in range(self.lane_count):
            yield self.lanes_offset + (group * self.lane_count + lane) * LANE_STRIDE + within

    def pair(self, offset: int) -> tuple[int, float]:
        """Count and sum of one update: an update between the loads has changed the count."""
        while True:
            before, total = self.word(offset), self.double(offset + 8)
            if self.word(offset) == before:
                return before, total


# ----------------------------------------------------------------------------------------------------------------------
# What a store says


@dataclasses.dataclass
class Family:
    """A metric family, as its record says."""

    name: str
    help: str
    unit: str
    type: int
    mode: int
    label_names: list[str]
    bounds: list[float]
    states: list[str]


@dataclasses.dataclass
class Series:
    """A series: all of its records added up."""

    family: Family
    labels: dict[str, str]
    text: str
    total: float = 0.0  # counters
    count: int = 0  # histograms, summaries
    sum: float = 0.0
    buckets: list[int] = dataclasses.field(default_factory=list)  # not cumulative, +Inf last
    state: str = ""  # state sets
    state_time: int = 0
    instances: list[Instance] = dataclasses.field(default_factory=list)  # gauges


@dataclasses.dataclass
class Instance:
    """What one process slot says of a gauge."""

    slot: int
    is_alive: bool
    value: float | None
    time: int
    carried: float | None
    carried_time: int
    is_folded: bool

    def is_set(self) -> bool:
        return self.value is not None and not self.is_folded


class Store:
    """A store directory, of live or dead processes."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self.segments = [Segment(self.directory / "fdmetrics-0.seg", 0)]
        self.damaged = 0
        while self.segments[-1].is_sealed and len(self.segments) < 16:
            number = len(self.segments)
            segment = Segment(self.directory / f"fdmetrics-{number}.seg", number)
            if segment.store_id != self.segments[0].store_id:
                raise NotAStore(f"segment {number} belongs to another store")
            self.segments.append(segment)
        self._locks = os.open(self.directory / "fdmetrics-0.seg", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Gives the mappings back."""
        os.close(self._locks)
        for segment in self.segments:
            segment.bytes.close()

    def is_alive(self, token: int) -> bool:
        """Whether the holder of a lease lives: whether its byte is locked."""
        slot, generation = (token >> 32) - 1, token & 0xFFFF_FFFF
        if slot < 0 or generation == 0:
            return False
        # F_OFD_GETLK is 36 on Linux; the fields of struct flock are type, whence, start, length, pid.
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, LEASE_BASE + (slot << 32) + generation, 1, 0)
        return bool(struct.unpack_from("h", fcntl.fcntl(self._locks, 36, lock))[0] != fcntl.F_UNLCK)

    def live_slots(self) -> list[int]:
        """The slots whose latest holder is alive."""
        first, found = self.segments[0], []
        for slot in range(first.word(400)):
            generation = struct.unpack_from("<I", first.bytes, first.slots_offset + 64 * slot)[0]
            if self.is_alive((slot + 1) << 32 | generation):
                found.append(slot)
        return found

    def process_names(self) -> dict[int, str]:
        """What the latest holders of slots were named, by slot; those that were not are left out."""
        first, found = self.segments[0], {}
        for slot in range(first.word(400)):
            generation, place = struct.unpack_from("<II", first.bytes, first.slots_offset + 64 * slot)
            number, offset = place >> 26, (place & (1 << 26) - 1) * 64
            if place == 0 or number >= len(self.segments):
                continue
            record = self.segments[number].record(offset, NAME_RECORD)
            if record and record[16] and struct.unpack_from("<Q", record, 8)[0] == (slot + 1) << 32 | generation:
                found[slot] = record[16:128].rstrip(b"\0").decode(errors="replace")
        return found

    def series(self) -> dict[tuple[str, str], Series]:
        """All series that are not removed, by family name and rendered labels."""
        found: dict[tuple[str, str], Series] = {}
        for segment in self.segments:
            for position in range(segment.index_capacity):
                entry = segment.word(4096 + 8 * position)
                if entry:
                    self._read(segment, entry, found)
        return found

    def _read(self, segment: Segment, entry: int, found: dict[tuple[str, str], Series]) -> None:
        offset = entry & 0xFFFF_FFFF
        record = segment.record(offset, SERIES_RECORD)
        if record is None:
            if segment.record(offset, FAMILY_RECORD) is None:
                self.damaged += 1
            return
        if struct.unpack_from("<Q", record, 56)[0] != 1:
            return
        (key,) = struct.unpack_from("<Q", record, 16)
        family_offset, value_count, cell, text_length, text_offset, table = struct.unpack_from("<6I", record, 24)
        family_record = segment.record(family_offset, FAMILY_RECORD)
        if family_record is None:
            self.damaged += 1
            return
        family = read_family(family_record)
        values = [string(record, table, index) for index in range(value_count)]
        assert key == key_hash(segment.hash_seed, family.name.encode(), values) and key >> 32 == entry >> 32
        names = list(family.label_names)
        if family.type == INFO:
            pairs = (value_count - len(names)) // 2
            names += [name.decode() for name in values[len(names) + pairs :]]
        labels = dict(zip(names, (value.decode() for value in values)))
        text = record[text_offset : text_offset + text_length].decode()
        series = found.setdefault((family.name, text), Series(family, labels, text))
        self._add(series, segment, offset, cell)

    def _add(self, series: Series, segment: Segment, offset: int, cell: int) -> None:
        kind = series.family.type
        if kind == COUNTER:
            for lane in segment.lanes(cell):
                series.total += segment.word(lane) + segment.double(lane + 8)
        elif kind in (HISTOGRAM, SUMMARY):
            bucket_count = len(series.family.bounds) + 1 if kind == HISTOGRAM else 1
            series.buckets = series.buckets or [0] * bucket_count
            for bucket in range(bucket_count):
                for lane in segment.lanes(cell + 16 * bucket):
                    count, total = segment.pair(lane)
                    series.buckets[bucket] += count
                    series.count += count
                    series.sum += total
        elif kind == STATE_SET:
            time, index = segment.word(offset + 64), segment.word(offset + 72)
            if (time >= series.state_time or not series.state) and index < len(series.family.states):
                series.state, series.state_time = series.family.states[index], time
        elif kind == GAUGE:
            series.instances += self._instances(segment.word(offset + 80), series.family.mode)

    def _instances(self, address: int, mode: int) -> Iterator[Instance]:
        for _ in range(2 * 4096):
            number, offset = (address >> 32) - 1, address & 0xFFFF_FFFF
            if number < 0 or number >= len(self.segments):
                return
            segment = self.segments[number]
            if segment.record(offset, INSTANCE_RECORD) is None:
                return
            yield self._instance(segment, offset, mode in (MOST_RECENT, LIVE_MOST_RECENT))
            address = segment.word(offset + 48)

    def _instance(self, segment: Segment, offset: int, is_most_recent: bool) -> Instance:
        while True:
            owner, mark, bits = segment.word(offset + 8), segment.word(offset + 24), segment.word(offset + 16)
            carry_mark, carry_bits = segment.word(offset + 40), segment.word(offset + 32)
            if (segment.word(offset + 24), segment.word(offset + 40)) == (mark, carry_mark):
                break
        token = owner if is_most_recent else mark
        return Instance(
            slot=(token >> 32) - 1,
            is_alive=self.is_alive(token),
            value=None if bits == UNSET or (is_most_recent and mark == 0) else double(bits),
            time=mark if is_most_recent else 0,
            carried=None if carry_mark == 0 or carry_bits == UNSET else double(carry_bits),
            carried_time=carry_mark if is_most_recent else 0,
            is_folded=not is_most_recent and carry_mark == mark,
        )


def read_family(record: bytes) -> Family:
    kind, mode, label_count, bound_count, state_count, bounds_offset = struct.unpack_from("<6I", record, 24)
    strings = [string(record, 64, index).decode() for index in range(3 + label_count + state_count)]
    bounds = list(struct.unpack_from(f"<{bound_count}d", record, bounds_offset))
    labels, states = strings[3 : 3 + label_count], strings[3 + label_count :]
    return Family(strings[0], strings[1], strings[2], kind, mode, labels, bounds, states)


def string(record: bytes, table: int, index: int) -> bytes:
    offset, length = struct.unpack_from("<II", record, table + 8 * index)
    return record[offset : offset + length]


def double(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


def gauge_value(series: Series) -> float | None:
    """The one value of a gauge whose mode gives one; None: no sample."""
    mode, instances = series.family.mode, series.instances
    seen = [one for one in instances if one.is_set() and (mode not in LIVE_MODES or one.is_alive)]
    values = [one.value for one in seen if one.value is not None]
    if mode in (MOST_RECENT, LIVE_MOST_RECENT):
        timed = [(one.time, value) for one, value in zip(seen, values)]
        if mode == MOST_RECENT:
            timed += [(one.carried_time, one.carried) for one in instances if one.carried is not None]
        return max(timed, default=(0, None), key=lambda pair: pair[0])[1]
    if mode in (SUM, MIN, MAX):
        values += [one.carried for one in instances if one.carried is not None]
    if mode in (SUM, LIVE_SUM):
        return math.fsum(values)
    if mode in (MIN, LIVE_MIN, MAX, LIVE_MAX):
        if not values:
            return None if any(one.is_set() for one in instances) else 0.0
        return min(values) if mode in (MIN, LIVE_MIN) else max(values)
    return None


if __name__ == "__main__":
    pprint.pprint(Store(sys.argv[1]).series())
