# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmctl check on damaged stores: it names what is wrong, exits 1 and never crashes; fdmctl dump never crashes."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from segment_file import SegmentFile
from tool import Tool

STRESS = max(1, int(os.environ.get("FDM_STRESS") or 1))

# What docs/file-format.md calls them, where they stand, and how many bytes they have.
FAMILY = {
    "size": (0, 4),
    "kind": (4, 4),
    "checksum": (8, 8),
    "nameHash": (16, 8),
    "type": (24, 4),
    "gaugeMode": (28, 4),
    "labelCount": (32, 4),
    "boundCount": (36, 4),
    "stateCount": (40, 4),
    "boundsOffset": (44, 4),
    "createdTime": (48, 8),
    "offset of the name": (64, 4),
    "length of the name": (68, 4),
}
SERIES = {
    "size": (0, 4),
    "kind": (4, 4),
    "checksum": (8, 8),
    "keyHash": (16, 8),
    "family": (24, 4),
    "valueCount": (28, 4),
    "cells": (32, 4),
    "textLength": (36, 4),
    "textOffset": (40, 4),
    "tableOffset": (44, 4),
    "createdTime": (48, 8),
}
HEADER = {
    "magic": (0, 8),
    "version": (8, 4),
    "headerSize": (12, 4),
    "layoutSignature": (16, 8),
    "storeID": (24, 8),
    "bootID": (40, 8),
    "segmentNumber": (56, 4),
    "laneCount": (60, 4),
    "laneStride": (64, 8),
    "fileSize": (72, 8),
    "indexOffset": (80, 8),
    "indexCapacity": (88, 8),
    "slotsOffset": (96, 8),
    "slotCapacity": (104, 8),
    "recordsOffset": (112, 8),
    "recordsSize": (120, 8),
    "lanesOffset": (128, 8),
    "laneGroups": (136, 8),
    "hashSeed": (144, 8),
    "createdTime": (152, 8),
    "flags": (160, 8),
    "seriesLimit": (168, 8),
    "checksum": (176, 8),
}
# A value that cannot be, and a word of the finding.
COUNTERS = {
    "recordsNext": (256, 1 << 40, "recordsNext"),
    "recordsNext, not aligned": (256, 65, "recordsNext"),
    "recordsNext, too low": (256, 64, "below"),
    "recordsReserved": (264, 1 << 40, "recordsReserved"),
    "recordsReserved, no step": (264, 5000 * 64 + 8, "recordsReserved"),
    "cellsNext": (320, 1 << 40, "cellsNext"),
    "cellsNext, too low": (320, 16, "cells"),
    "cellsReserved": (328, 1 << 40, "cellsReserved"),
    "entries": (384, 100, "entries"),
    "entries, beyond the index": (384, 1 << 30, "entries"),
    "sealed, without a next segment": (392, 1, "fdmetrics-1.seg"),
    "sealed": (392, 7, "sealed"),
    "slotsReserved": (400, 1 << 20, "slotsReserved"),
    "slotsReserved, none": (400, 0, "process slot"),
    "removals": (448, 1000, "removals"),
}


def expect(tool: Tool, segment: SegmentFile, *words: str) -> None:
    """Check finds the damage and says these words in one finding; dump goes on or refuses, and does not crash."""
    findings = tool.findings(segment.store)
    assert any(all(word in line for word in words) for line in findings), f"{words} not in {findings}"
    assert tool.run("dump", str(segment.store)).returncode in (0, 2)
    segment.restore()
    assert tool.findings(segment.store) == [], "the test did not put the store right"


@pytest.mark.parametrize("field", FAMILY)
@pytest.mark.parametrize("name", ["requests", "delay_seconds", "phase"])
def test_family_fields(tool: Tool, segment: SegmentFile, field: str, name: str) -> None:
    offset, size = FAMILY[field]
    record = segment.family_record(name)
    segment.flip(record + offset, size)
    expect(tool, segment, str(record))


def test_family_series_count(tool: Tool, segment: SegmentFile) -> None:
    for count in (50, (1 << 64) - 50):
        segment.write(segment.family_record("requests") + 56, count)
        expect(tool, segment, "family requests", "number of series")


@pytest.mark.parametrize("field", SERIES)
@pytest.mark.parametrize("name", ["requests", "delay_seconds", "level_sum", "build"])
def test_series_fields(tool: Tool, segment: SegmentFile, field: str, name: str) -> None:
    offset, size = SERIES[field]
    record = segment.series_record(name)
    segment.flip(record + offset, size)
    expect(tool, segment, str(record))


def test_series_text_and_values(tool: Tool, segment: SegmentFile) -> None:
    record = segment.series_record("requests")
    for offset in range(64, segment.read(record, 4), 16):
        segment.flip(record + offset, 1)
        expect(tool, segment, f"series at {record}", "checksum")


def test_series_state(tool: Tool, segment: SegmentFile) -> None:
    record = segment.series_record("requests")
    segment.write(record + 56, 4)
    expect(tool, segment, "series requests", "state: expected 1 (live), 2 (removed) or 3 (replaced), found 4")


