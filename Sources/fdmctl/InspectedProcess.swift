// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Glibc

/// Another process, as /proc shows it to its own user or to root: see proc(5).
struct InspectedProcess {
    let pid: UInt64
    let environment: ServiceEnvironment
    /// The user that it runs as; nil: not to be known.
    let user: uid_t?
    /// Whether its mounts are not this tool's: a container, most often.
    let isElsewhere: Bool
    /// Directories of the stores that it has mapped, as paths of this tool.
    let storeDirectories: [String]
    /// Segments that it has mapped and that have no name any more, as paths of its own.
    let deletedSegments: [String]

    /// Where its file system is for this tool.
    var root: String { isElsewhere ? "/proc/\(pid)/root" : "" }

    init(pid: UInt64, environment: [UInt8], maps: [UInt8]) {
        self.pid = pid
        self.environment = ServiceEnvironment(owner: "process \(pid)", entries: environment)
        user = Self.effectiveUser(pid)
        let own = linkTarget("/proc/self/ns/mnt"), its = linkTarget("/proc/\(pid)/ns/mnt")
        let isElsewhere = own != nil && its != nil && own != its
        self.isElsewhere = isElsewhere
        var directories: [String] = []
        var deleted: [String] = []
        for line in maps.split(separator: 10) {
            // address permissions offset device inode path; see proc_pid_maps(5).
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5, omittingEmptySubsequences: true)
            guard fields.count == 6 else { continue }
            var path = String(decoding: fields[5].drop { $0 == UInt8(ascii: " ") }, as: UTF8.self)
            let isDeleted = path.hasSuffix(" (deleted)")
            if isDeleted { path.removeLast(" (deleted)".count) }
            guard let slash = path.lastIndex(of: "/"),
                Self.isSegment(path[path.index(after: slash)...])
            else { continue }
            if isDeleted {
                if !deleted.contains(path) { deleted.append(path) }
            } else {
                let directory = (isElsewhere ? "/proc/\(pid)/root" : "") + path[..<slash]
                if !directories.contains(directory) { directories.append(directory) }
            }
        }
        storeDirectories = directories
        deletedSegments = deleted
    }

    /// Whether it has the store mapped that is in the place of a deleted segment's.
    func hasMoved(from segment: String) -> Bool {
        storeDirectories.contains { $0 == root + segment[..<(segment.lastIndex(of: "/") ?? segment.startIndex)] }
    }

    /// A path of the process as one of this tool.
    func path(_ path: String) -> String {
        path.hasPrefix("/") ? root + path : "/proc/\(pid)/cwd/\(path)"
    }

    /// Whether it has the store of a directory mapped.
    func uses(_ directory: String) -> Bool {
        storeDirectories.contains { Self.places(of: $0).contains { isSameFile($0, directory) } }
    }

    /// Whether it has the store of the directory mapped that its environment names.
    ///
    /// A relative name is one within the directory that the process was started in, which it may have left: then that
    /// of the shell, or a path with this end, is taken for it.
    func usesConfigured(_ directory: String) -> Bool {
        if uses(path(directory)) { return true }
        if directory.hasPrefix("/") { return false }
        if let start = environment["PWD"], start.hasPrefix("/"), uses(path("\(start)/\(directory)")) { return true }
        var names: [Substring] = []
        for name in directory.split(separator: "/") where name != "." {
            if name == ".." { _ = names.popLast() } else { names.append(name) }
        }
        let end = "/" + names.joined(separator: "/")
        // Of "." nothing is left to compare; the automatic directory is never meant.
        return storeDirectories.contains { store in
            !isAutomatic(store) && (names.isEmpty || Self.places(of: store).contains { $0.hasSuffix(end) })
        }
    }

    /// The stores in directories that the library named by itself.
    var automaticDirectories: [String] { storeDirectories.filter(isAutomatic) }

    private func isAutomatic(_ store: String) -> Bool {
        let planned = environment[StoreDirectory.plannedVariable].map(path)
        return Self.places(of: store).contains { place in
            if let planned, isSameFile(place, planned) { return true }
            return StoreDirectory.isAutomaticName(place.split(separator: "/").last ?? "")
        }
    }

    /// The directories whose store may be in a directory: itself, and those around it if it is a layout's or a user's.
    private static func places(of store: String) -> [String] {
        var places = [store]
        while let place = places.last, let slash = place.lastIndex(of: "/") {
            let name = place[place.index(after: slash)...]
            let isInner = StoreDirectory.user(ofPrivateName: name) != nil || StoreDirectory.isLayoutName(name)
            guard slash != place.startIndex, isInner else { break }
            places.append(String(place[..<slash]))
        }
        return places
    }

    /// Whether a file's name is that of a segment.
    static func isSegment(_ name: some StringProtocol) -> Bool {
        (0..<StoreFormat.maxSegments).contains { name == StoreFormat.fileName(segment: $0) }
    }

    private static func effectiveUser(_ pid: UInt64) -> uid_t? {
        for line in (readFile("/proc/\(pid)/status") ?? []).split(separator: 10)
        where line.starts(with: Array("Uid:".utf8)) {
            // Real, effective, saved, file system.
            let fields = line.split(separator: 9)
            return fields.count > 2 ? uid_t(String(decoding: fields[2], as: UTF8.self)) : nil
        }
        return nil
    }
}
