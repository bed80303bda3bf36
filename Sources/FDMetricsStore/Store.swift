// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Glibc
import Synchronization

/// One store directory, attached by this process for recording.
///
/// Thread-safe, and usable in a fork child: everything that changes is an atomic word, here or in the shared files, and
/// nothing takes a lock. Never freed while a handle of it is in use; `close` is for tests and tools.
public final class Store: SegmentSource, @unchecked Sendable {
    /// The directory's absolute path.
    public let directory: String
    /// The same as a C string, for callers that borrow it.
    package let directoryText: UnsafeMutablePointer<CChar>
    package let segments: SegmentTable
    package let identity: StoreIdentity
    package let laneMask: UInt32
    /// A page that fork children find empty (MADV_WIPEONFORK). Its first word is this process's lease token; the word
    /// before it, which is not wiped, is this object's address, so that a gauge's handle leads to both.
    private let forkPage: UnsafeMutableRawPointer
    /// The page whose mapping says that this process or a fork child of it is still there. 0: none.
    private let presencePage = Atomic<UInt>(0)
    /// The page whose mapping keeps the lease, for `close`. 0 until there is one.
    private let leasePage = Atomic<UInt>(0)

    /// Attaches the store in a directory, making both where they are missing.
    /// - Parameters:
    ///   - directory: the directory's path.
    ///   - lanes: lanes of a new store, a power of two up to 16; nil: as many as there are configured CPUs, rounded up.
    ///   - seriesLimit: the most series of one family, of a new store; nil: FDMETRICS_SERIES_LIMIT, else 10,000.
    /// - Throws: `StoreError` of any code but `labels` and `seriesLimit`.
    package init(directory: String, lanes: Int? = nil, seriesLimit: Int? = nil) throws(StoreError) {
        let path = try StoreDirectory.prepare(directory)
        let laneCount = lanes ?? Store.defaultLanes()
        guard laneCount >= 1, laneCount <= StoreFormat.maxLanes, laneCount & (laneCount - 1) == 0 else {
            throw StoreError(
                .invalidArgument, "a store cannot have \(laneCount) lanes: give a power of two from 1 to 16")
        }
        let limit: Int
        if let seriesLimit { limit = seriesLimit } else { limit = try Store.defaultSeriesLimit() }
        guard limit > 0 else {
            throw StoreError(.invalidArgument, "a series limit of \(limit): give a number of at least 1")
        }

        var found = try SegmentFile.open(directory: path, number: 0, identity: nil, writable: true)
        let isMissing = found == nil
        if isMissing {
            let flags = StoreDirectory.isAutomatic(directory) ? HeaderLayout.flagAutomatic : 0
            let identity = try StoreIdentity.random(laneCount: laneCount, seriesLimit: UInt64(limit), flags: flags)
            _ = try SegmentFile.create(directory: path, number: 0, identity: identity)
            found = try SegmentFile.open(directory: path, number: 0, identity: nil, writable: true)
        }
        guard let (segment, identity) = found else {
            throw StoreError(.notFound, "the store in \(path) was deleted while it was being attached: try again")
        }
        guard let page = CFDMetricsLinux_wiped_page() else {
            let error = errno
            SegmentFile.unmap(segment)
            throw error == EINVAL
                ? StoreError(.unsupported, "this kernel lacks MADV_WIPEONFORK (Linux 4.14): update it", errno: error)
                : .system("cannot map a page", error)
        }
        self.directory = path
        directoryText = strdup(path)
        self.identity = identity
        segments = SegmentTable()
        laneMask = UInt32(identity.laneCount - 1)
        forkPage = page
        _ = segments.install(segment)
        (page - 8).storeBytes(of: UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()), as: UInt.self)
        do {
            try announcePresence()
            if isMissing, identity.flags & HeaderLayout.flagAutomatic != 0 {
                noteRoot()
                AbandonedStores.remove(beside: path)
            }
            _ = try lease()
        } catch {
            close()
            throw error
        }
    }

    private static func defaultLanes() -> Int {
        let cpus = max(1, sysconf(Int32(_SC_NPROCESSORS_CONF)))
        var lanes = 1
        while lanes < cpus, lanes < StoreFormat.maxLanes { lanes *= 2 }
        return lanes
    }

    private static func defaultSeriesLimit() throws(StoreError) -> Int {
        guard let text = getenv("FDMETRICS_SERIES_LIMIT"), text.pointee != 0 else { return 10_000 }
        guard let limit = Int(String(cString: text)), limit > 0 else {
            throw StoreError(
                .invalidArgument,
                "FDMETRICS_SERIES_LIMIT is \"\(String(cString: text))\": set it to a whole number above 0")
        }
        return limit
    }

    package func segmentPath(_ number: Int) -> String { "\(directory)/\(StoreFormat.fileName(segment: number))" }

    package var firstSegment: UnsafeMutablePointer<Segment> { segments[0].unsafelyUnwrapped }

    // MARK: - Lease

    /// Where this process's lease token stands; 0 there means that it has none yet, as in a fork child.
    package var tokenWord: UnsafeMutableRawPointer { forkPage }

    package var ownToken: UInt64 { word(tokenWord).pointee.load(ordering: .acquiring) }

    /// This process's lease, taken at the first call, and once more in each fork child that calls this.
    package func lease() throws(StoreError) -> LeaseToken {
        let own = word(tokenWord)
        let known = own.pointee.load(ordering: .acquiring)
        if known != 0 { return LeaseToken(bits: known) }
        let (token, page) = try ProcessSlots(firstSegment).take(path: segmentPath(0)) { count throws(StoreError) in
            try reserveSlots(firstSegment, count: count)
        }
        // Two threads may both have taken a slot; one token wins, and the other's slot is given back.
        let result = own.pointee.compareExchange(expected: 0, desired: token.bits, ordering: .acquiringAndReleasing)
        if result.exchanged {
            leasePage.store(UInt(bitPattern: page), ordering: .relaxed)
            return token
        }
        munmap(page, Int(sysconf(Int32(_SC_PAGESIZE))))
        return LeaseToken(bits: result.original)
    }

    /// The store whose token word a gauge's handle has.
    package static func ofToken(_ token: UnsafeMutableRawPointer) -> Store {
        let address = (token - 8).load(as: UInt.self)
        return Unmanaged<Store>.fromOpaque(UnsafeRawPointer(bitPattern: address).unsafelyUnwrapped)
            .takeUnretainedValue()
    }

    /// Holds a shared lock on one byte through a mapping that, unlike the lease's, fork children inherit. So the lock is
    /// there while any process lives that attached the store, or was forked by one that did.
    private func announcePresence() throws(StoreError) {
        let path = segmentPath(0)
        let descriptor = try openSame(path, as: firstSegment.pointee, flags: O_RDONLY)
        defer { Glibc.close(descriptor) }
        let error = CFDMetricsLinux_share_byte(descriptor, Store.presenceByte)
        if error == EAGAIN || error == EACCES {
            throw StoreError(.notFound, "the store in \(directory) is just being removed: try again", errno: error)
        }
        if error != 0 { throw ProcessSlots.lockError(error) }
        // Whoever removes the store holds the byte while it does. If the file still has its name now, it keeps it.
        Glibc.close(try openSame(path, as: firstSegment.pointee, flags: O_RDONLY))
        let size = Int(sysconf(Int32(_SC_PAGESIZE)))
        guard let page = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), page != MAP_FAILED else {
            throw .system("cannot map \(path)", errno)
        }
        presencePage.store(UInt(bitPattern: page), ordering: .relaxed)
    }

    static let presenceByte = StoreFormat.leaseBase - 1

    private func endPresence() {
        let page = presencePage.exchange(0, ordering: .relaxed)
        if page != 0 { munmap(UnsafeMutableRawPointer(bitPattern: page), Int(sysconf(Int32(_SC_PAGESIZE)))) }
    }

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
        else { return nil }
        if !segments.install(segment) { SegmentFile.unmap(segment) }
        return segments[number]
    }

    /// The segment after a full one, made if need be.
    func segment(after full: UnsafeMutablePointer<Segment>) throws(StoreError) -> UnsafeMutablePointer<Segment> {
        let number = full.pointee.geometry.number + 1
        if number >= StoreFormat.maxSegments {
            throw StoreError(
                .noSpace, "the store in \(directory) has all of its \(number) segments full: set a lower series limit")
        }
        if !full.pointee.isSealed {
            _ = try SegmentFile.create(directory: directory, number: number, identity: identity)
            // Release: whoever sees the seal finds the file.
            full.pointee.header(HeaderLayout.sealed).pointee.store(1, ordering: .releasing)
        }
        guard let next = try segment(number) else {
            throw StoreError(
                .damaged, "\(segmentPath(number)) is missing though the segment before it is sealed: remove the store")
        }
        return next
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
        let size = Int(sysconf(Int32(_SC_PAGESIZE)))
        if let page = UnsafeMutableRawPointer(bitPattern: leasePage.load(ordering: .relaxed)),
            word(tokenWord).pointee.load(ordering: .relaxed) != 0
        {
            munmap(page, size)
        }
        for number in 0..<StoreFormat.maxSegments {
            if let segment = segments[number] { SegmentFile.unmap(segment.pointee) }
        }
        segments.deallocate()
        endPresence()
        free(directoryText)
        CFDMetricsLinux_free_wiped_page(forkPage)
    }

    /// Removes the store's files and its directory if its name is automatic, this process is the root of those that share
    /// the name or the root is dead, and no other process is there that attached the store or was forked by one that did.
    /// Called at the exit of the process.
    package func removeIfLast() {
        if identity.flags & HeaderLayout.flagAutomatic == 0 || !(StoreDirectory.isRoot || isRootGone) { return }
        endPresence()
        guard let descriptor = try? openSame(segmentPath(0), as: firstSegment.pointee, flags: O_RDWR) else { return }
        defer { Glibc.close(descriptor) }
        // Held over the removal: a process that is just attaching finds it taken, and starts again with a new store.
        if CFDMetricsLinux_lock_byte(descriptor, Store.presenceByte) != 0 { return }
        AbandonedStores.removeFiles(directory)
    }
}
