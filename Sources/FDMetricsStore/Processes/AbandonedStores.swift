// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Glibc
import Synchronization

// Who removes a directory that this library named: the root of the processes that share the name, at its exit, if nobody
// else is there; or the last of the others, if the root is dead. Where the root never attaches (the master of a server that
// loads the application in its workers alone), or all were killed, nobody is left to do it; then whoever makes the next
// automatic store on this host does.

extension Store {
    /// Notes who is at the root, in a store that this process has just made.
    func noteRoot() {
        guard let text = getenv(StoreDirectory.rootVariable), let pid = UInt64(String(cString: text)), pid != 0,
            let start = ProcessStatus(pid: pid)?.startTime, let namespace = ProcessStatus.namespace(of: "\(pid)")
        else { return }
        let header = firstSegment.pointee
        header.header(HeaderLayout.rootStart).pointee.store(start, ordering: .relaxed)
        header.header(HeaderLayout.rootNamespace).pointee.store(namespace, ordering: .relaxed)
        // Release: pairs with the acquire of `RootProcess`.
        header.header(HeaderLayout.rootProcess).pointee.store(pid, ordering: .releasing)
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
    let start: UInt64
    let namespace: UInt64

    /// Whether it has ended; false where this process cannot know.
    var isGone: Bool {
        if pid == 0 || namespace != ProcessStatus.namespace(of: "self") { return false }
        if let status = ProcessStatus(pid: pid) { return status.startTime != start }
        return kill(pid_t(truncatingIfNeeded: pid), 0) != 0 && errno == ESRCH
    }
}

/// Automatic directories that no process uses any more.
enum AbandonedStores {
    /// Removes those beside a directory. Fails silently: it is a favour to the host.
    static func remove(beside directory: String) {
        guard let slash = directory.lastIndex(of: "/") else { return }
        let parent = String(directory[..<slash])
        guard let entries = opendir(parent.isEmpty ? "/" : parent) else { return }
        defer { closedir(entries) }
        while let entry = readdir(entries) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let path = "\(parent)/\(name)"
            if name.hasPrefix("fdmetrics-"), path != directory { removeIfAbandoned(path) }
        }
    }

    private static func removeIfAbandoned(_ directory: String) {
        var info = stat()
        guard lstat(directory, &info) == 0, info.st_mode & S_IFMT == S_IFDIR, info.st_uid == geteuid(),
            info.st_mode & 0o022 == 0
        else { return }
        let path = "\(directory)/\(StoreFormat.fileName(segment: 0))"
        let descriptor = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        if descriptor < 0 { return }
        defer { close(descriptor) }
        guard isAbandoned(descriptor) else { return }
        // Held over the removal, as in `Store.removeIfLast`.
        if CFDMetricsLinux_lock_byte(descriptor, Store.presenceByte) != 0 { return }
        // The file that is locked must be the one that has the name.
        var locked = stat()
        guard fstat(descriptor, &info) == 0, lstat(path, &locked) == 0, info.st_dev == locked.st_dev,
            info.st_ino == locked.st_ino
        else { return }
        removeFiles(directory)
    }

    /// Whether a file is the first segment of an automatic store of this layout whose root has ended.
    private static func isAbandoned(_ descriptor: Int32) -> Bool {
        var header = [UInt8](repeating: 0, count: HeaderLayout.size)
        guard pread(descriptor, &header, header.count, 0) == header.count else { return false }
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
        for number in 0..<StoreFormat.maxSegments { unlink("\(directory)/\(StoreFormat.fileName(segment: number))") }
        rmdir(directory)
    }
}
