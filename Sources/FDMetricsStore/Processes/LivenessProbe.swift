// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

/// Who holds a lease, asked from the kernel once for each slot: one per scrape or dump.
package struct LivenessProbe: ~Copyable {
    private let descriptor: Int32
    private let slots: ProcessSlots
    private var known: [UInt64: Bool] = [:]
    /// errno of a question that the kernel could not answer; 0: all were answered.
    private var failure: Int32 = 0

    /// Asks through the descriptor that the segment keeps; needs read access only.
    package init(directory: String, segment: UnsafeMutablePointer<Segment>) throws(StoreError) {
        slots = ProcessSlots(segment)
        descriptor = segment.pointee.descriptor.get(
            of: segment.pointee, in: directory, writable: segment.pointee.handles != nil)
        if descriptor == -ESTALE {
            throw StoreError(
                .notFound, "the store in \(directory) was deleted: its processes cannot be asked for", errno: ESTALE)
        }
        if descriptor < 0 { throw .system("cannot ask who holds the store in \(directory)", -descriptor) }
    }

    /// Whether the holder of a lease is alive.
    package mutating func isAlive(_ token: LeaseToken) -> Bool {
        // A damaged word may say any slot.
        if token.isNone || token.generation == 0 || token.slot >= slots.count { return false }
        if let answer = known[token.bits] { return answer }
        let answer = CFDMetricsLinux_byte_is_locked(descriptor, token.byte)
        if answer < 0 { failure = -answer }
        known[token.bits] = answer == 1
        return answer == 1
    }

    /// Throws where a question was not answered. Who was asked about then counts as dead, so numbers that depend on it must not
    /// be shown.
    package func throwIfUnanswered(_ directory: String) throws(StoreError) {
        if failure != 0 { throw .system("cannot ask who holds the store in \(directory)", failure) }
    }

    /// Whether a process has the store open, or was forked by one that had: such a child takes a lease only when it needs
    /// one, and counters need none.
    package var isStoreOpen: Bool { CFDMetricsLinux_byte_is_locked(descriptor, Store.presenceByte) == 1 }

    /// The leases of all live processes.
    package mutating func liveLeases() -> [LeaseToken] {
        var leases: [LeaseToken] = []
        for slot in 0..<slots.count {
            let token = slots.latest(slot)
            if !token.isNone, isAlive(token) { leases.append(token) }
        }
        return leases
    }
}
