// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

/// A segment's file before it has its name. It has none at all where the file system can do that (O_TMPFILE: tmpfs, ext4,
/// xfs, btrfs), so that a process which is killed while making it leaves nothing; else `.fdmetrics-N.seg.<hex>`.
struct SegmentDraft {
    let descriptor: Int32
    /// The name that it has meanwhile; nil: none.
    private let temporary: String?

    init(_ directory: String, _ number: Int) throws(StoreError) {
        let nameless = CFDMetricsLinux_open_nameless(directory)
        if nameless >= 0 {
            descriptor = nameless
            temporary = nil
            return
        }
        let error = errno
        // EISDIR: a kernel that takes it for an attempt to write to the directory.
        guard error == EOPNOTSUPP || error == EISDIR || error == EINVAL else {
            throw .system("cannot create a segment in \(directory)", error)
        }
        var token: UInt64 = 0
        let randomError = withUnsafeMutableBytes(of: &token) { CFDMetricsLinux_random($0.baseAddress, $0.count) }
        if randomError != 0 { throw .system("getrandom", randomError) }
        let name = "\(directory)/.\(StoreFormat.fileName(segment: number)).\(String(token, radix: 16))"
        let named = CFDMetricsLinux_create(name)
        if named < 0 { throw .system("cannot create a segment at \(name)", errno) }
        descriptor = named
        temporary = name
    }

    /// Gives it its name. 0, or errno: EEXIST where another process was first.
    func link(to path: String) -> Int32 {
        if let temporary { return CFDMetricsLinux_link(temporary, path) == 0 ? 0 : errno }
        return CFDMetricsLinux_link_descriptor(descriptor, path) == 0 ? 0 : errno
    }

    /// Removes what processes have left that were killed while they made a segment where it had to have a name.
    static func removeAbandoned(in directory: String) {
        let now = Int64(realTime() / 1_000_000_000)
        for name in directoryEntries(directory) ?? [] {
            let path = "\(directory)/\(name)"
            var info = CFDMetricsLinux_file()
            // A minute is long for what takes milliseconds.
            if name.hasPrefix(".fdmetrics-"), CFDMetricsLinux_lstat(path, &info) == 0, now - info.modified > 60 {
                CFDMetricsLinux_unlink(path)
            }
        }
    }

    /// Lets go of the descriptor, and of the name that it had meanwhile.
    func discard() {
        CFDMetricsLinux_close(descriptor)
        if let temporary { CFDMetricsLinux_unlink(temporary) }
    }
}
