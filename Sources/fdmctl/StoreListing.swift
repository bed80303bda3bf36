// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsInspection
import FDMetricsStore
import Synchronization

/// What is in a store, as `fdmctl dump` shows it. Values of a store in use are each of a slightly different instant.
struct StoreListing {
    struct SegmentEntry {
        let number: Int
        let geometry: SegmentGeometry
        let entries: UInt64
        let recordsNext: UInt64
        let recordsReserved: UInt64
        let cellsNext: UInt64
        let cellsReserved: UInt64
        let isSealed: Bool
        /// Index slots that lead to no sound record.
        var damaged: [Int] = []
    }

    typealias ProcessEntry = FDMetricsInspection.ProcessEntry

    struct FamilyEntry {
        let descriptor: FamilyDescriptor
        /// Of its latest record.
        fileprivate(set) var place: FamilyPlace?
        /// Whether another declaration of the name has taken its place.
        fileprivate(set) var isReplaced = false
        /// The records, at least one in each segment that has series of it.
        var records: [(segment: Int, offset: Int, seriesCount: Int64)] = []
        var series: [SeriesEntry] = []

        /// Whether this declaration counts, of two of one name.
        fileprivate func isLater(than other: FamilyEntry) -> Bool {
            guard let place else { return false }
            return other.place.map { $0 < place } ?? true
        }
    }

    struct SeriesEntry {
        let segment: Int
        let offset: Int
        let labels: [(name: String, value: String)]
        /// The labels as the text format has them.
        let text: String
        let isRemoved: Bool
        let createdTime: UInt64
        let value: SeriesValue
    }

    let directory: String
    let storeID: String
    let createdTime: UInt64
    let laneCount: Int
    let seriesLimit: UInt64
    let isAutomatic: Bool
    let removals: UInt64
    let droppedNoSpace: UInt64
    let droppedSeriesLimit: UInt64
    let conflicts: UInt64
    let growthFailures: UInt64
    let moves: UInt64
    /// Whether a process has the store open: also a fork child that holds no slot, because it only counts.
    let isOpen: Bool
    private(set) var segments: [SegmentEntry] = []
    private(set) var processes: [ProcessEntry] = []
    /// By name.
    private(set) var families: [FamilyEntry] = []

    /// Reads a store.
    /// - Throws: `notFound`, `foreign`, `damaged` and `system`, of the files as wholes.
    init(directory: String, includesRemoved: Bool) throws(StoreError) {
        let reader = try StoreReader(directory: directory)
        guard let first = try reader.segment(0) else {
            throw StoreError(.notFound, "there is no store in \(directory)")
        }
        func header(_ offset: Int) -> UInt64 { first.pointee.header(offset).pointee.load(ordering: .acquiring) }
        self.directory = reader.directory
        storeID = [0, 8].map { digits(first.pointee.constant(HeaderLayout.storeID + $0)) }.joined()
        createdTime = first.pointee.constant(HeaderLayout.createdTime)
        laneCount = first.pointee.geometry.laneCount
        seriesLimit = first.pointee.constant(HeaderLayout.seriesLimit)
        isAutomatic = first.pointee.constant(HeaderLayout.flags) & HeaderLayout.flagAutomatic != 0
        removals = header(HeaderLayout.removals)
        droppedNoSpace = header(HeaderLayout.droppedNoSpace)
        droppedSeriesLimit = header(HeaderLayout.droppedSeriesLimit)
        conflicts = header(HeaderLayout.conflicts)
        growthFailures = header(HeaderLayout.growthFailures)
        moves = header(HeaderLayout.moves)

        var liveness = Liveness(try LivenessProbe(directory: reader.directory, segment: first), ProcessSlots(first))
        isOpen = liveness.isStoreOpen
        processes = liveness.processes(in: reader)
        var found = FoundFamilies()
        var number = 0
        while let segment = try reader.segment(number) {
            segments.append(
                readSegment(segment, reader, &liveness, includesRemoved: includesRemoved, into: &found))
            number += 1
        }
        // Of one name the one that counts first.
        families = found.all.sorted { a, b in
            a.descriptor.name == b.descriptor.name ? a.isLater(than: b) : a.descriptor.name < b.descriptor.name
        }
        for index in families.indices.dropFirst()
        where families[index].descriptor.name == families[index - 1].descriptor.name {
            families[index].isReplaced = true
        }
        for index in families.indices {
            families[index].series.sort { ($0.text, $0.segment, $0.offset) < ($1.text, $1.segment, $1.offset) }
        }
    }
}

