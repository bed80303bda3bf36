// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

// A store whose files are deleted under the processes that use it (a cleaner, a logout, `rm -r`) lives on in their memory,
// where nobody else finds it. Each of them leaves it for the store that is then in the directory, which the first of them
// makes. This store object stays, as an address that handles and callers have; everything that it is asked for is asked of
// its successor. FDMetrics' `StoreMoves` moves what the instruments have.

extension Store {
    /// The store that has taken this one's place; nil: it is in its place.
    package var successor: Store? {
        UnsafeRawPointer(bitPattern: successorBits.load(ordering: .acquiring)).map {
            Unmanaged<Store>.fromOpaque($0).takeUnretainedValue()
        }
    }

    /// The store that this one stands for now.
    package var current: Store {
        var store = self
        while let next = store.successor { store = next }
        return store
    }

    /// Whether the files still have their names, as far as this process can see.
    package var isInPlace: Bool {
        if !isFirstInPlace { return false }
        var number = 0
        while let segment = segments[number], segment.pointee.isSealed, number + 1 < StoreFormat.maxSegments {
            number += 1
            var info = CFDMetricsLinux_file()
            if CFDMetricsLinux_lstat(segmentPath(number), &info) != 0 {
                if errno == ENOENT { return false }
            } else if let known = segments[number], info.inode != known.pointee.inode {
                return false
            }
        }
        return true
    }

    private var isFirstInPlace: Bool {
        let first = firstSegment.pointee
        var info = CFDMetricsLinux_file()
        if CFDMetricsLinux_lstat(process.path, &info) == 0 {
            return info.device == first.device && info.inode == first.inode
        }
        if errno == ENOENT || errno == ENOTDIR { return false }
        // A process that has changed its user may not look.
        guard let known = first.descriptor.current(of: first), CFDMetricsLinux_fstat(known, &info) == 0 else {
            return true
        }
        return info.links > 0
    }

    /// Removes what is left of a store of which a file was deleted, so that there is room for the one in its place. One
    /// process does it; see `DeadStores.removeStray` for the lock.
    /// - Returns: whether segment 0 is gone.
    package func removeRest() -> Bool {
        if !isFirstInPlace { return true }
        guard let first = try? openSame(segmentPath(0), as: firstSegment.pointee, writable: true) else { return false }
        defer { CFDMetricsLinux_close(first) }
        // Asked again under the lock: another process may have been faster, and a third one made a new store since.
        if CFDMetricsLinux_lock_byte(first, StoreFormat.leaseBase - 2) == 0, isFirstInPlace {
            DeadStores.removeSegments(directory)
        }
        return !isFirstInPlace
    }

    /// Whether it is time to look at that again: once a second.
    package var isTimeToLook: Bool { process.isTimeToLook() }

    /// Attaches the store that is in the directory now, made if need be.
    package func attachSuccessor() throws(StoreError) -> Store {
        try AttachedStores.attach(
            place,
            StoreSettings(
                lanes: identity.laneCount, seriesLimit: Int(clamping: identity.seriesLimit),
                isAutomatic: identity.flags & HeaderLayout.flagAutomatic != 0),
            predecessors: predecessors + [self])
    }

    /// Lets go of the descriptors of a store that was left a second ago or more, once; false: it is not yet time for that, or
    /// it has happened already.
    package func retire() -> Bool {
        let time = retirement.load(ordering: .relaxed)
        guard MonotonicSeconds.now >= time,
            retirement.compareExchange(expected: time, desired: .max, ordering: .relaxed).exchanged
        else { return false }
        for number in 0..<StoreFormat.maxSegments {
            if let segment = segments[number] { segment.pointee.descriptor.retire(of: segment.pointee) }
        }
        return true
    }

    /// Makes a store the successor of this one, once what this process has of it has been moved.
    package func leave(for next: Store) {
        // Release: who sees the successor sees it whole. It is never freed.
        successorBits.store(UInt(bitPattern: Unmanaged.passRetained(next).toOpaque()), ordering: .releasing)
        // Look-ups of this store's families find nothing from here on, and ask the successor.
        lookUpSegments.forgetAll()
        // In whole seconds, so 2 is one at least.
        retirement.store(MonotonicSeconds.now + 2, ordering: .relaxed)
        next.count(HeaderLayout.moves)
        // Processes that watch this word look everything up again.
        firstSegment.pointee.header(HeaderLayout.removals).pointee.wrappingAdd(1, ordering: .releasing)
    }
}

extension Family {
    /// The same family in the store that stands for this one's now, registered there if need be. nil: it is this one.
    func moved() throws(StoreError) -> Family? {
        guard store.successor != nil else { return nil }
        let known = UnsafeRawPointer(bitPattern: movedBits.load(ordering: .acquiring))
        if let known = known.map({ Unmanaged<Family>.fromOpaque($0).takeUnretainedValue() }),
            known.store.successor == nil
        {
            return known
        }
        if store.isReplaced(descriptor) {
            throw StoreError(
                .conflict, "\(descriptor.name) was declared in another way in the place of this one: declare it anew")
        }
        let family = try store.current.family(descriptor)
        // Release: who finds it sees it whole. Its store keeps it.
        movedBits.store(UInt(bitPattern: Unmanaged.passUnretained(family).toOpaque()), ordering: .releasing)
        return family
    }
}

extension Store {
    /// Whether a record is in one of the mapped segments of this store.
    package func contains(_ record: UnsafeMutableRawPointer) -> Bool { segment(of: record) != nil }

    /// The mapped segment that a record is in.
    package func segment(of record: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Segment>? {
        for number in 0..<StoreFormat.maxSegments {
            guard let segment = segments[number] else { return nil }
            if record >= segment.pointee.base, record < segment.pointee.base + segment.pointee.geometry.fileSize {
                return segment
            }
        }
        return nil
    }
}

extension UnsafeMutablePointer where Pointee == SeriesHandle {
    /// Makes a handle lead to another store's series of the same type, while other threads update through it: each word is
    /// replaced by itself, and every mixture of old and new ones leads to a cell of one of the two.
    /// - Parameter cell: of a gauge, this process's instance.
    package func redirect(to other: SeriesHandle, cell: UnsafeMutableRawPointer?) {
        let memory = UnsafeMutableRawPointer(self)
        func put(_ offset: Int, _ value: UnsafeMutableRawPointer?) {
            word(memory + offset).pointee.store(UInt64(UInt(bitPattern: value)), ordering: .releasing)
        }
        let lanes = halfWord(memory + SeriesHandle.laneMaskOffset)
        // A mask that is too large for the cell that it is used with leads beyond the lanes.
        let isLess = other.laneMask < lanes.pointee.load(ordering: .relaxed)
        if isLess { lanes.pointee.store(other.laneMask, ordering: .releasing) }
        put(SeriesHandle.recordOffset, other.record)
        put(SeriesHandle.auxiliaryOffset, other.auxiliary)
        put(SeriesHandle.cellOffset, cell)
        if !isLess { lanes.pointee.store(other.laneMask, ordering: .releasing) }
    }
}
