// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// One store directory, attached by this process for recording.
///
/// Thread-safe, and usable in a fork child: everything that changes is an atomic word, here or in the shared files, and
/// nothing takes a lock. Never freed; `close` unmaps it, and is for tests and tools.
public final class Store: SegmentSource, @unchecked Sendable {
    /// The absolute path of the directory that has its files.
    public let directory: String
    /// The same as a C string, for callers that borrow it.
    package let directoryText: UnsafeMutablePointer<CChar>
    /// The directory by which it is known in this process: `directory`, unless that is one of this layout within it.
    package let place: String
    package let segments: SegmentTable
    /// The segments that look-ups go through: the same, or none when another store has taken the place of this one.
    package let lookUpSegments: SegmentTable
    package let identity: StoreIdentity
    package let laneMask: UInt32
    /// What the present process, or the one that this was forked from, knows beyond the files; see `Store+Lease.swift`.
    let process: StoreProcess
    /// How many times it is open in this process; 0: closed.
    let opens = Atomic<Int>(1)
    /// The store that has taken this one's place in this process, when its files had been deleted. 0: none.
    let successorBits = Atomic<UInt>(0)
    /// When what a left store needs no longer is let go of, in seconds of the monotonic clock; the largest: not, or it is done.
    let retirement = Atomic<UInt64>(.max)
    /// The stores whose place this one has taken, the first one first.
    package let predecessors: [Store]

    /// Attaches the store in a directory, making both where they are missing.
    /// - Parameters:
    ///   - directory: the directory's path.
    ///   - lanes: lanes of a new store, a power of two up to 16; nil: as many as there are configured CPUs, rounded up.
    ///   - seriesLimit: the most series of one family, of a new store; nil: FDMETRICS_SERIES_LIMIT, else 10,000.
    /// - Throws: `StoreError` of any code but `labels` and `seriesLimit`.
    package convenience init(directory: String, lanes: Int? = nil, seriesLimit: Int? = nil) throws(StoreError) {
        let place = try StoreDirectory.prepare(directory)
        try self.init(
            place: place, directory: StoreDirectory.ofThisLayout(place),
            settings: StoreSettings(
                lanes: lanes, seriesLimit: seriesLimit, isAutomatic: StoreDirectory.isAutomatic(directory)))
    }

    /// Attaches the store in a directory that is there, making the store where it is missing.
    /// - Parameter whole: fails where a later segment is missing or damaged; else the store has those before it.
    init(
        place: String, directory path: String, settings: StoreSettings, predecessors: [Store] = [],
        whole: Bool = false
    ) throws(StoreError) {
        Notices.prepare()
        OwnName.prepare()
        let (laneCount, limit) = try settings.checked()
        var found = try SegmentFile.open(directory: path, number: 0, identity: nil, writable: true)
        let isMissing = found == nil
        if isMissing {
            let flags = settings.isAutomatic ? HeaderLayout.flagAutomatic : 0
            let identity = try StoreIdentity.random(laneCount: laneCount, seriesLimit: limit, flags: flags)
            _ = try SegmentFile.create(directory: path, number: 0, identity: identity)
            found = try SegmentFile.open(directory: path, number: 0, identity: nil, writable: true)
        }
        guard let (segment, identity) = found else {
            throw StoreError(.notFound, "the store in \(path) was deleted while it was being attached: try again")
        }
        guard let process = StoreProcess(path: "\(path)/\(StoreFormat.fileName(segment: 0))") else {
            let error = errno
            SegmentFile.unmap(segment)
            throw error == EINVAL
                ? StoreError(.unsupported, "this kernel lacks MADV_WIPEONFORK (Linux 4.14): update it", errno: error)
                : .system("cannot map a page", error)
        }
        self.place = place
        self.directory = path
        self.process = process
        self.identity = identity
        self.predecessors = predecessors
        directoryText = CFDMetricsLinux_strdup(path)
        segments = SegmentTable()
        lookUpSegments = SegmentTable()
        laneMask = UInt32(identity.laneCount - 1)
        install(segment)
        process.setOwner(self)
        do {
            if whole { try mapAll() }
            try announcePresence()
        } catch {
            close()
            throw error
        }
        if isMissing { SegmentDraft.removeAbandoned(in: path) }
        if isMissing, identity.flags & HeaderLayout.flagAutomatic != 0 {
            noteRoot()
            AbandonedStores.remove(beside: path)
        }
        // A store without room for one more process, or a process without a descriptor left, still counts: only gauges
        // need a lease, and try again.
        if case .failure(let failure) = takeLease() {
            if failure.reason == .unsupported {
                close()
                throw leaseError(failure)
            }
            Notices.say(.notJoined, leaseError(failure).message)
        }
    }

