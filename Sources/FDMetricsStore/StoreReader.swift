// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// Whoever has segments mapped: a `Store` that records, or a `StoreReader` that only looks.
package protocol SegmentSource: AnyObject, Sendable {
    /// The store's directory.
    var directory: String { get }
    /// The segment of a number, mapped now if it came since. nil: there is none.
    func segment(_ number: Int) throws(StoreError) -> UnsafeMutablePointer<Segment>?
    /// The lease token of this process, 0 if it has none: whose `local` gauges are shown.
    var ownToken: UInt64 { get }
}

/// A store that is only read: of live or dead processes, with read access to its files alone. Nothing is made, changed
/// or locked. Thread-safe; usable in a fork child.
package final class StoreReader: SegmentSource {
    package let directory: String
    package let ownToken: UInt64 = 0
    private let segments = SegmentTable()
    private let identity: StoreIdentity

    /// Opens the store in a directory.
    /// - Throws: `notFound` without a store there; `foreign`, `damaged`, `system`.
    package init(directory: String) throws(StoreError) {
        let path = try StoreDirectory.locate(directory)
        guard let (segment, identity) = try SegmentFile.open(directory: path, number: 0, identity: nil, writable: false)
        else {
            throw StoreDirectory.absence(in: directory, located: path)
        }
        self.directory = path
        self.identity = identity
        _ = segments.install(segment)
    }

    deinit {
        for number in 0..<StoreFormat.maxSegments {
            if let segment = segments[number] { SegmentFile.unmap(segment.pointee) }
        }
        segments.deallocate(withSegments: true)
    }

    package func segment(_ number: Int) throws(StoreError) -> UnsafeMutablePointer<Segment>? {
        if number < 0 || number >= StoreFormat.maxSegments { return nil }
        if let known = segments[number] { return known }
        guard let previous = try segment(number - 1), previous.pointee.isSealed else { return nil }
        guard
            let (segment, _) = try SegmentFile.open(
                directory: directory, number: number, identity: identity, writable: false)
        else { throw SegmentFile.missing(directory, number) }
        if !segments.install(segment) { SegmentFile.unmap(segment) }
        return segments[number]
    }
}