def test_state_of_a_state_set(tool: Tool, segment: SegmentFile) -> None:
    segment.write(segment.series_record("phase") + 64 + 8, 3)
    expect(tool, segment, "series phase", "state that is on")


def test_index_slots(tool: Tool, segment: SegmentFile) -> None:
    record = segment.series_record("requests")
    slot = segment.index_slot(record)
    entry = segment.read(slot)
    number = (slot - segment.layout["index_offset"]) // 8
    segment.write(slot, 0)
    expect(tool, segment, "entries")
    segment.write(slot, entry ^ 1 << 40)
    expect(tool, segment, f"index slot {number}", "tag")
    for offset in (record + 8, 64, (1 << 32) - 64):
        segment.write(slot, entry >> 32 << 32 | offset)
        expect(tool, segment, f"index slot {number}", "offset of the record")
    # The middle of the record.
    segment.write(slot, entry >> 32 << 32 | record + 64)
    expect(tool, segment, f"index slot {number}")
    other = segment.index_slot(segment.family_record("requests"))
    segment.write(slot, segment.read(other))
    expect(tool, segment, "one index slot")
    segment.write(slot, entry >> 32 << 32 | segment.instance_record("level_sum"))
    expect(tool, segment, f"index slot {number}", "kind", "found 3")


def test_index_slot_at_another_position(tool: Tool, segment: SegmentFile) -> None:
    slot = segment.index_slot(segment.series_record("delay_seconds"))
    start, capacity = segment.layout["index_offset"], segment.layout["index_capacity"]
    half = range(start + capacity * 4, start + capacity * 8, 8)
    moved = next(at for at in half if not segment.read(at))
    segment.write(moved, segment.read(slot))
    segment.write(slot, 0)
    expect(tool, segment, f"index slot {(moved - start) // 8}", "probing from its home position")


@pytest.mark.parametrize("counter", COUNTERS)
def test_counters(tool: Tool, segment: SegmentFile, counter: str) -> None:
    offset, value, word = COUNTERS[counter]
    segment.write(offset, value)
    expect(tool, segment, "fdmetrics-0.seg", word)


@pytest.mark.parametrize("field", HEADER)
def test_header_fields(tool: Tool, segment: SegmentFile, field: str) -> None:
    offset, size = HEADER[field]
    segment.flip(offset, size)
    expect(tool, segment, "fdmetrics-0.seg", "header")


def test_process_slots(tool: Tool, segment: SegmentFile) -> None:
    slots = segment.layout["slots_offset"]
    segment.write(slots, 0, 4)
    expect(tool, segment, "process slot 0", "generation")
    # Instances have the generation 2 of slot 0.
    segment.write(slots, 1, 4)
    expect(tool, segment, "series level_sum", "owner of the instance of process slot 0")


def test_instances(tool: Tool, segment: SegmentFile) -> None:
    series, instance = segment.series_record("level_sum"), segment.instance_record("level_sum")
    for field in (0, 4):
        segment.flip(instance + field, 4)
        expect(tool, segment, "series level_sum", "list of instances")
    # No slot, no process, and a slot beyond all processes and logical workers.
    for owner in (0, 5, 1 << 60 | 1, (1 << 64) - 1):
        segment.write(instance + 8, owner)
        expect(tool, segment, "series level_sum", "owner of an instance")
    segment.write(instance + 8, 1 << 32 | 9)
    expect(tool, segment, "series level_sum", "owner of the instance")
    segment.write(instance + 16 + 8, 1 << 32 | 9)
    expect(tool, segment, "series level_sum", "value's token")
    segment.write(instance + 32 + 8, 2 << 32 | 1)
    expect(tool, segment, "series level_sum", "carry's token")
    # A ring, another gauge's instance, no segment, no record.
    for address in (segment.read(series + 80), segment.read(segment.series_record("level_max") + 80)):
        segment.write(instance + 48, address)
        expect(tool, segment, "once", "already")
    for address in (5 << 32 | instance, instance, 1 << 32 | 8, (1 << 64) - 1, 1 << 32 | series):
        segment.write(series + 80, address)
        expect(tool, segment, "series level_sum", "list of instances")


def test_cells(tool: Tool, segment: SegmentFile) -> None:
    # Nobody observed between 1 and 10.
    segment.write(segment.cell("delay_seconds", lane=1) + 2 * 16 + 8, 1)
    expect(tool, segment, "series delay_seconds", "pair 2 in lane 1")
    segment.write(segment.cell("requests") + 8, 0xBFF0 << 48)
    expect(tool, segment, "series requests", "fraction in lane 0", "found -1.0")


def test_free_space(tool: Tool, segment: SegmentFile) -> None:
    layout = segment.layout
    segment.write(layout["records_offset"] + layout["records_next"] + 128, 1)
    expect(tool, segment, "free space of the records")
    segment.write(layout["lanes_offset"] + layout["cells_next"] + (1 << 20), 1)
    expect(tool, segment, "free cells of lane 1")


