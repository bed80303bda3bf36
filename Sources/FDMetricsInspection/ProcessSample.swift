// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import FDMetricsStore

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

/// A process of a store at one moment: its latest holder of a slot, and what the kernel says of it.
package struct ProcessSample {
    package let entry: ProcessEntry
    /// nil: it is dead, or of another PID namespace.
    package let status: ProcessStatus?

    /// "alive", "stopped" (by a signal or a debugger) or "dead".
    package var state: String {
        if !entry.isAlive { return "dead" }
        return status?.state == "T" || status?.state == "t" ? "stopped" : "alive"
    }

    /// All that ever held a slot of the store, each slot's latest.
    package static func all(_ source: any SegmentSource) throws(StoreError) -> [ProcessSample] {
        guard let first = try source.segment(0) else { return [] }
        var liveness = Liveness(try LivenessProbe(directory: source.directory, segment: first), ProcessSlots(first))
        let namespace = ProcessStatus.namespace(of: "self")
        return liveness.processes(in: source).map { entry in
            var status: ProcessStatus?
            // The pid is only a hint: with the time of its start it names one process.
            if entry.isAlive, entry.pidNamespace == namespace, let found = ProcessStatus(pid: entry.pid),
                found.startTime == entry.startTime
            {
                status = found
            }
            return ProcessSample(entry: entry, status: status)
        }
    }
}