/// Families as they are found, by name and declaration.
private struct FoundFamilies {
    private var byName: [String: [StoreListing.FamilyEntry]] = [:]

    var all: [StoreListing.FamilyEntry] { byName.values.flatMap { $0 } }

    mutating func update(_ descriptor: FamilyDescriptor, _ change: (inout StoreListing.FamilyEntry) -> Void) {
        var known = byName[descriptor.name] ?? []
        var index = known.firstIndex { $0.descriptor.conflict(with: descriptor) == nil }
        if index == nil {
            index = known.count
            known.append(StoreListing.FamilyEntry(descriptor: descriptor))
        }
        byName[descriptor.name] = nil
        change(&known[index.unsafelyUnwrapped])
        byName[descriptor.name] = known
    }
}

private func readSegment(
    _ segment: UnsafeMutablePointer<Segment>, _ reader: StoreReader, _ liveness: inout Liveness, includesRemoved: Bool,
    into families: inout FoundFamilies
) -> StoreListing.SegmentEntry {
    func header(_ offset: Int) -> UInt64 { segment.pointee.header(offset).pointee.load(ordering: .acquiring) }
    let geometry = segment.pointee.geometry
    var entry = StoreListing.SegmentEntry(
        number: geometry.number, geometry: geometry, entries: header(HeaderLayout.entries),
        recordsNext: header(HeaderLayout.recordsNext), recordsReserved: header(HeaderLayout.recordsReserved),
        cellsNext: header(HeaderLayout.cellsNext), cellsReserved: header(HeaderLayout.cellsReserved),
        isSealed: segment.pointee.isSealed)
    var known: [Int: FamilyDescriptor] = [:]
    for position in 0..<geometry.indexCapacity {
        // Acquire: pairs with the release that put the record into the index.
        let slot = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
        let offset = Int(slot & 0xFFFF_FFFF)
        if slot == 0 { continue }
        if let family = FamilyRecord(segment.pointee, offset: offset) {
            let descriptor = family.descriptor
            known[offset] = descriptor
            let count = word(family.record + FamilyLayout.seriesCount).pointee.load(ordering: .relaxed)
            let place = FamilyPlace(family, segment: geometry.number, offset: offset)
            families.update(descriptor) { entry in
                entry.records.append((geometry.number, offset, Int64(bitPattern: count)))
                if entry.place.map({ $0 < place }) ?? true { entry.place = place }
            }
            continue
        }
        guard let series = SeriesRecord(segment.pointee, offset: offset),
            let family = known[series.familyOffset]
                ?? FamilyRecord(segment.pointee, offset: series.familyOffset)?.descriptor,
            let value = SeriesValue(series, of: family, in: segment, reader: reader, liveness: &liveness)
        else {
            entry.damaged.append(position)
            continue
        }
        known[series.familyOffset] = family
        if !series.isLive, !includesRemoved { continue }
        let values = (0..<series.valueCount).map { text(series.value($0)) }
        // An info's keys follow its values.
        let keys = values.suffix(max(0, values.count - family.labelNames.count) / 2)
        let found = StoreListing.SeriesEntry(
            segment: geometry.number, offset: offset,
            labels: Array(zip(family.labelNames + keys, values)).map { ($0, $1) },
            text: text(series.text), isRemoved: !series.isLive, createdTime: series.createdTime, value: value)
        families.update(family) { $0.series.append(found) }
    }
    return entry
}

private func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

private func digits(_ value: UInt64) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
}