def test_truncated_files(tool: Tool, large_copy: Path) -> None:
    path = large_copy / "fdmetrics-0.seg"
    for size in (0, 1, 4095, 4096, 8192, path.stat().st_size - 4096):
        os.truncate(path, size) if size < path.stat().st_size else path.open("r+b").truncate(size)
        [finding] = tool.findings(large_copy)
        assert "fdmetrics-0.seg" in finding
        assert tool.run("dump", str(large_copy)).returncode == 2


def test_the_chain_of_segments(tool: Tool, large_copy: Path) -> None:
    first, second = large_copy / "fdmetrics-0.seg", large_copy / "fdmetrics-1.seg"
    data = second.read_bytes()
    with first.open("r+b") as file:
        file.seek(392)
        file.write(bytes(8))
    assert any("sealed" in line and "fdmetrics-1.seg has records" in line for line in tool.findings(large_copy))
    with first.open("r+b") as file:
        file.seek(392)
        file.write(b"\1")
    assert tool.findings(large_copy) == []

    second.unlink()
    assert any("sealed" in line and "no such file" in line for line in tool.findings(large_copy))
    second.write_bytes(data[:4096])
    assert any("fdmetrics-1.seg: header" in line for line in tool.findings(large_copy))
    second.write_bytes(data)
    second.rename(large_copy / "fdmetrics-2.seg")
    assert any("chain of segments" in line for line in tool.findings(large_copy))


def test_a_maker_that_was_killed_before_the_seal_is_no_error(tool: Tool, large_copy: Path) -> None:
    # What it leaves: a segment 1 without records, and a segment 0 that is not sealed.
    with (large_copy / "fdmetrics-1.seg").open("r+b") as file:
        data = file.read(4096)
        file.truncate(0)
        file.seek(0)
        file.write(data[:256] + bytes(4096 - 256))
        file.truncate(int.from_bytes(data[72:80], "little"))
    with (large_copy / "fdmetrics-0.seg").open("r+b") as file:
        file.seek(392)
        file.write(bytes(8))
    (large_copy / ".fdmetrics-1.seg.12ab").write_bytes(b"")
    assert tool.findings(large_copy) == []
    notes = tool.run("check", "--notes", str(large_copy)).stdout
    assert "note: fdmetrics-0.seg: sealed" in notes
    assert "note: .fdmetrics-1.seg.12ab" in notes


def test_random_bytes(tool: Tool, segment: SegmentFile) -> None:
    seed = int(time.time())
    print(f"seed {seed}")
    generator = random.Random(seed)
    layout = segment.layout
    ranges = [
        range(256, 536),
        range(layout["slots_offset"], layout["slots_offset"] + 128),
        range(layout["records_offset"], layout["records_offset"] + layout["records_next"]),
        range(layout["lanes_offset"], layout["lanes_offset"] + layout["cells_next"]),
    ]
    slots = segment.index_slots()
    for _ in range(60 * STRESS):
        for _ in range(generator.randrange(1, 8)):
            place = generator.choice([*ranges, range(slot := generator.choice(slots), slot + 8)])
            offset = generator.choice(place)
            segment.write(offset, segment.read(offset, 1) ^ generator.randrange(1, 256), 1)
        assert tool.run("check", str(segment.store)).returncode in (0, 1)
        assert tool.run("dump", "--json", str(segment.store)).returncode in (0, 2)
        # Nothing is said of what these show of a damaged store; but no number in it may end them.
        assert tool.run("top", "--once", str(segment.store)).returncode in (0, 2)
        assert tool.run("top", "--once", "--json", str(segment.store)).returncode in (0, 2)
        assert tool.run("doctor", str(segment.store)).returncode in (1, 2)
        assert tool.run("diff", str(segment.store), str(segment.store)).returncode in (0, 2)
        segment.restore()
    assert tool.findings(segment.store) == []


def test_great_numbers(tool: Tool, segment: SegmentFile) -> None:
    """Words that no checksum covers, each with all bits and with the greatest positive number."""
    places = [512, 520, 528, segment.family_record("requests") + 56, segment.series_record("phase") + 64 + 8]
    places += [segment.layout["slots_offset"] + offset for offset in (8, 16, 24, 32, 40, 56)]
    places += [segment.cell("requests"), segment.cell("delay_seconds"), segment.cell("size_bytes") + 8]
    places += [segment.instance_record(f"level_{mode}") + 16 for mode in ("sum", "max", "mostrecent")]
    for place in places:
        for value in ((1 << 64) - 1, (1 << 63) - 1):
            segment.write(place, value)
            for command in (["top", "--once"], ["top", "--once", "--json"], ["doctor"], ["dump"]):
                assert tool.run(*command, str(segment.store)).returncode in (0, 1, 2)
            segment.restore()
    # All at once, so that sums of them are too great as well.
    for place in places:
        segment.write(place, (1 << 64) - 1)
    for command in (["top", "--once"], ["doctor"], ["dump"]):
        assert tool.run(*command, str(segment.store)).returncode in (0, 1, 2)
