// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
package import FDMetricsStore
import Synchronization

/// What is in a store, as `fdmctl dump` and fdm_dump_directory show it. Values are read when they are written out; those of a
/// store in use are each of a slightly different instant.
package struct StoreListing {
    package struct SegmentEntry {
        package let segment: UnsafeMutablePointer<Segment>
        /// Index slots that lead to no sound record.
        package fileprivate(set) var damaged: [Int] = []

        package var geometry: SegmentGeometry { segment.pointee.geometry }
        package var isSealed: Bool { segment.pointee.isSealed }
        package var number: Int { geometry.number }
        package var entries: UInt64 { header(HeaderLayout.entries) }
        package var recordsNext: UInt64 { header(HeaderLayout.recordsNext) }
        package var recordsReserved: UInt64 { header(HeaderLayout.recordsReserved) }
        package var cellsNext: UInt64 { header(HeaderLayout.cellsNext) }
        package var cellsReserved: UInt64 { header(HeaderLayout.cellsReserved) }

        fileprivate func header(_ offset: Int) -> UInt64 {
            segment.pointee.header(offset).pointee.load(ordering: .acquiring)
        }
    }

    package struct FamilyEntry {
        package let descriptor: FamilyDescriptor
        /// Of its latest record.
        fileprivate var place: FamilyPlace
        /// Whether another declaration of the name has taken its place.
        package fileprivate(set) var isReplaced = false
        /// The records, at least one in each segment that has series of it.
        package fileprivate(set) var records: [RecordPlace] = []
        /// By text.
        package fileprivate(set) var series: [SeriesEntry] = []
        /// The family that was found before it whose name has the same hash; -1: none.
        fileprivate let sameHash: Int
    }

    /// A family's record.
    package struct RecordPlace {
        package let segment: Int
        package let offset: Int
        package let record: UnsafeMutableRawPointer

        package var seriesCount: Int64 {
            Int64(bitPattern: word(record + FamilyLayout.seriesCount).pointee.load(ordering: .relaxed))
        }
    }

    package struct SeriesEntry {
        let segment: UnsafeMutablePointer<Segment>
        let offset: Int
        package let isRemoved: Bool

        var series: SeriesRecord { SeriesRecord(sound: segment.pointee.base + offset) }
    }

    /// Keeps the segments mapped.
    let reader: StoreReader
    package let directory: String
    /// Whether a process has the store open: also a fork child that holds no slot, because it only counts.
    package let isOpen: Bool
    package private(set) var segments: [SegmentEntry] = []
    package private(set) var processes: [ProcessEntry] = []
    /// By name, and of one name the one that counts first.
    package private(set) var families: [FamilyEntry] = []

    /// Reads a store.
    /// - Throws: `notFound`, `foreign`, `damaged` and `system`, of the files as wholes.
    package init(directory: String, includesRemoved: Bool) throws(StoreError) {
        reader = try StoreReader(directory: directory)
        self.directory = reader.directory
        var holders = try SlotHolders(reader)
        isOpen = holders.isStoreOpen
        processes = holders.processes(in: reader)
        var found = FoundFamilies()
        var number = 0
        while let segment = try reader.segment(number) {
            segments.append(SegmentEntry(segment: segment, damaged: found.read(segment, includesRemoved)))
            number += 1
        }
        families = found.sorted()
    }

    package var createdTime: UInt64 { constant(HeaderLayout.createdTime) }
    package var laneCount: Int { segments.first?.geometry.laneCount ?? 0 }
    package var seriesLimit: UInt64 { constant(HeaderLayout.seriesLimit) }
    package var isAutomatic: Bool { constant(HeaderLayout.flags) & HeaderLayout.flagAutomatic != 0 }
    package var removals: UInt64 { header(HeaderLayout.removals) }
    package var droppedNoSpace: UInt64 { header(HeaderLayout.droppedNoSpace) }
    package var droppedSeriesLimit: UInt64 { header(HeaderLayout.droppedSeriesLimit) }
    package var conflicts: UInt64 { header(HeaderLayout.conflicts) }
    package var growthFailures: UInt64 { header(HeaderLayout.growthFailures) }
    package var moves: UInt64 { header(HeaderLayout.moves) }

    /// A word of the store's header that never changes.
    func constant(_ offset: Int) -> UInt64 { segments.first?.segment.pointee.constant(offset) ?? 0 }
    private func header(_ offset: Int) -> UInt64 { segments.first?.header(offset) ?? 0 }
}

/// Families as they are found.
private struct FoundFamilies {
    private var families: [StoreListing.FamilyEntry] = []
    /// The latest family of a hash of a name.
    private var byHash: [Int: UInt32] = [:]

