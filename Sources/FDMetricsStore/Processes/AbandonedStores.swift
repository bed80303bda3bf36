// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

// Who removes a directory that this library named: the root of the processes that share the name, at its exit, if nobody
// else is there; or the last of the others, if the root is dead. Where the root never attaches (the master of a server that
// loads the application in its workers alone), or all were killed, nobody is left to do it; then whoever makes the next
// automatic store on this host does.

extension Store {
    /// Notes who is at the root, in a store that this process has just made.
    func noteRoot() {
        let root = RootProcess.named
        let header = firstSegment.pointee
        header.header(HeaderLayout.rootStart).pointee.store(root.start, ordering: .relaxed)
        header.header(HeaderLayout.rootNamespace).pointee.store(root.namespace, ordering: .relaxed)
        // Release: pairs with the acquire of `isRootGone`.
        header.header(HeaderLayout.rootProcess).pointee.store(root.pid, ordering: .releasing)
    }

    /// Whether the root of the processes that share this store's name is known to have ended.
    var isRootGone: Bool {
        let header = firstSegment.pointee
        let pid = header.header(HeaderLayout.rootProcess).pointee.load(ordering: .acquiring)
        return RootProcess(
            pid: pid, start: header.header(HeaderLayout.rootStart).pointee.load(ordering: .relaxed),
            namespace: header.header(HeaderLayout.rootNamespace).pointee.load(ordering: .relaxed)
        ).isGone
    }
}

/// The process that a store's header names as the root.
private struct RootProcess {
    let pid: UInt64
    /// When it started; `ended`: it had ended before the store was made.
    let start: UInt64
    /// The pid namespace that the number is of.
    let namespace: UInt64

    private static let ended = UInt64.max

    /// The one that the environment names; where that says nothing of use, this process.
    static var named: RootProcess {
        // The number is of this process's namespace: it came with the environment, and /proc shows what is in it. That of
        // another user's process could not be asked for.
        let namespace = ProcessStatus.namespace(of: "self") ?? 0
        let text = CFDMetricsLinux_getenv(StoreDirectory.rootVariable).map { String(cString: $0) }
        guard let pid = text.flatMap({ UInt64($0) }), pid != 0 else {
            return RootProcess(
                pid: UInt64(CFDMetricsLinux_getpid()), start: ProcessStatus.own?.startTime ?? 0, namespace: namespace)
        }
        // A daemon's first process has gone when the store is made.
        return RootProcess(pid: pid, start: ProcessStatus(pid: pid)?.startTime ?? ended, namespace: namespace)
    }

    /// Whether it has ended; false where this process cannot know.
    var isGone: Bool {
        if pid == 0 || namespace != ProcessStatus.namespace(of: "self") { return false }
        // One that nobody has waited for has ended all the same.
        if let status = ProcessStatus(pid: pid) {
            return status.startTime != start || status.state == "Z" || status.state == "X"
        }
        // A /proc that hides the processes of others (hidepid) has nothing of a live one.
        return CFDMetricsLinux_process_exists(pid) == 0 || start == Self.ended
    }
}

/// Automatic directories that no process uses any more.
enum AbandonedStores {
    /// Removes those beside a directory. Fails silently: it is a favour to the host.
    static func remove(beside directory: String) {
        guard let slash = directory.lastIndex(of: "/") else { return }
        let parent = String(directory[..<slash])
        for name in directoryEntries(parent.isEmpty ? "/" : parent) ?? [] {
            let path = "\(parent)/\(name)"
            if StoreDirectory.isAutomaticName(name), path != directory { removeIfAbandoned(path) }
        }
    }

    private static func removeIfAbandoned(_ directory: String) {
        var info = CFDMetricsLinux_file()
        guard CFDMetricsLinux_lstat(directory, &info) == 0, info.is_directory != 0,
            info.user == CFDMetricsLinux_geteuid(),
            info.permissions & 0o022 == 0
        else { return }
        let path = "\(directory)/\(StoreFormat.fileName(segment: 0))"
        let descriptor = CFDMetricsLinux_open(path, 1)
        if descriptor < 0 {
            // Its maker was killed before it had a store. Who is just making one finds it gone, and makes it again.
            if errno == ENOENT { removeUnfinished(directory) }
            return
        }
        defer { CFDMetricsLinux_close(descriptor) }
        guard isAbandoned(descriptor) else { return }
        // Held over the removal, as in `Store.removeIfLast`.
        if CFDMetricsLinux_lock_byte(descriptor, Store.presenceByte) != 0 { return }
        // The file that is locked must be the one that has the name.
        var locked = CFDMetricsLinux_file()
        guard CFDMetricsLinux_fstat(descriptor, &info) == 0, CFDMetricsLinux_lstat(path, &locked) == 0,
            info.device == locked.device,
            info.inode == locked.inode
        else { return }
        removeFiles(directory)
    }

    /// Whether a file is the first segment of an automatic store of this layout whose root has ended.
    private static func isAbandoned(_ descriptor: Int32) -> Bool {
        var header = [UInt8](repeating: 0, count: HeaderLayout.size)
        guard CFDMetricsLinux_pread(descriptor, &header, header.count, 0) == header.count else { return false }
        return header.withUnsafeBytes { raw in
            func field(_ offset: Int) -> UInt64 { raw.load(fromByteOffset: offset, as: UInt64.self) }
            guard field(HeaderLayout.magic) == StoreFormat.magic,
                raw.load(fromByteOffset: HeaderLayout.version, as: UInt32.self) == StoreFormat.version,
                field(HeaderLayout.layoutSignature) == StoreFormat.layoutSignature,
                field(HeaderLayout.checksum)
                    == KeyHash.checksum(UnsafeRawBufferPointer(rebasing: raw[..<HeaderLayout.checksum])),
                field(HeaderLayout.flags) & HeaderLayout.flagAutomatic != 0
            else { return false }
            return RootProcess(
                pid: field(HeaderLayout.rootProcess), start: field(HeaderLayout.rootStart),
                namespace: field(HeaderLayout.rootNamespace)
            ).isGone
        }
    }

    /// Removes a store's files and its directory; a directory with files of others stays.
    static func removeFiles(_ directory: String) {
        let aside = "\(directory)/\(StoreDirectory.asideName)"
        DeadStores.removeSegments(aside)
        CFDMetricsLinux_rmdir(aside)
        DeadStores.removeSegments(directory)
        removeUnfinished(directory)
    }

    /// Removes a directory that has no store, and what killed processes left in it while they made one.
    private static func removeUnfinished(_ directory: String) {
        if CFDMetricsLinux_rmdir(directory) == 0 { return }
        guard errno == ENOTEMPTY || errno == EEXIST else { return }
        SegmentDraft.removeAbandoned(in: directory)
        CFDMetricsLinux_rmdir(directory)
    }
}