    package func segmentPath(_ number: Int) -> String { "\(directory)/\(StoreFormat.fileName(segment: number))" }

    package var firstSegment: UnsafeMutablePointer<Segment> { segments[0].unsafelyUnwrapped }

    // MARK: - Segments

    /// The segment of a number, mapped now if another process made it since. nil: there is none.
    package func segment(_ number: Int) throws(StoreError) -> UnsafeMutablePointer<Segment>? {
        if number < 0 || number >= StoreFormat.maxSegments { return nil }
        if let known = segments[number] { return known }
        if number > 0 {
            guard let previous = try segment(number - 1), previous.pointee.isSealed else { return nil }
        }
        guard
            let (segment, _) = try SegmentFile.open(
                directory: directory, number: number, identity: identity, writable: true)
        else {
            if number > 0 { throw SegmentFile.missing(directory, number) }
            return nil
        }
        install(segment)
        return segments[number]
    }

    /// Maps all segments.
    /// - Throws: `damaged`, `foreign` where one of them can never be attached; `system`.
    private func mapAll() throws(StoreError) {
        var number = 1
        while try segment(number) != nil { number += 1 }
    }

    /// Makes a mapped segment known; of two threads that map one, one mapping stays.
    private func install(_ segment: Segment) {
        if !segments.install(segment) { SegmentFile.unmap(segment) }
        if let known = segments[segment.geometry.number], successorBits.load(ordering: .acquiring) == 0 {
            lookUpSegments.share(known)
        }
    }

    /// The segment after a full one, made if need be.
    func segment(after full: UnsafeMutablePointer<Segment>) throws(StoreError) -> UnsafeMutablePointer<Segment> {
        let number = full.pointee.geometry.number + 1
        if number >= StoreFormat.maxSegments {
            throw StoreError(
                .noSpace, "the store in \(directory) has all of its \(number) segments full: set a lower series limit")
        }
        do throws(StoreError) {
            if !full.pointee.isSealed {
                try makeSegment(number)
                // Release: whoever sees the seal finds the file.
                full.pointee.header(HeaderLayout.sealed).pointee.store(1, ordering: .releasing)
            }
            if let next = try segment(number) { return next }
        } catch {
            count(HeaderLayout.growthFailures)
            Notices.say(.noGrowth, "the store takes no new series from this process: \(error.message)")
            throw error
        }
        throw SegmentFile.missing(directory, number)
    }

    private func makeSegment(_ number: Int) throws(StoreError) {
        if try SegmentFile.create(directory: directory, number: number, identity: identity) { return }
        do throws(StoreError) {
            _ = try segmentBeforeSeal(number)
        } catch  where DeadStores.isHopeless(error) {
            // What is left of an earlier store of this directory.
            let path = segmentPath(0)
            let first = try openSame(path, as: firstSegment.pointee, writable: true)
            defer { CFDMetricsLinux_close(first) }
            guard DeadStores.removeStray(segmentPath(number), first: first, id: identity.id) else { throw error }
            if try SegmentFile.create(directory: directory, number: number, identity: identity) { return }
            _ = try segmentBeforeSeal(number)
        }
    }

