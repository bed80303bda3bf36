// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

// Reserving space on the file system, through the descriptor that the segment keeps. Allocates nothing.

extension Store {
    /// Reserves bytes of a segment's file. 0, or errno.
    func reserveSpace(_ segment: UnsafeMutablePointer<Segment>, offset: Int, size: Int) -> Int32 {
        let descriptor = segment.pointee.descriptor.get(of: segment.pointee, in: directoryText, writable: true)
        return descriptor < 0 ? -descriptor : CFDMetricsLinux_reserve(descriptor, Int64(offset), Int64(size))
    }

    /// Makes process slots up to `count` touchable. 0, or errno.
    func reserveSlots(_ segment: UnsafeMutablePointer<Segment>, count: Int) -> Int32 {
        let perStep = StoreFormat.reserveStep / SlotLayout.size
        let capacity = segment.pointee.geometry.slotCapacity
        let wanted = min((count + perStep - 1) / perStep * perStep, capacity)
        let word = segment.pointee.header(HeaderLayout.slotsReserved)
        var bits = word.pointee.load(ordering: .acquiring)
        while bits < UInt64(wanted) {
            let reserved = Int(bits)
            let error = reserveSpace(
                segment, offset: segment.pointee.geometry.slotsOffset + reserved * SlotLayout.size,
                size: (wanted - reserved) * SlotLayout.size)
            if error != 0 { return error }
            let result = word.pointee.compareExchange(
                expected: bits, desired: UInt64(wanted), ordering: .acquiringAndReleasing)
            bits = result.exchanged ? UInt64(wanted) : result.original
        }
        return 0
    }
}
