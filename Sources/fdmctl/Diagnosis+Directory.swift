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
    /// The directory itself and what is in it.
    /// - Returns: the directory that has the store: this one, or one of a user or of this layout within it. nil: there is
    ///   no looking for a store.
    mutating func check(_ directory: ServiceDirectory) -> ServiceDirectory? {
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
            return nil
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            error("missing", path, "is not a directory", "set \(StoreDirectory.variable) to a directory")
            return nil
        }
        checkFileSystem(directory)
        checkRemoveIPC(directory, owner: status.st_uid)
        guard let names = directoryEntries(path) else {
            error(
                "permissions", path, "cannot be read (\(errorText(errno)))",
                "run fdmctl as \(userName(status.st_uid)) or as root")
            return nil
        }
        if isShared(directory, status, names) { return checkShared(directory, status) }
        checkFiles(path, names, owner: status.st_uid)
        checkSegments(path, owner: status.st_uid)
        return checkLayouts(directory, names)
    }

    /// Whether the store is not in the directory itself, but in one of a user within it.
    private func isShared(_ directory: ServiceDirectory, _ status: stat, _ names: [String]) -> Bool {
        if status.st_mode & 0o022 != 0 { return true }
        if let user = directory.user { return user != status.st_uid }
        // Whose service it is nobody has said: what is there tells.
        if names.contains(where: { $0 == StoreFormat.fileName(segment: 0) || StoreDirectory.isLayoutName($0) }) {
            return false
        }
        if !StoreDirectory.userDirectories(in: directory.path).isEmpty { return true }
        return status.st_uid != geteuid() && names.contains(StoreDirectory.privateName(geteuid()))
    }

    /// A directory that others may write to, or that belongs to another user: the store is in one of the user's within it.
    private mutating func checkShared(_ directory: ServiceDirectory, _ status: stat) -> ServiceDirectory? {
        let path = directory.path
        let why =
            status.st_mode & 0o022 != 0
            ? "may be written by others (mode \(String(status.st_mode & 0o7777, radix: 8)))"
            : "belongs to \(userName(status.st_uid))"
        let found = StoreDirectory.userDirectories(in: path)
        let user = directory.user ?? geteuid()
        let inner = "\(path)/\(StoreDirectory.privateName(user))"
        if let planted = fileStatus(inner, followingLink: false),
            planted.st_mode & S_IFMT != S_IFDIR || planted.st_uid != user
        {
            error(
                "planted", inner,
                "is in the place of the directory for the store of \(userName(user)), and is not theirs",
                "remove it, or set \(StoreDirectory.variable) to a directory of mode 0700")
            return nil
        }
        let chosen = directory.user == nil && !found.contains(inner) && found.count == 1 ? found[0] : inner
        if found.contains(chosen) || fileStatus(chosen) != nil {
            remarks.append("\(path) \(why): the store is in \(chosen)")
            return check(ServiceDirectory(chosen, directory.environment, user: directory.user))
        }
        if let user = directory.user, user != status.st_uid, status.st_mode & 0o022 == 0 {
            error(
                "owner", path, "belongs to \(userName(status.st_uid)), the process runs as \(userName(user))",
                "no store can be made in it, and an automatic directory serves; give the user a directory it may write to"
            )
        } else if found.count > 1 {
            error(
                "no-store", path, "\(why), and has the stores of \(found.count) users",
                "name one of \(found.joined(separator: ", "))")
        } else {
            error(
                "no-store", path, "\(why), and has no store in it (no \(StoreDirectory.privateName(user)))",
                "see that the service is started with this directory and has registered a metric")
        }
        return nil
    }

    /// Stores of other layouts, and what was set aside.
    private mutating func checkLayouts(_ directory: ServiceDirectory, _ names: [String]) -> ServiceDirectory? {
        let path = directory.path
        if names.contains(StoreDirectory.asideName) {
            remarks.append("\(path)/\(StoreDirectory.asideName) has a store that could not be used any more")
        }
        let located = (try? StoreDirectory.locate(path)) ?? path
        if StoreDirectory.isLayoutName(String(located.split(separator: "/").last ?? "")), !isSameFile(located, path) {
            warn(
                "layouts", path, "has stores of two layouts, that of this version in \(located)",
                "each version of the library shows its own numbers; end the processes of the other one")
            if let status = fileStatus(located) { checkSegments(located, owner: status.st_uid) }
            return isFirstSegmentIrregular(located)
                ? nil : ServiceDirectory(located, directory.environment, user: directory.user)
        }
        if isFirstSegmentIrregular(path) { return nil }
        if !names.contains(StoreFormat.fileName(segment: 0)) {
            error(
                "no-store", path, "has no store in it (no \(StoreFormat.fileName(segment: 0)))",
                "see that the service is started with this directory and has registered a metric")
            return nil
        }
        return directory
    }

    /// Whether the directory is one that logind removes when the user logs out.
    private mutating func checkRemoveIPC(_ directory: ServiceDirectory, owner: uid_t) {
        guard (try? StoreDirectory.absolute(directory.path))?.hasPrefix("/dev/shm/") ?? false,
            StoreDirectory.isClearedAtLogout(user: owner)
        else { return }
        warn(
            "remove-ipc", directory.path,
            "is removed when \(userName(owner)) logs out (RemoveIPC of systemd-logind, on by default)",
            "set \(StoreDirectory.variable) to a directory elsewhere, run the service as a system user, or enable lingering"
        )
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
        if Int32(truncatingIfNeeded: space.f_flag) & Int32(ST_RDONLY) != 0 {
            error(
                "read-only", path, "its file system is mounted read-only: nothing is recorded into it",
                "mount it for writing, or set \(StoreDirectory.variable) to another directory; until then processes use "
                    + "automatic ones")
        }
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
                && $0 != StoreDirectory.asideName && !StoreDirectory.isLayoutName($0)
                && !isOfOtherUser("\(path)/\($0)", owner: owner)
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
    }

    /// Whether a path is that of another user's directory, with a store of its own, in a directory of `owner`.
    private func isOfOtherUser(_ path: String, owner: uid_t) -> Bool {
        guard let status = fileStatus(path, followingLink: false), status.st_mode & S_IFMT == S_IFDIR else {
            return false
        }
        return status.st_uid != owner && path.hasSuffix("/\(StoreDirectory.privateName(status.st_uid))")
    }

    /// What has the names of segments: files of the directory's owner.
    private mutating func checkSegments(_ path: String, owner: uid_t) {
        for number in 0..<StoreFormat.maxSegments {
            let name = StoreFormat.fileName(segment: number)
            guard let status = fileStatus("\(path)/\(name)", followingLink: false) else { continue }
            if status.st_mode & S_IFMT != S_IFREG {
                error(
                    "planted", "\(path)/\(name)", "is \(kindText(status)) in the place of a segment, which is a file",
                    "remove it; somebody put it there, and no process follows it or makes a store in its place")
            } else if status.st_uid != owner {
                error(
                    "owner", "\(path)/\(name)",
                    "belongs to \(userName(status.st_uid)), its directory to \(userName(owner))",
                    "run all processes of the service as one user")
            }
        }
    }

    private func isFirstSegmentIrregular(_ path: String) -> Bool {
        isIrregular("\(path)/\(StoreFormat.fileName(segment: 0))")
    }

    private func list(_ names: [String]) -> String {
        let first = names.prefix(3).joined(separator: ", ")
        return names.count > 3 ? "\(first) and \(names.count - 3) more" : first
    }
}

/// Whether something other than a file has a name.
func isIrregular(_ path: String) -> Bool {
    guard let status = fileStatus(path, followingLink: false) else { return false }
    return status.st_mode & S_IFMT != S_IFREG
}

/// What is no file, in words.
private func kindText(_ status: stat) -> String {
    switch status.st_mode & S_IFMT {
    case S_IFLNK: "a symbolic link"
    case S_IFDIR: "a directory"
    case S_IFIFO: "a FIFO"
    case S_IFSOCK: "a socket"
    default: "a device"
    }
}
