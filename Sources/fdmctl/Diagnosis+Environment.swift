// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Glibc

extension Diagnosis {
    /// Whether the variables contradict each other.
    /// - Parameter process: whose environment it is; nil: this tool's.
    mutating func checkVariables(_ environment: ServiceEnvironment, of process: InspectedProcess? = nil) {
        func path(_ directory: String) -> String { process?.path(directory) ?? directory }
        let own = environment[StoreDirectory.variable], prometheus = environment[StoreDirectory.prometheusVariable]
        if let own, let prometheus, own != prometheus, !isSameFile(path(own), path(prometheus)) {
            warn(
                "environment", environment.owner,
                "\(StoreDirectory.variable) is \(own) and \(StoreDirectory.prometheusVariable) is \(prometheus)",
                "fdmetrics uses the former, prometheus_client the latter; set both to one directory, or unset one")
        }
        guard let (variable, directory) = environment.configured, !directory.hasPrefix("/") else { return }
        if let process, process.usesConfigured(directory) {
            remarks.append(
                "\(variable) of \(environment.owner) is \(directory), a relative path: "
                    + "one that is started in another directory uses another store")
        } else {
            warn(
                "environment", environment.owner, "\(variable) is \(directory), a relative path",
                "processes with other working directories use other stores; set an absolute path")
        }
    }

    /// A process: its environment, and the stores that it really uses.
    mutating func examine(process pid: UInt64, expecting expected: String?) {
        let subject = "process \(pid)"
        guard fileStatus("/proc/\(pid)") != nil else {
            error("process", subject, "there is no such process", "look for the service's processes with ps")
            return
        }
        guard let entries = readFile("/proc/\(pid)/environ"), let maps = readFile("/proc/\(pid)/maps") else {
            let reason = errorText(errno)
            let owner = fileStatus("/proc/\(pid)").map { userName($0.st_uid) } ?? "another user"
            error(
                "process", subject, "its environment cannot be read (\(reason))",
                geteuid() == 0
                    ? "root needs the capability CAP_SYS_PTRACE for that, which a container may lack"
                    : "run fdmctl as \(owner) or as root")
            return
        }
        let process = InspectedProcess(pid: pid, environment: entries, maps: maps)
        checkVariables(process.environment, of: process)
        if process.isElsewhere {
            remarks.append(
                "\(subject) has another mount namespace: its directories are looked at below \(process.root)")
        }
        // What it had of a store that was deleted stays mapped when it has moved to the one that is there now.
        for file in process.deletedSegments where !process.hasMoved(from: file) {
            error(
                "process", subject, "still records into \(file), which was removed",
                "restart it: nobody else finds what it records")
        }
        var directories = process.storeDirectories
        if let expected {
            checkUse(of: expected, by: process)
            directories = [expected]
        } else {
            checkConfigured(process)
            if directories.isEmpty, let (_, configured) = process.environment.configured {
                directories = [process.path(configured)]
            }
        }
        for directory in directories {
            examine(ServiceDirectory(directory, process.environment, user: process.user))
        }
    }

    /// Whether a process uses the directory that it should.
    private mutating func checkUse(of expected: String, by process: InspectedProcess) {
        let subject = "process \(process.pid)"
        if process.uses(expected) {
            remarks.append("\(subject) uses \(expected)")
            return
        }
        if !process.storeDirectories.isEmpty {
            let used = process.storeDirectories.joined(separator: ", ")
            let named = process.environment.configured.map { process.path($0.directory) }
            let isNamed = named.map { $0 == expected || isSameFile($0, expected) } ?? false
            let isFallback = isNamed && !process.automaticDirectories.isEmpty
            error(
                "process", subject, "uses \(used), not \(expected)",
                isFallback ? "\(expected) \(Self.adviceForFallback)" : adviceForOther(process))
        } else if let (variable, directory) = process.environment.configured {
            if isSameFile(process.path(directory), expected) {
                warnUnused(process, "\(variable) is \(directory)")
            } else {
                error("process", subject, "its \(variable) is \(directory), not \(expected)", adviceForOther(process))
            }
        } else {
            error(
                "process", subject, "uses no store, and no variable leads it to \(expected)", adviceForOther(process))
        }
    }

    private func adviceForOther(_ process: InspectedProcess) -> String {
        process.isElsewhere
            ? "start all processes with the same \(StoreDirectory.variable), on a volume that their containers share"
            : "start all processes with the same \(StoreDirectory.variable)"
    }

    private static let adviceForFallback =
        "could not be used when the process attached, unless the program changes the variable; its log says why"

    /// Whether a process uses what its environment says.
    private mutating func checkConfigured(_ process: InspectedProcess) {
        let subject = "process \(process.pid)"
        let used = process.storeDirectories
        guard let (variable, directory) = process.environment.configured else {
            if used.isEmpty {
                error(
                    "process", subject, "uses no store, and its environment names none",
                    "make it import fdmetrics and record something, or look at another process")
            } else {
                remarks.append("\(subject) uses \(used.joined(separator: ", "))")
            }
            return
        }
        if used.isEmpty {
            warnUnused(process, "\(variable) is \(directory)")
        } else if process.usesConfigured(directory) {
            remarks.append("\(subject) uses \(used.joined(separator: ", ")), its \(variable)")
        } else if !process.automaticDirectories.isEmpty {
            let automatic = process.automaticDirectories.joined(separator: ", ")
            warn(
                "process", subject,
                "was started with \(variable)=\(directory) but uses \(automatic), a directory that the library named",
                "\(directory) \(Self.adviceForFallback)")
        } else {
            warn(
                "process", subject,
                "was started with \(variable)=\(directory) but uses \(used.joined(separator: ", "))",
                "look for what opens a store by its path, or changes the variable, in the program")
        }
    }

    private mutating func warnUnused(_ process: InspectedProcess, _ setting: String) {
        warn(
            "process", "process \(process.pid)", "\(setting), but it has no store open",
            "it has recorded nothing yet; see that it imports fdmetrics and registers a metric")
    }
}
