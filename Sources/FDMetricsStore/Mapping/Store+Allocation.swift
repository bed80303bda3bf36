// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Glibc
import Synchronization

// Taking space. Space is reserved on the file system before an address in it is handed out, so that a full file system is
// an error here and never a SIGBUS at an update. `next` and `reserved` only grow; a process that is killed between two
// steps leaves reserved space that the next one finds reserved.

extension Store {
    /// Takes zeroed bytes of a segment's records section. nil: the segment is full.
    /// - Returns: the offset in the file.
    func takeRecord(_ segment: UnsafeMutablePointer<Segment>, size: Int) throws(StoreError) -> Int? {
        let offset = try take(
            segment, size: size, next: HeaderLayout.recordsNext, reserved: HeaderLayout.recordsReserved,
            limit: segment.pointee.geometry.recordsSize, mayCrossStride: true)
        guard let offset else { return nil }
        let file = segment.pointee.geometry.recordsOffset + offset
        try checkZero(segment.pointee.base + file, size, "records at \(file)", segment)
        return file
    }

    /// Takes zeroed cells, in all lanes. nil: the segment is full.
    /// - Returns: the offset in each lane, over all groups.
    func takeCell(_ segment: UnsafeMutablePointer<Segment>, size: Int) throws(StoreError) -> Int? {
        let cell = try take(
            segment, size: size, next: HeaderLayout.cellsNext, reserved: HeaderLayout.cellsReserved,
            limit: segment.pointee.geometry.cellsSize, mayCrossStride: false)
        guard let cell else { return nil }
        for lane in 0..<segment.pointee.geometry.laneCount {
            try checkZero(
                segment.pointee.cell(cell) + lane * StoreFormat.laneStride, size, "cells at \(cell) of lane \(lane)",
                segment)
        }
        return cell
    }

    private func take(
        _ segment: UnsafeMutablePointer<Segment>, size: Int, next: Int, reserved: Int, limit: Int, mayCrossStride: Bool
    ) throws(StoreError) -> Int? {
        let taken = segment.pointee.header(next)
        var old = taken.pointee.load(ordering: .acquiring)
        while true {
            if old > UInt64(limit) { return nil }
            var start = Int(old)
            // A lane's stretch within a group is one stride long; a cell lies wholly in one group.
            if !mayCrossStride, start % StoreFormat.laneStride + size > StoreFormat.laneStride {
                start = (start / StoreFormat.laneStride + 1) * StoreFormat.laneStride
            }
            let end = start + size
            if end > limit { return nil }
            try ensureReserved(segment, word: reserved, end: end, areCells: !mayCrossStride)
            // Release: who takes or reads what comes after this sees the reservation.
            let result = taken.pointee.compareExchange(
                expected: old, desired: UInt64(end), ordering: .acquiringAndReleasing)
            if result.exchanged { return start }
            old = result.original
        }
    }

    private func ensureReserved(
        _ segment: UnsafeMutablePointer<Segment>, word offset: Int, end: Int, areCells: Bool
    ) throws(StoreError) {
        let word = segment.pointee.header(offset)
        let step = StoreFormat.reserveStep
        let geometry = segment.pointee.geometry
        var reserved = Int(truncatingIfNeeded: word.pointee.load(ordering: .acquiring))
        while reserved < end {
            let wanted: Int
            if areCells {
                // One step in every lane, all of them before the word moves; steps never cross a group.
                wanted = reserved + step
                for lane in 0..<geometry.laneCount {
                    try reserve(
                        segment, offset: geometry.fileOffset(ofCell: reserved) + lane * StoreFormat.laneStride,
                        size: step)
                }
            } else {
                wanted = (end + step - 1) / step * step
                try reserve(segment, offset: geometry.recordsOffset + reserved, size: wanted - reserved)
            }
            let result = word.pointee.compareExchange(
                expected: UInt64(reserved), desired: UInt64(wanted), ordering: .acquiringAndReleasing)
            reserved = result.exchanged ? wanted : Int(truncatingIfNeeded: result.original)
        }
    }

    private func reserve(
        _ segment: UnsafeMutablePointer<Segment>, offset: Int, size: Int
    ) throws(StoreError) {
        let error = reserveSpace(segment, offset: offset, size: size)
        if error != 0 {
            throw SegmentFile.reservationError(
                error, path: segmentPath(segment.pointee.geometry.number), bytes: size)
        }
    }

    /// New space is zero. If it is not, the words that say how much is taken are damaged, and nothing may be written.
    private func checkZero(
        _ start: UnsafeMutableRawPointer, _ size: Int, _ what: String, _ segment: UnsafeMutablePointer<Segment>
    ) throws(StoreError) {
        let words = UnsafeRawBufferPointer(start: start, count: size).bindMemory(to: UInt64.self)
        for word in words where word != 0 {
            throw StoreError(
                .damaged,
                "\(segmentPath(segment.pointee.geometry.number)) is damaged: free \(what) are not empty; remove the store"
            )
        }
    }
}
