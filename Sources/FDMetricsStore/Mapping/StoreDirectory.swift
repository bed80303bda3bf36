// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Glibc
import Synchronization

/// Which directory a store is in, and whether that directory may be used.
package enum StoreDirectory {
    package static let variable = "FDMETRICS_DIR"
    package static let prometheusVariable = "PROMETHEUS_MULTIPROC_DIR"
    package static let plannedVariable = "FDMETRICS_AUTO_DIR"
    package static let rootVariable = "FDMETRICS_AUTO_PID"
    package static let networkVariable = "FDMETRICS_ALLOW_NETWORK_FS"

    private static func environment(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    // The answers, once given: C strings that live as long as the process. 0: not yet.
    private static let decided = Atomic<UInt>(0)
    private static let planned = Atomic<UInt>(0)

    /// The process's directory, decided at the first call; the name is put into the environment before anything else, so
    /// that every child process shares it. See fdm_default_directory in the C header for the rule.
    package static func defaultDirectory() -> UnsafePointer<CChar> {
        if let known = UnsafePointer<CChar>(bitPattern: decided.load(ordering: .acquiring)) { return known }
        let directory = environment(variable) ?? environment(prometheusVariable) ?? String(cString: plan())
        return settle(directory, in: decided, environment: variable)
    }

    /// A name for the case that nobody sets a directory: an ancestor's, or a new one with a random UUID.
    package static func plan() -> UnsafePointer<CChar> {
        if let known = UnsafePointer<CChar>(bitPattern: planned.load(ordering: .acquiring)) { return known }
        let inherited = environment(plannedVariable)
        if inherited == nil { setenv(rootVariable, String(getpid()), 1) }
        return settle(inherited ?? newName(), in: planned, environment: plannedVariable)
    }

    /// Whether this process is the root of those that share the name: then it removes the directory at its end. Not the one
    /// that made the store, which may be a short-lived child while others have not attached yet.
    package static var isRoot: Bool { environment(rootVariable) == String(getpid()) }

    /// Whether the directory is one that this library named.
    package static func isAutomatic(_ directory: String) -> Bool {
        let automatic = UnsafePointer<CChar>(bitPattern: planned.load(ordering: .acquiring)).map { String(cString: $0) }
        return directory == (automatic ?? environment(plannedVariable))
    }

    /// Of two threads that answer at once, one wins and both give its answer.
    private static func settle(
        _ directory: String, in answer: borrowing Atomic<UInt>, environment name: String
    ) -> UnsafePointer<CChar> {
        let text = strdup(directory)!
        let result = answer.compareExchange(
            expected: 0, desired: UInt(bitPattern: text), ordering: .acquiringAndReleasing)
        guard result.exchanged else {
            free(text)
            return UnsafePointer(bitPattern: result.original).unsafelyUnwrapped
        }
        setenv(name, text, 1)
        return UnsafePointer(text)
    }

    private static func newName() -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        if CFDMetricsLinux_random(&bytes, 16) != 0 {
            // A kernel without getrandom cannot run this library; the name only has to be unlikely to exist.
            let time = realTime() ^ UInt64(getpid()) << 40
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
        let candidates: [String] = ["/dev/shm", environment("TMPDIR") ?? "/tmp"]
        let parent = candidates.first { access($0, W_OK | X_OK) == 0 } ?? "/tmp"
        return "\(parent)/fdmetrics-\(name)"
    }

    /// Makes the directory where it is missing (mode 0700, parents too) and says whether a store may be in it.
    /// - Returns: its absolute path.
    package static func prepare(_ directory: String) throws(StoreError) -> String {
        if directory.unicodeScalars.contains("\u{FFFD}") {
            throw StoreError(
                .invalidArgument,
                "the store's directory \(directory) is not valid UTF-8: set \(variable) to a name that is")
        }
        if directory.isEmpty { throw StoreError(.invalidArgument, "the store's directory is empty: give a path") }
        try makeDirectories(directory)
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0 {
            throw errno == ENOTDIR
                ? StoreError(.directory, "\(directory) is not a directory: set \(variable) to one", errno: ENOTDIR)
                : .system("cannot open the store's directory \(directory)", errno)
        }
        defer { close(descriptor) }
        try checkOwner(descriptor, directory)
        try checkFileSystem(descriptor, directory)
        return try absolute(directory)
    }

    package static func absolute(_ directory: String) throws(StoreError) -> String {
        guard let path = realpath(directory, nil) else { throw .system("cannot resolve \(directory)", errno) }
        defer { free(path) }
        return String(cString: path)
    }

    private static func makeDirectories(_ directory: String) throws(StoreError) {
        if mkdir(directory, 0o700) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = directory.lastIndex(of: "/"), slash != directory.startIndex else {
            throw .system("cannot create the store's directory \(directory)", errno)
        }
        try makeDirectories(String(directory[..<slash]))
        if mkdir(directory, 0o700) != 0, errno != EEXIST {
            throw .system("cannot create the store's directory \(directory)", errno)
        }
    }

    private static func checkOwner(_ descriptor: Int32, _ directory: String) throws(StoreError) {
        var info = stat()
        if fstat(descriptor, &info) != 0 { throw .system("cannot stat \(directory)", errno) }
        if info.st_uid != geteuid() {
            throw StoreError(
                .directory,
                "\(directory) belongs to user \(info.st_uid), this process runs as user \(geteuid()): use a directory of its own"
            )
        }
        if info.st_mode & 0o022 != 0 {
            throw StoreError(
                .directory,
                "\(directory) may be written by others (mode \(String(info.st_mode & 0o7777, radix: 8))): chmod go-w it, or set "
                    + "\(variable) to a directory of mode 0700")
        }
    }

    /// Magic numbers of statfs(2), from linux/magic.h and the file systems' own headers.
    private static let networkFileSystems: [Int64: String] = [
        0x6969: "NFS", 0x517B: "SMB", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB2", 0x0102_1997: "9P", 0x00C3_6400: "Ceph",
        0x6573_5546: "FUSE", 0x5346_414F: "AFS", 0x0BD0_0BD0: "Lustre", 0x7375_7245: "Coda", 0x564C: "NCP",
    ]

    /// The kind of network file system that a directory is on; nil: a local one, or not to be known.
    package static func networkFileSystem(of directory: String) -> String? {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0 { return nil }
        defer { close(descriptor) }
        return networkFileSystems[CFDMetricsLinux_file_system_type(descriptor)]
    }

    private static func checkFileSystem(_ descriptor: Int32, _ directory: String) throws(StoreError) {
        let type = CFDMetricsLinux_file_system_type(descriptor)
        if let name = networkFileSystems[type], environment(networkVariable) != "1" {
            throw StoreError(
                .directory,
                "\(directory) is on a network file system (\(name)), where processes of several hosts could write to one store: "
                    + "set \(variable) to a local directory such as /dev/shm/NAME, or \(networkVariable)=1 if this host alone uses it"
            )
        }
    }
}
