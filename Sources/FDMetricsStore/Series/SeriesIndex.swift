// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Puts a record into a segment's index, or finds the one with the same key.
///
/// The exchange of an empty slot publishes the record: everything of it was written before (release), and whoever finds it
/// by the slot sees it whole (acquire). Two processes that register the same key at once meet at the same slot: one
/// exchange wins and the other process finds the winner's record. A process killed before the exchange leaves bytes that
/// nobody refers to.
enum SeriesIndex {
    /// - Parameter isSame: whether the record at an offset has the key; called for records whose hash tag agrees.
    /// - Returns: the offset of the record that stands in the index: `offset`, or the one that was there. nil: the index
    ///   has no free slot.
    static func insert(
        _ segment: UnsafeMutablePointer<Segment>, hash: UInt64, offset: Int, isSame: (Int) -> Bool
    ) -> Int? {
        let mask = segment.pointee.geometry.indexCapacity - 1
        let entry = (hash >> 32) << 32 | UInt64(offset)
        var position = Int(truncatingIfNeeded: hash) & mask
        for _ in 0...mask {
            let slot = segment.pointee.indexSlot(position)
            var found = slot.pointee.load(ordering: .acquiring)
            if found == 0 {
                let result = slot.pointee.compareExchange(
                    expected: 0, desired: entry, ordering: .acquiringAndReleasing)
                if result.exchanged {
                    segment.pointee.header(HeaderLayout.entries).pointee.wrappingAdd(1, ordering: .relaxed)
                    return offset
                }
                found = result.original
            }
            if found >> 32 == hash >> 32, isSame(Int(found & 0xFFFF_FFFF)) { return Int(found & 0xFFFF_FFFF) }
            position = (position + 1) & mask
        }
        return nil
    }

    /// The offset of the record with a key. nil: there is none.
    static func find(_ segment: UnsafeMutablePointer<Segment>, hash: UInt64, isSame: (Int) -> Bool) -> Int? {
        let mask = segment.pointee.geometry.indexCapacity - 1
        var position = Int(truncatingIfNeeded: hash) & mask
        for _ in 0...mask {
            let found = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
            if found == 0 { return nil }
            if found >> 32 == hash >> 32, isSame(Int(found & 0xFFFF_FFFF)) { return Int(found & 0xFFFF_FFFF) }
            position = (position + 1) & mask
        }
        return nil
    }

    /// Whether a segment takes another entry.
    static func hasRoom(_ segment: UnsafeMutablePointer<Segment>) -> Bool {
        let entries = segment.pointee.header(HeaderLayout.entries).pointee.load(ordering: .relaxed)
        return entries < UInt64(segment.pointee.geometry.maxEntries)
    }
}
