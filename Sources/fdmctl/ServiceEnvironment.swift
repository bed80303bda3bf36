// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Glibc

/// The environment that decides which store a process uses: this tool's own, or another process's.
struct ServiceEnvironment {
    /// "this shell" or "process 12".
    let owner: String
    private let values: [String: String]

    /// That of this tool, which it has from the shell.
    static var own: ServiceEnvironment {
        ServiceEnvironment(owner: "this shell", entries: readFile("/proc/self/environ") ?? [])
    }

    /// - Parameter entries: as in /proc/PID/environ: NAME=value, each with a zero at its end.
    init(owner: String, entries: [UInt8]) {
        self.owner = owner
        var values: [String: String] = [:]
        for entry in entries.split(separator: 0) {
            guard let sign = entry.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let value = entry[entry.index(after: sign)...]
            if !value.isEmpty {
                values[String(decoding: entry[..<sign], as: UTF8.self)] = String(decoding: value, as: UTF8.self)
            }
        }
        self.values = values
    }

    /// A variable's value; nil: unset or empty, which is the same to the library.
    subscript(_ name: String) -> String? { values[name] }

    /// The directory by the library's rule, and the variable that says it; nil: none does.
    var configured: (variable: String, directory: String)? {
        for name in StoreDirectory.directoryVariables + [StoreDirectory.plannedVariable] {
            if let directory = self[name] { return (name, directory) }
        }
        return nil
    }
}

/// A store in a directory that the library named by itself.
struct AutomaticStore {
    let directory: String
    let owner: uid_t
    /// Whether its files can be opened by this user.
    let isReadable: Bool

    /// Where the library makes them: in /dev/shm, or where that is not writable in TMPDIR.
    private static func parents(_ environment: ServiceEnvironment) -> [String] {
        ["/dev/shm", environment["TMPDIR"] ?? "/tmp"]
    }

    /// What their names are like: /dev/shm/fdmetrics-*, /tmp/fdmetrics-*
    static func pattern(_ environment: ServiceEnvironment) -> String {
        parents(environment).map { "\($0)/fdmetrics-*" }.joined(separator: ", ")
    }

    /// Those of this host.
    static func all(_ environment: ServiceEnvironment) -> [AutomaticStore] {
        parents(environment).flatMap { parent in
            (directoryEntries(parent) ?? []).filter { $0.hasPrefix("fdmetrics-") }.compactMap { name in
                let path = "\(parent)/\(name)"
                guard let status = fileStatus(path, followingLink: false), status.st_mode & S_IFMT == S_IFDIR else {
                    return nil
                }
                let file = "\(path)/\(StoreFormat.fileName(segment: 0))"
                let isReadable = access(file, R_OK) == 0
                return isReadable || errno == EACCES
                    ? AutomaticStore(directory: path, owner: status.st_uid, isReadable: isReadable) : nil
            }
        }
    }
}

/// Why there is no directory to look at, as a sentence.
struct NoDirectory: Error {
    let message: String
}

/// Which directory a command looks at that was given none: the configured one; else the only automatic store that there
/// is, or that live processes hold.
func chosenDirectory(_ argument: String?, _ environment: ServiceEnvironment) throws(NoDirectory) -> String {
    if let directory = argument ?? environment.configured?.directory { return directory }
    let stores = AutomaticStore.all(environment).filter(\.isReadable).map(\.directory)
    if stores.count == 1 { return stores[0] }
    let live = stores.filter { directory in
        guard let reader = try? StoreReader(directory: directory), let first = try? reader.segment(0),
            var probe = try? LivenessProbe(directory: reader.directory, segment: first)
        else { return false }
        return !probe.liveLeases().isEmpty
    }
    if live.count == 1 { return live[0] }
    let variables = "\(StoreDirectory.variable) and \(StoreDirectory.prometheusVariable) are unset"
    if stores.isEmpty {
        throw NoDirectory(message: "\(variables), and there is no automatic store: name the service's directory")
    }
    throw NoDirectory(
        message: "\(variables), and there are several automatic stores: name one of \(stores.joined(separator: ", "))")
}

/// The name of a user, or the number where there is none.
func userName(_ user: uid_t) -> String {
    guard let entry = getpwuid(user) else { return "user \(user)" }
    return "user \(String(cString: entry.pointee.pw_name)) (\(user))"
}
