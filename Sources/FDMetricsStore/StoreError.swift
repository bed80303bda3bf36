// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

/// What went wrong with a store, a family or a series: a code to act on and a sentence to read.
///
/// The sentence names the thing (path, metric, label), what was expected and what to do. Recording never throws; only
/// opening, registering and rendering do.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    /// What kind of thing went wrong; the C ABI's status codes are in the same order.
    public enum Code: Int32, Sendable {
        /// An argument is out of range or not a number.
        case invalidArgument = -31001
        /// A metric name, label name, unit, bound or state that Prometheus does not take.
        case invalidName = -31002
        /// The family is registered with another descriptor.
        case conflict = -31003
        /// The number of label values, or the type of the instrument, is not the family's.
        case labels = -31004
        /// The family has as many series as the store's limit allows.
        case seriesLimit = -31005
        /// The file system or memory is full.
        case noSpace = -31006
        /// A system call failed.
        case system = -31007
        /// The directory cannot be used.
        case directory = -31008
        /// The file is not a store that this library, on this host and since this boot, can share.
        case foreign = -31009
        /// The file is damaged or truncated.
        case damaged = -31010
        /// There is no store in the directory.
        case notFound = -31011
        /// As many processes hold the store as it has room for.
        case processLimit = -31012
        /// The kernel, the machine or the file system lacks something that the store needs.
        case unsupported = -31013
    }

    /// The kind of error.
    public let code: Code
    /// The sentence.
    public let message: String
    /// errno of the system call that failed, or 0.
    public let errno: Int32

    package init(_ code: Code, _ message: String, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.errno = errno
    }

    /// A failed system call: `what` names the call and its object.
    package static func system(_ what: String, _ error: Int32) -> StoreError {
        // EFBIG: the process's limit on the size of its files (RLIMIT_FSIZE).
        let isFull = error == ENOSPC || error == EDQUOT || error == ENOMEM || error == EFBIG
        return StoreError(isFull ? .noSpace : .system, "\(what): \(errorText(error))", errno: error)
    }

    /// Throws where memory ran out and there is still none; see CFDMetricsLinux_allocate.
    @inline(__always)
    package static func throwIfMemoryIsShort() throws(StoreError) {
        if CFDMetricsLinux_is_memory_short() != 0 { throw noMemory }
    }

    /// Throws where there is none for as much as a scrape of many series needs, which the reserve may not have.
    package static func throwUnlessThereIsMemory(forBytes count: Int) throws(StoreError) {
        if count > 1 << 18, CFDMetricsLinux_has_memory(count) == 0 { throw noMemory }
    }

    private static var noMemory: StoreError {
        StoreError(.noSpace, "there is no memory: the process or its control group is at its limit", errno: ENOMEM)
    }

    /// The sentence.
    public var description: String { message }
}

/// The C library's text for an errno, with its number.
package func errorText(_ error: Int32) -> String {
    "\(String(cString: CFDMetricsLinux_strerror(error))) (errno \(error))"
}
