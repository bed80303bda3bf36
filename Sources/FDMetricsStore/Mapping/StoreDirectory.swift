// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// Which directory a store is in, and whether that directory may be used.
package enum StoreDirectory {
    package static let variable = "FDMETRICS_DIR"
    package static let prometheusVariable = "PROMETHEUS_MULTIPROC_DIR"
    /// The older name, which prometheus_client takes where the other one is not set.
    package static let oldPrometheusVariable = "prometheus_multiproc_dir"
    /// The variables that name a directory, in the order in which they count.
    package static let directoryVariables = [variable, prometheusVariable, oldPrometheusVariable]
    package static let plannedVariable = "FDMETRICS_AUTO_DIR"
    package static let rootVariable = "FDMETRICS_AUTO_PID"
    package static let networkVariable = "FDMETRICS_ALLOW_NETWORK_FS"

    static func environment(_ name: String) -> String? {
        guard let value = CFDMetricsLinux_getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    // The answers, once given: C strings that live as long as the process. 0: not yet.
    private static let decided = Atomic<UInt>(0)
    private static let planned = Atomic<UInt>(0)

    /// The process's directory, decided at the first call; the name is put into the environment before anything else, so
    /// that every child process shares it. See fdm_default_directory in the C header for the rule.
    package static func defaultDirectory() -> UnsafePointer<CChar> {
        if let known = UnsafePointer<CChar>(bitPattern: decided.load(ordering: .acquiring)) { return known }
        let named = directoryVariables.lazy.compactMap { environment($0) }.first
        return settle(absoluteName(named ?? String(cString: plan())), in: decided, environment: variable)
    }

    /// A name for the case that nobody sets a directory: an ancestor's, or a new one with a random UUID.
    package static func plan() -> UnsafePointer<CChar> {
        if let known = UnsafePointer<CChar>(bitPattern: planned.load(ordering: .acquiring)) { return known }
        let inherited = environment(plannedVariable)
        if inherited == nil { _ = CFDMetricsLinux_set_environment(rootVariable, String(CFDMetricsLinux_getpid())) }
        return settle(inherited ?? newName(), in: planned, environment: plannedVariable)
    }

    /// Whether this process is the root of those that share the name: then it removes the directory at its end. Not the one
    /// that made the store, which may be a short-lived child while others have not attached yet.
    package static var isRoot: Bool { environment(rootVariable) == String(CFDMetricsLinux_getpid()) }

    /// Whether the directory is one that this library named.
    package static func isAutomatic(_ directory: String) -> Bool {
        let automatic = UnsafePointer<CChar>(bitPattern: planned.load(ordering: .acquiring)).map { String(cString: $0) }
        return directory == (automatic ?? environment(plannedVariable))
    }

    /// Of two threads that answer at once, one wins and both give its answer.
    private static func settle(
        _ directory: String, in answer: borrowing Atomic<UInt>, environment name: String
    ) -> UnsafePointer<CChar> {
        let text = CFDMetricsLinux_strdup(directory)!
        let result = answer.compareExchange(
            expected: 0, desired: UInt(bitPattern: text), ordering: .acquiringAndReleasing)
        guard result.exchanged else {
            CFDMetricsLinux_free(text)
            return UnsafePointer(bitPattern: result.original).unsafelyUnwrapped
        }
        // Without memory for it the children do not find the name; this process does.
        _ = CFDMetricsLinux_set_environment(name, text)
        return UnsafePointer(text)
    }

    /// A name as seen from the working directory of now, which may be another one later.
    static func absoluteName(_ directory: String) -> String {
        if directory.hasPrefix("/") || directory.isEmpty { return directory }
        guard let current = CFDMetricsLinux_getcwd() else { return directory }
        defer { CFDMetricsLinux_free(current) }
        return "\(String(cString: current))/\(directory)"
    }

    private static func newName() -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        if CFDMetricsLinux_random(&bytes, 16) != 0 {
            // A kernel without getrandom cannot run this library; the name only has to be unlikely to exist.
            let time = realTime() ^ UInt64(CFDMetricsLinux_getpid()) << 40
            for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: time >> (index * 8)) }
        }
        bytes[6] = bytes[6] & 0x0F | 0x40  // RFC 9562: version 4
        bytes[8] = bytes[8] & 0x3F | 0x80  // and variant
        var name = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { name += "-" }
            let digits = String(byte, radix: 16)
            name += digits.count == 1 ? "0" + digits : digits
        }
        return "\(automaticParent())/fdmetrics-\(name)"
    }

    /// Where automatic directories are: in /dev/shm, which is memory, unless logind may remove what is there; then in TMPDIR
    /// or /tmp, memory on many systems, and elsewhere a disk. Each is the other's substitute where it is not writable.
    private static func automaticParent() -> String {
        let temporary = environment("TMPDIR").flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/tmp"
        let places =
            isClearedAtLogout(user: CFDMetricsLinux_geteuid()) ? [temporary, "/dev/shm"] : ["/dev/shm", temporary]
        return places.first { CFDMetricsLinux_is_usable_directory($0) == 0 } ?? "/tmp"
    }

    /// Whether logind may remove a user's files from /dev/shm at the last logout, also those in use.
    ///
    /// It does so by default (RemoveIPC= in logind.conf(5)), but not with those of root and of the system's users. A user
    /// that it does not know may log in later, so that where systemd runs all others count; elsewhere (elogind) those whose
    /// sessions it knows. In a container neither is there.
    package static func isClearedAtLogout(user: UInt32) -> Bool {
        // The default of systemd, and of SYS_UID_MAX in login.defs(5).
        let lastSystemUser: UInt32 = 999
        if user <= lastSystemUser { return false }
        return CFDMetricsLinux_exists("/run/systemd/system") == 0
            || CFDMetricsLinux_exists("/run/systemd/users/\(user)") == 0
    }
}
