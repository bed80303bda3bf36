// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import FDMetrics
import FDMetricsStore

/// The metrics of the processes themselves, under the names that all of Prometheus' client libraries use
/// (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics), and `process_threads`.
///
/// They are read from /proc when the store is rendered, for every live process that holds it: a process does nothing for
/// them. Over all processes: sums, and the earliest start. By worker: one sample for each process slot.
struct ProcessMetrics {
    private let processes: [LiveProcess]
    /// CPU time of all processes that ever were, in clock ticks.
    private let totalTicks: UInt64
    private let byWorker: Bool

    /// Asks the kernel. A source that records accounts for the CPU time that it sees; one that only reads adds it up.
    init(_ source: any SegmentSource, byWorker: Bool) throws(StoreError) {
        self.byWorker = byWorker
        guard let segment = try source.segment(0) else {
            (processes, totalTicks) = ([], 0)
            return
        }
        var probe = try LivenessProbe(directory: source.directory, segment: segment)
        let accounting = ProcessAccounting(segment)
        processes = accounting.liveProcesses(&probe)
        try probe.throwIfUnanswered(source.directory)
        if source is Store {
            for process in processes { accounting.account(process.token, ticks: process.status.cpuTicks) }
            totalTicks = accounting.totalTicks
        } else {
            totalTicks = processes.reduce(accounting.totalTicks) { total, process in
                total &+ (process.status.cpuTicks - min(process.status.cpuTicks, process.accountedTicks))
            }
        }
    }

    /// The families, by name.
    func families() -> [FamilySnapshot] {
        let tick = Double(max(1, CFDMetricsLinux_ticks_per_second()))
        let page = Double(CFDMetricsLinux_page_size())
        return [
            family(.counter, "process_cpu_seconds", "Total user and system CPU time spent in seconds.") {
                Double($0.status.cpuTicks) / tick
            } over: { _ in
                Double(totalTicks) / tick
            },
            family(.gauge, "process_max_fds", "Maximum number of open file descriptors.") {
                $0.maxFiles.map { Double($0) }
            },
            family(.gauge, "process_open_fds", "Number of open file descriptors.") { $0.openFiles.map { Double($0) } },
            family(.gauge, "process_resident_memory_bytes", "Resident memory size in bytes.") {
                Double($0.status.residentPages) * page
            },
            family(.gauge, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.") {
                process in
                BootTime.seconds.map { $0 + Double(process.status.startTime) / tick }
            } over: {
                $0.min()
            },
            family(.gauge, "process_threads", "Number of OS threads.") { Double($0.status.threads) },
            family(.gauge, "process_virtual_memory_bytes", "Virtual memory size in bytes.") {
                Double($0.status.virtualMemory)
            },
        ]
    }

    private func family(
        _ type: MetricType, _ name: String, _ help: String, _ value: (LiveProcess) -> Double?,
        over combine: ([Double]) -> Double? = { $0.reduce(0, +) }
    ) -> FamilySnapshot {
        let descriptor = FamilyDescriptor(
            type: type, name: name, help: help, gaugeMode: type == .gauge ? .liveAll : nil)
        var snapshot = FamilySnapshot(plan: GatherPlan.FamilyPlan(descriptor))
        func append(_ value: Double, worker: Int, pid: UInt64) {
            snapshot.series.append(
                SeriesSnapshot(
                    text: UnsafeRawBufferPointer(start: nil, count: 0), first: snapshot.values.count, worker: worker,
                    pid: pid))
            snapshot.values.append(value)
        }
        if byWorker {
            for process in processes {
                if let value = value(process) { append(value, worker: process.token.slot, pid: process.pid) }
            }
        } else if let combined = combine(processes.compactMap(value)) {
            append(combined, worker: -1, pid: 0)
        }
        return snapshot
    }
}

/// When this host was booted.
private enum BootTime {
    /// Seconds since the epoch: `btime` of /proc/stat. nil where there is no such file.
    static let seconds: Double? = {
        guard let text = CFDMetricsLinux_value_in_line("/proc/stat", "btime ", "btime ") else { return nil }
        defer { CFDMetricsLinux_free(text) }
        return UInt64(String(cString: text)).map { Double($0) }
    }()
}
