// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
import FDMetricsInspection
import FDMetricsStore
import Glibc

extension ProcessSample {
    /// Its command line, or where that may not be read, the kernel's name of it.
    fileprivate var command: String {
        guard status != nil, let text = readFile("/proc/\(entry.pid)/cmdline") else { return entry.command }
        let words = text.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        guard let first = words.first else { return entry.command }
        // The program without its folder: what differs between processes comes later.
        let name = first.split(separator: "/").last.map(String.init) ?? first
        return ([name] + words.dropFirst()).joined(separator: " ")
    }
}

/// What `fdmctl top` shows of the processes: two samples turned into rows.
struct TopProcesses {
    struct Row {
        let slot: Int
        let pid: UInt64
        /// "alive", "stopped", "dead".
        let state: String
        let isAlive: Bool
        /// Seconds since its start.
        let uptime: Double?
        /// Of one CPU, in percent, since the earlier sample.
        let cpu: Double?
        let residentBytes: Double?
        let threads: UInt64?
        /// What it was named, or else the kernel's name of it.
        let name: String
        /// Whether it was given a name.
        let isNamed: Bool
        let command: String
    }

    /// By slot, the live ones first.
    let rows: [Row]

    /// - Parameters:
    ///   - interval: seconds between the samples.
    ///   - sinceBoot: seconds, now.
    init(_ now: [ProcessSample], since before: [ProcessSample]?, interval: Double?, sinceBoot: Double) {
        let tick = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        let page = Double(sysconf(Int32(_SC_PAGESIZE)))
        let known = Dictionary(
            (before ?? []).map { ([UInt64($0.entry.slot), UInt64($0.entry.generation)], $0) },
            uniquingKeysWith: { first, _ in first })
        let rows = now.map { sample in
            let entry = sample.entry
            let old = known[[UInt64(entry.slot), UInt64(entry.generation)]]?.status?.cpuTicks
            var cpu: Double?
            if let ticks = sample.status?.cpuTicks, let old, let interval, interval > 0 {
                cpu = Double(ticks - min(ticks, old)) / tick / interval * 100
            }
            return Row(
                slot: entry.slot, pid: entry.pid, state: sample.state, isAlive: entry.isAlive,
                uptime: entry.isAlive ? sinceBoot - Double(entry.startTime) / tick : nil,
                cpu: cpu,
                residentBytes: sample.status.map { Double($0.residentPages) * page }, threads: sample.status?.threads,
                name: entry.name, isNamed: entry.givenName != nil, command: sample.command)
        }
        self.rows = rows.filter(\.isAlive) + rows.filter { !$0.isAlive }
    }

    /// Seconds since this host's boot, in which the kernel says when a process started.
    static var sinceBoot: Double {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