    /// Whether there is a segment of a number that is this store's. It is not mapped for good yet.
    private func segmentBeforeSeal(_ number: Int) throws(StoreError) -> Bool {
        guard
            let (segment, _) = try SegmentFile.open(
                directory: directory, number: number, identity: identity, writable: true)
        else { return false }
        SegmentFile.unmap(segment)
        return true
    }

    /// The segment that takes new records.
    func lastSegment() throws(StoreError) -> UnsafeMutablePointer<Segment> {
        var last = firstSegment
        while last.pointee.isSealed { last = try segment(after: last) }
        return last
    }

    /// Adds to one of segment 0's counters of what was dropped.
    package func count(_ offset: Int) {
        firstSegment.pointee.header(offset).pointee.wrappingAdd(1, ordering: .relaxed)
    }

    // MARK: - End

    /// Detaches: gives back the lease and all mappings. Every handle of this store in this process dangles afterwards.
    package func close() {
        successor?.close()
        process.endLease()
        for number in 0..<StoreFormat.maxSegments {
            if let segment = segments[number] { SegmentFile.unmap(segment.pointee) }
        }
        segments.deallocate(withSegments: true)
        lookUpSegments.deallocate(withSegments: false)
        process.end()
        CFDMetricsLinux_free(directoryText)
    }

    /// Removes the store's files and its directory if its name is automatic, this process is the root of those that share
    /// the name or the root is dead, and no other process is there that attached the store or was forked by one that did.
    /// Called at the exit of the process.
    package func removeIfLast() {
        if identity.flags & HeaderLayout.flagAutomatic == 0 || !(StoreDirectory.isRoot || isRootGone) { return }
        process.endPresence()
        guard let descriptor = try? openSame(segmentPath(0), as: firstSegment.pointee, writable: true) else { return }
        defer { CFDMetricsLinux_close(descriptor) }
        // Held over the removal: a process that is just attaching finds it taken, and starts again with a new store.
        if CFDMetricsLinux_lock_byte(descriptor, Store.presenceByte) != 0 { return }
        AbandonedStores.removeFiles(directory)
    }
}

/// What a store is made with, where it is missing.
struct StoreSettings {
    var lanes: Int?
    var seriesLimit: Int?
    var isAutomatic: Bool

    /// Lanes and series limit of a new store. A setting that is wrong is an error where the store is there already, too.
    func checked() throws(StoreError) -> (laneCount: Int, seriesLimit: UInt64) {
        let laneCount = lanes ?? Self.defaultLanes()
        guard laneCount >= 1, laneCount <= StoreFormat.maxLanes, laneCount & (laneCount - 1) == 0 else {
            throw StoreError(
                .invalidArgument, "a store cannot have \(laneCount) lanes: give a power of two from 1 to 16")
        }
        let limit: Int
        if let seriesLimit { limit = seriesLimit } else { limit = try Self.defaultSeriesLimit() }
        guard limit > 0 else {
            throw StoreError(.invalidArgument, "a series limit of \(limit): give a number of at least 1")
        }
        return (laneCount, UInt64(limit))
    }

    private static func defaultLanes() -> Int {
        let cpus = max(1, CFDMetricsLinux_configured_cpus())
        var lanes = 1
        while lanes < cpus, lanes < StoreFormat.maxLanes { lanes *= 2 }
        return lanes
    }

    private static func defaultSeriesLimit() throws(StoreError) -> Int {
        guard let text = CFDMetricsLinux_getenv("FDMETRICS_SERIES_LIMIT"), text.pointee != 0 else { return 10_000 }
        guard let limit = Int(String(cString: text)), limit > 0 else {
            throw StoreError(
                .invalidArgument,
                "FDMETRICS_SERIES_LIMIT is \"\(String(cString: text))\": set it to a whole number above 0")
        }
        return limit
    }
}
