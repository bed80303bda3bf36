// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import Synchronization

/// One segment file, mapped into this process: where its words are, and nothing about what they mean.
///
/// Lives in memory that is never moved and never freed while its store is open, so that a pointer to it can be shared by
/// all threads without reference counting.
package struct Segment {
    package let base: UnsafeMutableRawPointer
    package let geometry: SegmentGeometry
    /// This process's handles, one for each possible record (see `SeriesHandle`); nil in a reader.
    package let handles: UnsafeMutableRawPointer?
    /// Which file is mapped, so that a file of the same name that is not this one is noticed.
    package let device: UInt64
    package let inode: UInt64
    package let descriptor: KeptDescriptor

    package init(
        base: UnsafeMutableRawPointer, geometry: SegmentGeometry, handles: UnsafeMutableRawPointer?, device: UInt64,
        inode: UInt64, descriptor: KeptDescriptor
    ) {
        self.base = base
        self.geometry = geometry
        self.handles = handles
        self.device = device
        self.inode = inode
        self.descriptor = descriptor
    }

    /// A changing word of the header.
    @inline(__always)
    package func header(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> { word(base + offset) }

    /// A constant word of the header; it was checked when the file was opened.
    package func constant(_ offset: Int) -> UInt64 { (base + offset).load(as: UInt64.self) }

    @inline(__always)
    package func indexSlot(_ position: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        word(base + geometry.indexOffset + position &* IndexLayout.slotSize)
    }

    /// How many bytes of the records section may be read. Acquire: pairs with the release of `recordsNext`'s exchange
    /// for readers that come by way of the header instead of the index.
    package var recordsEnd: Int {
        let next = header(HeaderLayout.recordsNext).pointee.load(ordering: .acquiring)
        let reserved = header(HeaderLayout.recordsReserved).pointee.load(ordering: .acquiring)
        return geometry.recordsOffset + Int(truncatingIfNeeded: min(next, reserved, UInt64(geometry.recordsSize)))
    }

    /// How many bytes of each lane may be read.
    package var cellsEnd: Int {
        let next = header(HeaderLayout.cellsNext).pointee.load(ordering: .acquiring)
        let reserved = header(HeaderLayout.cellsReserved).pointee.load(ordering: .acquiring)
        return Int(truncatingIfNeeded: min(next, reserved, UInt64(geometry.cellsSize)))
    }

    /// How many bytes are reserved on the file system.
    package var reservedBytes: UInt64 {
        bytes(records: HeaderLayout.recordsReserved, cells: HeaderLayout.cellsReserved)
    }

    /// How many of the reserved bytes are taken by header and index, process slots, records and cells.
    package var usedBytes: UInt64 {
        // The words are read one after the other while others write.
        min(bytes(records: HeaderLayout.recordsNext, cells: HeaderLayout.cellsNext), reservedBytes)
    }

    /// Header and index, process slots, and as much of records and cells as two words say. A damaged word counts as the
    /// whole of what it is about.
    private func bytes(records: Int, cells: Int) -> UInt64 {
        func load(_ offset: Int, _ most: Int) -> UInt64 {
            min(header(offset).pointee.load(ordering: .relaxed), UInt64(most))
        }
        return UInt64(geometry.slotsOffset) + load(records, geometry.recordsSize)
            + load(HeaderLayout.slotsReserved, geometry.slotCapacity) * UInt64(SlotLayout.size)
            + load(cells, geometry.cellsSize) * UInt64(geometry.laneCount)
    }

    /// The lane 0 cell at an offset in each lane.
    @inline(__always)
    package func cell(_ cell: Int) -> UnsafeMutableRawPointer { base + geometry.fileOffset(ofCell: cell) }

    /// The lane 0 cell of a series; nil: what its record says is none, or not wholly within a lane and what is taken.
    package func cell(of series: SeriesRecord, size: Int) -> UnsafeMutableRawPointer? {
        guard let place = series.cell, place % 16 == 0, place + size <= cellsEnd,
            place % StoreFormat.laneStride + size <= StoreFormat.laneStride
        else { return nil }
        return cell(place)
    }

    /// This process's handle of the record at a file offset.
    @inline(__always)
    package func handle(ofRecord offset: Int) -> UnsafeMutablePointer<SeriesHandle> {
        // 64 bytes of record, 32 of handle.
        (handles.unsafelyUnwrapped + (offset &- geometry.recordsOffset) &>> 1)
            .assumingMemoryBound(to: SeriesHandle.self)
    }

    package var isSealed: Bool { header(HeaderLayout.sealed).pointee.load(ordering: .acquiring) != 0 }
}

/// The segments of a store that this process has mapped. Lock-free: a slot goes from 0 to the segment's address once.
package struct SegmentTable: @unchecked Sendable {
    @usableFromInline let slots: UnsafeMutablePointer<Atomic<UInt>>

    package init() {
        slots = .allocate(capacity: StoreFormat.maxSegments)
        for index in 0..<StoreFormat.maxSegments { (slots + index).initialize(to: Atomic(0)) }
    }

    /// A mapped segment. Acquire: pairs with the release in `install`, so that the struct is seen whole.
    @inline(__always)
    package subscript(_ number: Int) -> UnsafeMutablePointer<Segment>? {
        UnsafeMutablePointer(bitPattern: slots[number].load(ordering: .acquiring))
    }

    /// Makes a segment known to all threads; false if another thread was first (then the caller unmaps its own).
    package func install(_ segment: Segment) -> Bool {
        let place = UnsafeMutablePointer<Segment>.allocate(capacity: 1)
        place.initialize(to: segment)
        let result = slots[segment.geometry.number].compareExchange(
            expected: 0, desired: UInt(bitPattern: place), ordering: .acquiringAndReleasing)
        if !result.exchanged { place.deallocate() }
        return result.exchanged
    }

    /// Makes a segment known that another table has.
    package func share(_ segment: UnsafeMutablePointer<Segment>) {
        slots[segment.pointee.geometry.number].store(UInt(bitPattern: segment), ordering: .releasing)
    }

    /// Forgets all segments, which stay mapped.
    package func forgetAll() {
        for number in (0..<StoreFormat.maxSegments).reversed() { slots[number].store(0, ordering: .releasing) }
    }

    /// How many segments are mapped; they are numbered without gaps.
    @inline(__always)
    package var count: Int {
        var count = 0
        while count < StoreFormat.maxSegments, slots[count].load(ordering: .relaxed) != 0 { count &+= 1 }
        return count
    }

    package func deallocate(withSegments: Bool) {
        if withSegments { for number in 0..<StoreFormat.maxSegments { self[number]?.deallocate() } }
        slots.deallocate()
    }
}
