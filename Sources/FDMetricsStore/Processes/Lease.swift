// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// A process's lease: (slot + 1) << 32 | generation. 0: none.
///
/// The kernel says who is alive, not a pid: a lease is held while an open-file-description lock on the byte
/// `leaseBase + slot << 32 + generation` of segment 0 is. The lock belongs to a description that only a mapping of this
/// process keeps open, and the mapping is not inherited by fork (MADV_DONTFORK). So it lives exactly as long as the
/// process's memory: it falls at once on kill -9, a fork child does not keep it, a pid that comes again means nothing,
/// and containers that share the directory see the same locks.
package struct LeaseToken: Equatable, Sendable {
    package let bits: UInt64

    package init(bits: UInt64) { self.bits = bits }
    package init(slot: Int, generation: UInt32) { bits = UInt64(slot &+ 1) &<< 32 | UInt64(generation) }

    /// What stands for a lease where a gauge's value belongs to a logical worker, such as "the third worker of the server",
    /// whoever that is at the time: a slot beyond all process slots, that has one generation and no end.
    package init(worker: Int) { self.init(slot: StoreFormat.maxSlots &+ worker, generation: 1) }
    /// The logical worker; nil: it is a process slot.
    package var worker: Int? {
        slot >= StoreFormat.maxSlots && slot < StoreFormat.maxSlots + StoreFormat.maxWorkers
            ? slot &- StoreFormat.maxSlots : nil
    }

    package var isNone: Bool { bits >> 32 == 0 }
    package var slot: Int { Int(bits >> 32) &- 1 }
    package var generation: UInt32 { UInt32(truncatingIfNeeded: bits) }
    /// The byte whose lock is the lease.
    package var byte: Int64 { StoreFormat.leaseBase &+ Int64(slot) &<< 32 &+ Int64(generation) }
}

/// The process slots of a store, in its segment 0. `ProcessSlots+Taking.swift` has how one is taken.
package struct ProcessSlots {
    let segment: UnsafeMutablePointer<Segment>

    package init(_ segment: UnsafeMutablePointer<Segment>) { self.segment = segment }

    /// How many slots may be touched.
    package var count: Int {
        let reserved = segment.pointee.header(HeaderLayout.slotsReserved).pointee.load(ordering: .acquiring)
        return Int(min(reserved, UInt64(segment.pointee.geometry.slotCapacity)))
    }

    package func address(_ slot: Int) -> UnsafeMutableRawPointer {
        segment.pointee.base + segment.pointee.geometry.slotsOffset + slot * SlotLayout.size
    }

    /// The lease of a slot's latest holder, alive or dead; none if it never had one.
    package func latest(_ slot: Int) -> LeaseToken {
        let generation = halfWord(address(slot) + SlotLayout.generation).pointee.load(ordering: .acquiring)
        return generation == 0 ? LeaseToken(bits: 0) : LeaseToken(slot: slot, generation: generation)
    }
}
