// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

// Where in the directory that a user names the store is.
//
//   DIR                    itself, if it is this user's and nobody else may write to it
//   DIR/fdmetrics-<uid>    else: a directory of this user, mode 0700, the same for all of the user's processes. A shared
//                          directory (/dev/shm, an emptyDir, one of a group) may hold one for each user
//
// What stands there under that name and is not a directory of this user was put there by somebody else. It is named in the
// error and never followed.

extension StoreDirectory {
    /// Makes the directory where it is missing (mode 0700, parents too) and finds where in it a store may be.
    /// - Returns: the absolute path of the store's directory: of `directory` itself, or of one of this user's within it.
    /// - Throws: `invalidArgument`; `directory` or `system` where there is no place for a store: see `isUnusable`.
    package static func prepare(_ directory: String) throws(StoreError) -> String {
        try checkName(directory)
        try makeDirectories(directory)
        // A name of this library's own is never that of a link: somebody has put one there.
        let nofollow: Int32 = isAutomatic(directory) ? 1 : 0
        let descriptor = CFDMetricsLinux_open_directory(directory, nofollow)
        if descriptor < 0 { throw unopened(directory, errno) }
        defer { CFDMetricsLinux_close(descriptor) }
        try checkFileSystem(descriptor, directory)
        var info = CFDMetricsLinux_file()
        if CFDMetricsLinux_fstat(descriptor, &info) != 0 { throw .system("cannot stat \(directory)", errno) }
        let path = try absolute(directory)
        if isPrivate(info) { return path }
        return try preparePrivate(within: path, descriptor, info)
    }

    private static func unopened(_ directory: String, _ error: Int32) -> StoreError {
        var info = CFDMetricsLinux_file()
        let isLink = CFDMetricsLinux_lstat(directory, &info) == 0 && info.is_link != 0
        if isLink, error == ENOENT || isAutomatic(directory) {
            return StoreError(
                .directory, "\(directory) is a link to nothing, or one that somebody else put there: remove it",
                errno: ELOOP)
        }
        return error == ENOTDIR
            ? StoreError(.directory, "\(directory) is not a directory: name one", errno: ENOTDIR)
            : .system("cannot open the store's directory \(directory)", error)
    }

    /// Whether a directory is this user's and nobody else may write to it.
    private static func isPrivate(_ info: CFDMetricsLinux_file) -> Bool {
        info.user == CFDMetricsLinux_geteuid() && info.permissions & 0o022 == 0
    }

    private static func preparePrivate(
        within path: String, _ descriptor: Int32, _ outer: CFDMetricsLinux_file
    ) throws(StoreError) -> String {
        let name = privateName(CFDMetricsLinux_geteuid())
        let inner = "\(path)/\(name)"
        if CFDMetricsLinux_mkdirat(descriptor, name, 0o700) != 0, errno != EEXIST {
            let error = errno
            let why =
                outer.user == CFDMetricsLinux_geteuid()
                ? "may be written by others (mode \(String(outer.permissions, radix: 8)))"
                : "belongs to user \(outer.user), this process runs as user \(CFDMetricsLinux_geteuid())"
            throw StoreError(
                error == ENOSPC || error == EDQUOT ? .noSpace : .directory,
                "\(path) \(why), and the directory \(name) for this user's store cannot be made in it: "
                    + "\(errorText(error)); set \(variable) to a directory that this user may write to", errno: error)
        }
        let place = CFDMetricsLinux_open_directory_at(descriptor, name)
        if place < 0 {
            let error = errno
            guard error == ELOOP || error == ENOTDIR else {
                throw StoreError(.directory, "cannot open \(inner): \(errorText(error))", errno: error)
            }
            throw StoreError(
                .directory,
                "\(inner) is no directory but something that was put there; the store of user \(CFDMetricsLinux_geteuid()) would be in "
                    + "it: remove it, or set \(variable) to a directory of mode 0700", errno: error)
        }
        defer { CFDMetricsLinux_close(place) }
        var info = CFDMetricsLinux_file()
        if CFDMetricsLinux_fstat(place, &info) != 0 { throw .system("cannot stat \(inner)", errno) }
        if info.user != CFDMetricsLinux_geteuid() {
            throw StoreError(
                .directory,
                "\(inner) was made by user \(info.user), the store of user \(CFDMetricsLinux_geteuid()) would be in it: remove it, or set "
                    + "\(variable) to a directory of mode 0700", errno: EPERM)
        }
        // It is this user's own; a mode that lets others in comes from an unusual umask or a default ACL.
        if info.permissions & 0o077 != 0, CFDMetricsLinux_fchmod(place, 0o700) != 0 {
            throw .system("cannot make \(inner) private", errno)
        }
        return inner
    }

    private static func checkName(_ directory: String) throws(StoreError) {
        if directory.unicodeScalars.contains("\u{FFFD}") {
            throw StoreError(
                .invalidArgument,
                "the store's directory \(directory) is not valid UTF-8: set \(variable) to a name that is")
        }
        if directory.isEmpty { throw StoreError(.invalidArgument, "the store's directory is empty: give a path") }
        // Room for the names of its files.
        let maxName = Int(CFDMETRICS_LINUX_PATH_MAX) - 64
        if directory.utf8.count > maxName {
            throw StoreError(
                .invalidArgument,
                "the store's directory has a name of \(directory.utf8.count) bytes: give one of at most \(maxName)",
                errno: ENAMETOOLONG)
        }
    }

    package static func absolute(_ directory: String) throws(StoreError) -> String {
        guard let path = CFDMetricsLinux_realpath(directory) else {
            throw .system("cannot resolve \(directory)", errno)
        }
        defer { CFDMetricsLinux_free(path) }
        return String(cString: path)
    }

    private static func makeDirectories(_ directory: String) throws(StoreError) {
        if CFDMetricsLinux_mkdir(directory, 0o700) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = directory.lastIndex(of: "/"), slash != directory.startIndex else {
            throw .system("cannot create the store's directory \(directory)", errno)
        }
        try makeDirectories(String(directory[..<slash]))
        if CFDMetricsLinux_mkdir(directory, 0o700) != 0, errno != EEXIST {
            throw .system("cannot create the store's directory \(directory)", errno)
        }
    }
}

extension StoreError {
    /// Whether there is no place for a store in a directory, whatever is done there: it cannot be made, entered or written
    /// to. A network file system is not such a place: see `errno`, which is EREMOTE there.
    var isUnusableDirectory: Bool {
        switch code {
        case .directory: errno != EREMOTE
        case .system: [EACCES, EPERM, EROFS, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG].contains(errno)
        // A name that is too long.
        case .invalidArgument: errno == ENAMETOOLONG
        default: false
        }
    }
}
