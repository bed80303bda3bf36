// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

/// What the kernel says of a process in /proc/<pid>/stat: see proc(5).
package struct ProcessStatus {
    /// One letter (field 3): R, S, D, T and so on.
    package let state: String
    /// User and system time, in clock ticks (field 14 and 15).
    package let cpuTicks: UInt64
    /// Field 20.
    package let threads: UInt64
    /// When it started, in clock ticks since boot (field 22). With the pid it names one process.
    package let startTime: UInt64
    /// Bytes (field 23).
    package let virtualMemory: UInt64
    /// Pages (field 24).
    package let residentPages: UInt64

    /// Of a process of this pid namespace; nil: there is none, or no /proc.
    package init?(pid: UInt64) { self.init(path: "/proc/\(pid)/stat") }

    /// Of this process.
    package static var own: ProcessStatus? { ProcessStatus(path: "/proc/self/stat") }

    private init?(path: String) {
        // The command, which may hold anything, ends at the last ")"; field 3 comes next.
        guard let text = readSmallFile(path), let end = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = text[(end + 1)...].split(separator: UInt8(ascii: " "))
        func field(_ number: Int) -> UInt64? {
            number - 3 < fields.count ? UInt64(String(decoding: fields[number - 3], as: UTF8.self)) : nil
        }
        guard let user = field(14), let system = field(15), let threads = field(20), let start = field(22),
            let virtual = field(23), let resident = field(24)
        else { return nil }
        state = String(decoding: fields[0], as: UTF8.self)
        cpuTicks = user &+ system
        self.threads = threads
        startTime = start
        virtualMemory = virtual
        residentPages = resident
    }

    /// The inode of a process's pid namespace; nil: not to be known.
    package static func namespace(of process: String) -> UInt64? {
        var info = CFDMetricsLinux_file()
        return CFDMetricsLinux_stat("/proc/\(process)/ns/pid", &info) == 0 ? info.inode : nil
    }
}