    /// Takes what is in a segment.
    /// - Returns: index slots that lead to no sound record.
    mutating func read(_ segment: UnsafeMutablePointer<Segment>, _ includesRemoved: Bool) -> [Int] {
        var damaged: [Int] = []
        // The family of a record.
        var known: [Int: UInt32] = [:]
        for position in 0..<segment.pointee.geometry.indexCapacity {
            // Acquire: pairs with the release that put the record into the index.
            let slot = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
            let offset = Int(slot & 0xFFFF_FFFF)
            if slot == 0 { continue }
            if let record = FamilyRecord(segment.pointee, offset: offset) {
                let index = known[offset].map { Int($0) } ?? family(record, segment, offset)
                known[offset] = UInt32(index)
                let number = segment.pointee.geometry.number
                families[index].records.append(.init(segment: number, offset: offset, record: record.record))
                continue
            }
            guard let series = SeriesRecord(segment.pointee, offset: offset),
                let index = known[series.familyOffset].map({ Int($0) })
                    ?? FamilyRecord(segment.pointee, offset: series.familyOffset).map({
                        family($0, segment, series.familyOffset)
                    }), hasValue(series, families[index].descriptor, segment)
            else {
                damaged.append(position)
                continue
            }
            known[series.familyOffset] = UInt32(index)
            if !series.isLive, !includesRemoved { continue }
            families[index].series.append(.init(segment: segment, offset: offset, isRemoved: !series.isLive))
        }
        return damaged
    }

    /// Which family a record is of: one that is known, or a new one.
    private mutating func family(
        _ record: FamilyRecord, _ segment: UnsafeMutablePointer<Segment>, _ offset: Int
    ) -> Int {
        let place = FamilyPlace(record, segment: segment.pointee.geometry.number, offset: offset)
        let descriptor = record.descriptor
        let hash = Int(truncatingIfNeeded: record.nameHash)
        let latest = byHash[hash].map { Int($0) } ?? -1
        var index = latest
        while index >= 0 {
            let other = families[index].descriptor
            if other.name == descriptor.name, other.conflict(with: descriptor) == nil {
                if families[index].place < place { families[index].place = place }
                return index
            }
            index = families[index].sameHash
        }
        byHash[hash] = UInt32(families.count)
        families.append(.init(descriptor: descriptor, place: place, sameHash: latest))
        return families.count - 1
    }

    func sorted() -> [StoreListing.FamilyEntry] {
        let order = sortedIndices(families.count) { a, b in
            let order = compared(families[a].descriptor.name, families[b].descriptor.name)
            return order == 0 ? families[b].place < families[a].place : order < 0
        }
        var sorted: [StoreListing.FamilyEntry] = []
        sorted.reserveCapacity(families.count)
        for index in order {
            var family = families[index]
            family.isReplaced = sorted.last?.descriptor.name == family.descriptor.name
            let series = family.series
            family.series = sortedIndices(series.count) { a, b in
                let order = compared(series[a].series.text, series[b].series.text)
                let places = (series[a].segment.pointee.geometry.number, series[b].segment.pointee.geometry.number)
                if order != 0 { return order < 0 }
                return places.0 == places.1 ? series[a].offset < series[b].offset : places.0 < places.1
            }.map { series[$0] }
            sorted.append(family)
        }
        return sorted
    }
}

/// The numbers below a count in an order. A heap, since the library's own sort is several times as much code.
private func sortedIndices(_ count: Int, _ isBefore: (Int, Int) -> Bool) -> [Int] {
    var heap = Array(0..<count)
    func sink(_ start: Int, _ end: Int) {
        var parent = start
        while 2 * parent + 1 < end {
            var child = 2 * parent + 1
            if child + 1 < end, isBefore(heap[child], heap[child + 1]) { child += 1 }
            if !isBefore(heap[parent], heap[child]) { return }
            heap.swapAt(parent, child)
            parent = child
        }
    }
    for start in stride(from: count / 2 - 1, through: 0, by: -1) { sink(start, count) }
    for end in stride(from: count - 1, to: 0, by: -1) {
        heap.swapAt(0, end)
        sink(0, end)
    }
    return heap
}

/// Less than 0, 0 or more, by bytes.
private func compared(_ a: String, _ b: String) -> Int {
    var (a, b) = (a, b)
    return a.withUTF8 { a in b.withUTF8 { b in compared(UnsafeRawBufferPointer(a), UnsafeRawBufferPointer(b)) } }
}

private func compared(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    for index in 0..<min(a.count, b.count) where a[index] != b[index] { return Int(a[index]) - Int(b[index]) }
    return a.count - b.count
}
