// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

// Where the store of a directory is found again: by a reader, and where several layouts share a directory.

extension StoreDirectory {
    /// The directory within a store's directory that has the store of this layout: itself, unless there is one for this
    /// layout and the store beside it is of another or gone. That stays so as long as `layoutName` is there, since the
    /// store beside it is only replaced where there is none.
    static func ofThisLayout(_ path: String) -> String {
        let own = "\(path)/\(layoutName)"
        guard hasStore(own), isOfOwner(own, path), SegmentHeader.kind(of: path) != .thisLayout else { return path }
        return own
    }

    /// Whether a directory within another belongs to the same user, who alone may write to it, and is no link.
    static func isOfOwner(_ inner: String, _ outer: String) -> Bool {
        var info = CFDMetricsLinux_file()
        return CFDMetricsLinux_stat(outer, &info) == 0 && isPrivateDirectory(inner, of: info.user)
    }

    /// Where a reader finds the store of a directory: in it, or in the directory of a user within it.
    /// - Returns: an absolute path; there may be no store in it.
    /// - Throws: `notFound` where `directory` is missing, or has stores of several other users.
    package static func locate(_ directory: String) throws(StoreError) -> String {
        // Links stay: /proc/PID/root leads into another mount namespace, and its text does not.
        let path = absoluteName(directory)
        var info = CFDMetricsLinux_file()
        if CFDMetricsLinux_stat(path, &info) != 0, errno == ENOENT || errno == ENOTDIR {
            throw StoreError(
                .notFound, "there is no directory \(directory): is it the service's FDMETRICS_DIR?", errno: errno)
        }
        // In a directory that others may write to no library makes a store; what is there was put there.
        if info.permissions & 0o022 == 0, hasStore(path) || hasStore("\(path)/\(layoutName)") {
            return ofThisLayout(path)
        }
        let own = "\(path)/\(privateName(CFDMetricsLinux_geteuid()))"
        if isPrivateDirectory(own, of: CFDMetricsLinux_geteuid()) { return ofThisLayout(own) }
        let others = userDirectories(in: path)
        if others.count == 1 { return ofThisLayout(others[0]) }
        if others.count > 1 {
            throw StoreError(
                .notFound,
                "\(directory) has the stores of \(others.count) users: name one of \(others.joined(separator: ", "))")
        }
        return path
    }

    /// Why there is no store in a directory, where `locate` has found `path`.
    static func absence(in directory: String, located path: String) -> StoreError {
        let file = StoreFormat.fileName(segment: 0)
        let outer = absoluteName(directory)
        let inner = "\(outer)/\(privateName(CFDMetricsLinux_geteuid()))"
        var info = CFDMetricsLinux_file()
        // A private directory of this user has its store in itself.
        let isShared =
            CFDMetricsLinux_stat(outer, &info) == 0
            && (info.permissions & 0o022 != 0 || info.user != CFDMetricsLinux_geteuid())
        if path != outer || !isShared {
            let place = path == outer ? directory : path
            return StoreError(
                .notFound, "there is no store in \(place) (no \(file)): is it the service's FDMETRICS_DIR?")
        }
        if CFDMetricsLinux_lstat(inner, &info) != 0 {
            return StoreError(
                .notFound,
                "there is no store in \(directory) (neither \(file) of its owner nor \(privateName(CFDMetricsLinux_geteuid())), the "
                    + "directory for the store of user \(CFDMetricsLinux_geteuid())): is it the service's FDMETRICS_DIR?"
            )
        }
        let what =
            if info.is_link != 0 {
                "a symbolic link"
            } else if info.is_directory == 0 {
                "no directory"
            } else if info.user != CFDMetricsLinux_geteuid() {
                "a directory of user \(info.user)"
            } else {
                "a directory that others may write to (mode \(String(info.permissions, radix: 8)))"
            }
        return StoreError(
            .notFound,
            "there is no store in \(directory): \(inner), where the store of user \(CFDMetricsLinux_geteuid()) would be, is \(what), which "
                + "is never followed: remove it, or name the directory that the service uses")
    }

    /// The directories of users within a shared one that have a store which this process may read.
    package static func userDirectories(in path: String) -> [String] {
        (directoryEntries(path) ?? []).compactMap { name in
            guard let user = user(ofPrivateName: name) else { return nil }
            let inner = "\(path)/\(name)"
            let isStore = isPrivateDirectory(inner, of: user) && (hasStore(inner) || hasStore("\(inner)/\(layoutName)"))
            return isStore ? inner : nil
        }
    }

    private static func isPrivateDirectory(_ path: String, of user: UInt32) -> Bool {
        var info = CFDMetricsLinux_file()
        return CFDMetricsLinux_lstat(path, &info) == 0 && info.is_directory != 0 && info.user == user
            && info.permissions & 0o022 == 0
    }

    private static func hasStore(_ path: String) -> Bool {
        var info = CFDMetricsLinux_file()
        return CFDMetricsLinux_lstat("\(path)/\(StoreFormat.fileName(segment: 0))", &info) == 0
    }
}

/// What the first bytes of a directory's segment 0 say, for decisions that come before it is attached.
enum SegmentHeader {
    enum Kind { case missing, thisLayout, otherLayout, unknown }

    /// The kind of the store in a directory.
    static func kind(of directory: String) -> Kind {
        let descriptor = CFDMetricsLinux_open(
            "\(directory)/\(StoreFormat.fileName(segment: 0))", 0)
        if descriptor < 0 { return errno == ENOENT ? .missing : .unknown }
        defer { CFDMetricsLinux_close(descriptor) }
        return kind(descriptor)
    }

    static func kind(_ descriptor: Int32) -> Kind {
        withUnsafeTemporaryAllocation(byteCount: 24, alignment: 8) { bytes in
            guard CFDMetricsLinux_pread(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count,
                bytes.load(fromByteOffset: HeaderLayout.magic, as: UInt64.self) == StoreFormat.magic
            else { return .unknown }
            let version = bytes.load(fromByteOffset: HeaderLayout.version, as: UInt32.self)
            let signature = bytes.load(fromByteOffset: HeaderLayout.layoutSignature, as: UInt64.self)
            return version == StoreFormat.version && signature == StoreFormat.layoutSignature
                ? .thisLayout : .otherLayout
        }
    }
}
