// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Glibc

/// A directory that a service uses, or should.
struct ServiceDirectory {
    let path: String
    let environment: ServiceEnvironment
    /// Who runs the service; nil: not known.
    let user: uid_t?

    init(_ path: String, _ environment: ServiceEnvironment, user: uid_t? = nil) {
        self.path = path
        self.environment = environment
        self.user = user
    }
}

extension Diagnosis {
    /// The directory itself and what is in it. False: there is no looking for a store in it.
    mutating func check(_ directory: ServiceDirectory) -> Bool {
        let path = directory.path
        guard let status = fileStatus(path) else {
            if errno == EACCES {
                error(
                    "permissions", path, "cannot be reached: a directory above it may not be searched",
                    "run fdmctl as the service's user or as root")
            } else {
                error(
                    "missing", path, "is not there (\(errorText(errno)))",
                    "start the service with this directory, or look at the one that it uses (--pid tells)")
            }
            return false
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            error("missing", path, "is not a directory", "set \(StoreDirectory.variable) to a directory")
            return false
        }
        checkOwner(directory, status)
        checkFileSystem(directory)
        guard let names = directoryEntries(path) else {
            error(
                "permissions", path, "cannot be read (\(errorText(errno)))",
                "run fdmctl as \(userName(status.st_uid)) or as root")
            return false
        }
        checkFiles(path, names, owner: status.st_uid)
        if !names.contains(StoreFormat.fileName(segment: 0)) {
            error(
                "no-store", path, "has no store in it (no \(StoreFormat.fileName(segment: 0)))",
                "see that the service is started with this directory and has registered a metric")
            return false
        }
        return true
    }

    private mutating func checkOwner(_ directory: ServiceDirectory, _ status: stat) {
        let path = directory.path
        if status.st_mode & 0o022 != 0 {
            error(
                "permissions", path, "may be written by others (mode \(String(status.st_mode & 0o7777, radix: 8)))",
                "the library refuses it; chmod go-w it, or use a directory of mode 0700")
        }
        if let user = directory.user, user != status.st_uid {
            error(
                "owner", path, "belongs to \(userName(status.st_uid)), the process runs as \(userName(user))",
                "the library refuses it; run all processes as one user, or give each user a directory")
        }
    }

    private mutating func checkFileSystem(_ directory: ServiceDirectory) {
        let path = directory.path
        if let kind = StoreDirectory.networkFileSystem(of: path) {
            let problem = "is on a network file system (\(kind)), which other hosts may write to"
            if directory.environment[StoreDirectory.networkVariable] == "1" {
                warn("network", path, problem, "make sure that this host alone uses it")
            } else {
                error("network", path, problem, "the library refuses it; use a local directory such as /dev/shm/NAME")
            }
        }
        var space = statvfs()
        guard statvfs(path, &space) == 0 else { return }
        let unit = UInt64(max(space.f_frsize, 1))
        let available = UInt64(space.f_bavail) * unit, total = UInt64(space.f_blocks) * unit
        let advice = "make room or a larger file system; until then new series are dropped"
        if available < Self.smallestStep {
            error(
                "disk-full", path, "its file system is full: \(byteText(available)) of \(byteText(total)) left", advice)
        } else if available < Self.littleSpace || available < total / 50 && available < Self.muchSpace {
            warn(
                "disk-full", path, "its file system is nearly full: \(byteText(available)) of \(byteText(total)) left",
                advice)
        }
        // File systems that have no fixed number of inodes say 0.
        if space.f_files > 0, space.f_favail < 64 {
            let problem = "its file system has \(space.f_favail) of \(space.f_files) inodes left"
            let advice = "remove files; a store needs one for each of up to \(StoreFormat.maxSegments) segments"
            if space.f_favail == 0 {
                error("disk-full", path, problem, advice)
            } else {
                warn("disk-full", path, problem, advice)
            }
        }
    }

    /// What registering a few series takes: a step of records, and one in each lane.
    private static var smallestStep: UInt64 { UInt64(StoreFormat.reserveStep * (StoreFormat.maxLanes + 1)) }
    /// A service's later segments begin with that much.
    private static var littleSpace: UInt64 { 4 << 20 }
    private static var muchSpace: UInt64 { 256 << 20 }

    private mutating func checkFiles(_ path: String, _ names: [String], owner: uid_t) {
        let databases = names.filter { $0.hasSuffix(".db") }
        let temporary = names.filter { $0.hasPrefix(".fdmetrics-") }
        let others = names.filter {
            !InspectedProcess.isSegment($0) && !$0.hasSuffix(".db") && !$0.hasPrefix(".fdmetrics-")
        }
        if !databases.isEmpty {
            warn(
                "foreign-files", path, "has files of prometheus_client (\(list(databases)))",
                "a process records into them and not into the store; install fdmetrics there, or remove them if they are old"
            )
        }
        if !others.isEmpty {
            warn("foreign-files", path, "has other files (\(list(others)))", "give the store a directory of its own")
        }
        let old = temporary.filter { name in
            fileStatus("\(path)/\(name)").map { time(nil) - $0.st_mtim.tv_sec > 60 } ?? false
        }
        if !old.isEmpty {
            warn(
                "foreign-files", path, "has segments that were never finished (\(list(old)))",
                "a process was killed while making them; remove them")
        }
        for name in names where InspectedProcess.isSegment(name) {
            guard let status = fileStatus("\(path)/\(name)", followingLink: false) else { continue }
            if status.st_mode & S_IFMT == S_IFREG, status.st_uid != owner {
                error(
                    "owner", "\(path)/\(name)",
                    "belongs to \(userName(status.st_uid)), its directory to \(userName(owner))",
                    "run all processes of the service as one user")
            }
        }
    }

    private func list(_ names: [String]) -> String {
        let first = names.prefix(3).joined(separator: ", ")
        return names.count > 3 ? "\(first) and \(names.count - 3) more" : first
    }
}
