// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// Where the sections of a segment are: computed from its number and the store's lanes, and nothing else, so that a
/// header can be checked against it.
package struct SegmentGeometry: Equatable, Sendable {
    package let number: Int
    package let laneCount: Int
    package let indexOffset: Int
    package let indexCapacity: Int
    package let slotsOffset: Int
    package let slotCapacity: Int
    package let recordsOffset: Int
    package let recordsSize: Int
    package let lanesOffset: Int
    package let laneGroups: Int
    package let fileSize: Int

    /// The first segment holds about 3,000 entries and fits a file system of 256 KiB; each next one is four times as
    /// large, up to a million entries, 1 GiB of records and 64 MiB of cells in each lane. Offsets stay below 4 GiB:
    /// 8 MiB of index, 1 GiB of records and 64 groups of 16 lanes of 1 MiB are 2.01 GiB.
    package init(segment number: Int, laneCount: Int) {
        self.number = number
        self.laneCount = laneCount
        indexOffset = HeaderLayout.size
        indexCapacity = 4096 << min(2 * number, 8)
        slotsOffset = indexOffset + indexCapacity * IndexLayout.slotSize
        slotCapacity = number == 0 ? StoreFormat.maxSlots : 0
        recordsOffset = slotsOffset + slotCapacity * SlotLayout.size
        recordsSize = (16 << 20) << min(2 * number, 6)
        lanesOffset = recordsOffset + recordsSize
        laneGroups = 1 << min(2 * number, 6)
        fileSize = lanesOffset + laneGroups * laneCount * StoreFormat.laneStride
    }

    /// How many index slots may be in use before the segment counts as full: probing stays short.
    package var maxEntries: Int { indexCapacity / 4 * 3 }

    /// The bytes of each lane, over all groups.
    package var cellsSize: Int { laneGroups * StoreFormat.laneStride }

    /// The offset in the file of lane 0 of the cell at `cell` (an offset in each lane, over all groups).
    package func fileOffset(ofCell cell: Int) -> Int {
        let group = cell / StoreFormat.laneStride
        return lanesOffset + group * laneCount * StoreFormat.laneStride + cell % StoreFormat.laneStride
    }
}
