// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import FDMetricsStore
import Synchronization

/// A holder of a process slot, as its record in the store has it.
package struct ProcessEntry: Sendable {
    package let slot: Int
    package let generation: UInt32
    package let pid: UInt64
    package let pidNamespace: UInt64
    /// Clock ticks since boot, field 22 of /proc/PID/stat.
    package let startTime: UInt64
    /// ns since the epoch.
    package let attachedTime: UInt64
    /// What it was named by a call or its environment; nil: nothing.
    package let givenName: String?
    /// The kernel's name of it, at most 16 bytes: not its command line.
    package let command: String
    package let isAlive: Bool

    /// What it is shown as.
    package var name: String { givenName ?? command }
}

/// Who holds the process slots of a store.
package struct SlotHolders: ~Copyable {
    private var probe: LivenessProbe
    private let slots: ProcessSlots

    /// Of a store.
    /// - Throws: `notFound`, `foreign`, `damaged`, `system`.
    package init(_ source: any SegmentSource) throws(StoreError) {
        guard let first = try source.segment(0) else {
            throw StoreError(.notFound, "there is no store in \(source.directory)")
        }
        probe = try LivenessProbe(directory: source.directory, segment: first)
        slots = ProcessSlots(first)
    }

    /// Whether a lease is held. A token of a damaged record may hold any bits.
    package mutating func isAlive(_ token: LeaseToken) -> Bool {
        !token.isNone && token.slot < slots.count && probe.isAlive(token)
    }

    /// Whether a process has the store open, with or without a slot.
    package var isStoreOpen: Bool { probe.isStoreOpen }

    /// The latest holder of each slot that ever had one.
    /// - Parameter source: the store's segments, where the names of processes are.
    package mutating func processes(in source: any SegmentSource) -> [ProcessEntry] {
        var processes: [ProcessEntry] = []
        for slot in 0..<slots.count {
            let token = slots.latest(slot)
            if token.isNone { continue }
            let address = slots.address(slot)
            func load(_ offset: Int) -> UInt64 { word(address + offset).pointee.load(ordering: .relaxed) }
            let command = withUnsafeBytes(of: (load(SlotLayout.command), load(SlotLayout.command + 8))) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            processes.append(
                .init(
                    slot: slot, generation: token.generation, pid: load(SlotLayout.pid),
                    pidNamespace: load(SlotLayout.pidNamespace), startTime: load(SlotLayout.startTime),
                    attachedTime: load(SlotLayout.attachedTime), givenName: slots.name(of: token, in: source),
                    command: command, isAlive: isAlive(token)))
        }
        return processes
    }
}
