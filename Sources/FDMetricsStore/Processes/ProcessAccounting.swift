// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// A process that holds a lease, as the kernel describes it.
package struct LiveProcess {
    package let token: LeaseToken
    package let pid: UInt64
    package let status: ProcessStatus
    /// CPU time that `ProcessAccounting` has in its total already, in clock ticks.
    package let accountedTicks: UInt64

    /// How many file descriptors it has; nil: this process may not see them.
    package var openFiles: UInt64? {
        guard let entries = CFDMetricsLinux_open_entries("/proc/\(pid)/fd") else { return nil }
        defer { CFDMetricsLinux_close_entries(entries) }
        var count: UInt64 = 0
        while let entry = CFDMetricsLinux_next_entry(entries) {
            // "." and ".." do not count, and neither does what this very listing has open.
            if entry.pointee != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 }
        }
        return pid == UInt64(CFDMetricsLinux_getpid()) && count > 0 ? count - 1 : count
    }

    /// How many it may have (the soft limit); nil: unlimited, or not to be seen.
    package var maxFiles: UInt64? {
        guard let text = readSmallFile("/proc/\(pid)/limits") else { return nil }
        for line in text.split(separator: 10) where line.starts(with: Array("Max open files".utf8)) {
            let words = line.split(separator: UInt8(ascii: " "))
            return words.count > 3 ? UInt64(String(decoding: words[3], as: UTF8.self)) : nil
        }
        return nil
    }
}

/// What all processes of a store, alive and dead, have used.
///
/// A process need not do anything for it: whoever renders asks the kernel about the live ones, and adds what each has used
/// since it was last asked to a total in the store. So the CPU time of a process stays in the total when it is dead, all
/// but what it used after it was last asked; an ordinary exit of a process that holds the default store asks once more.
///
/// Thread-safe. Of several that ask at once, only the one whose exchange moves a slot's word (generation, ticks) adds the difference.
package struct ProcessAccounting: @unchecked Sendable {
    private let slots: ProcessSlots
    private static let ticksMask: UInt64 = 1 << 40 - 1

    package init(_ segment: UnsafeMutablePointer<Segment>) { slots = ProcessSlots(segment) }

    /// CPU time that is accounted for, in clock ticks.
    package var totalTicks: UInt64 {
        slots.segment.pointee.header(HeaderLayout.cpuTicks).pointee.load(ordering: .relaxed)
    }

    /// The live processes that this one can see: those of its pid namespace.
    package func liveProcesses(_ probe: inout LivenessProbe) -> [LiveProcess] {
        let namespace = ProcessStatus.namespace(of: "self")
        return probe.liveLeases().compactMap { token in
            let address = slots.address(token.slot)
            func load(_ offset: Int) -> UInt64 { word(address + offset).pointee.load(ordering: .relaxed) }
            let pid = load(SlotLayout.pid)
            // The pid is only a hint: with the time of its start it names one process.
            guard load(SlotLayout.pidNamespace) == namespace, let status = ProcessStatus(pid: pid),
                status.startTime == load(SlotLayout.startTime)
            else { return nil }
            return LiveProcess(
                token: token, pid: pid, status: status,
                accountedTicks: known(load(SlotLayout.cpuAccounted), of: token))
        }
    }

    /// Adds to the total what a process has used and is not in it yet.
    package func account(_ token: LeaseToken, ticks: UInt64) {
        let accounted = word(slots.address(token.slot) + SlotLayout.cpuAccounted)
        var old = accounted.pointee.load(ordering: .relaxed)
        // The slot has another holder by now, whose word this is.
        while slots.latest(token.slot) == token {
            let known = known(old, of: token)
            if ticks <= known { return }
            let result = accounted.pointee.compareExchange(
                expected: old, desired: tag(token) | ticks & Self.ticksMask, ordering: .relaxed)
            if result.exchanged {
                slots.segment.pointee.header(HeaderLayout.cpuTicks).pointee.wrappingAdd(
                    ticks - known, ordering: .relaxed)
                return
            }
            old = result.original
        }
    }

    private func tag(_ token: LeaseToken) -> UInt64 { UInt64(token.generation & 0xFF_FFFF) << 40 }

    /// What a slot's word says of a holder; 0 where it is about an earlier one.
    private func known(_ bits: UInt64, of token: LeaseToken) -> UInt64 {
        bits & ~Self.ticksMask == tag(token) ? bits & Self.ticksMask : 0
    }
}

extension Store {
    /// Adds what this process has used to the total: at its exit.
    package func accountOwnTime() {
        let token = LeaseToken(bits: ownToken)
        if token.isNone { return }
        if let status = ProcessStatus.own { ProcessAccounting(firstSegment).account(token, ticks: status.cpuTicks) }
    }
}
