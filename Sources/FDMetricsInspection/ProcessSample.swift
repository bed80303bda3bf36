// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import FDMetricsExposition
package import FDMetricsStore

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
        var holders = try SlotHolders(source)
        let namespace = ProcessStatus.namespace(of: "self")
        return holders.processes(in: source).map { entry in
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
