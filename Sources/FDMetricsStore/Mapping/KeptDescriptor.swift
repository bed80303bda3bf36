// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// A descriptor of a segment's file that stays open as long as the segment is mapped: growth and questions about leases go
/// on where the file can no longer be opened by its name, because the process has changed its user, has no descriptor
/// left, or the file was deleted.
///
/// A program may close descriptors that it does not know, and another file may then have the number. So each use looks
/// whether it is still the segment's, and opens the file anew if it is not. Such a number is never closed here. Thread-safe;
/// a fork child has the descriptor too.
package struct KeptDescriptor: @unchecked Sendable {
    private let number: UnsafeMutablePointer<Atomic<Int32>>

    /// Takes over an open descriptor.
    init(_ descriptor: Int32) {
        number = .allocate(capacity: 1)
        number.initialize(to: Atomic(descriptor))
    }

    /// The descriptor, opened by its name if it is not there any more. Allocates nothing, async-signal-safe.
    /// - Returns: the descriptor, or -errno; -ESTALE: the name leads to another file.
    func get(of segment: Segment, in directory: UnsafePointer<CChar>, writable: Bool) -> Int32 {
        if let known = current(of: segment) { return known }
        let fresh = CFDMetricsLinux_open_segment(
            directory, UInt32(segment.geometry.number), writable ? 1 : 0, segment.device, segment.inode)
        // Of two threads that open it at once, one keeps its own. The other's number may be in use by now, so it stays open.
        if fresh >= 0 { number.pointee.store(fresh, ordering: .releasing) }
        return fresh
    }

    /// The descriptor if it is still the segment's; nil: it is not.
    func current(of segment: Segment) -> Int32? {
        let known = number.pointee.load(ordering: .acquiring)
        var info = CFDMetricsLinux_file()
        guard known >= 0, CFDMetricsLinux_fstat(known, &info) == 0, info.device == segment.device,
            info.inode == segment.inode
        else { return nil }
        return known
    }

    /// Closes the descriptor of a segment that stays mapped, and that nobody grows or asks about any more.
    func retire(of segment: Segment) {
        if let known = current(of: segment) { CFDMetricsLinux_close(known) }
        number.pointee.store(-1, ordering: .releasing)
    }

    /// Closes the descriptor, at the end of the segment.
    func close(of segment: Segment) {
        if let known = current(of: segment) { CFDMetricsLinux_close(known) }
        number.deallocate()
    }
}

/// Opens a segment's file once more, and makes sure that it is still the one that is mapped.
func openSame(_ path: String, as segment: Segment, writable: Bool) throws(StoreError) -> Int32 {
    let descriptor = CFDMetricsLinux_open(path, writable ? 1 : 0)
    if descriptor < 0 { throw .system("cannot open \(path) again", errno) }
    var info = CFDMetricsLinux_file()
    if CFDMetricsLinux_fstat(descriptor, &info) != 0 || info.device != segment.device || info.inode != segment.inode {
        CFDMetricsLinux_close(descriptor)
        throw StoreError(
            .notFound,
            "\(path) is no longer the file that this process attached: the store was deleted while in use; restart")
    }
    return descriptor
}
