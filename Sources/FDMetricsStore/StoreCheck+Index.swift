// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A family's record in one segment, as the check sees it.
struct CheckedFamily {
    let record: FamilyRecord
    let descriptor: FamilyDescriptor
    /// `seriesCount` before the series were looked at; nil: the family came when some had been already.
    let counted: Int64?
    var live: Int64 = 0
    var removed: Int64 = 0
}

/// What tells the records of families in one segment apart.
struct FamilyTime: Hashable {
    let name: String
    let time: UInt64
}

/// What the check of one segment's index gathers.
struct IndexScan {
    var families: [Int: CheckedFamily] = [:]
    var familyTimes: [FamilyTime: Int] = [:]
    /// Which index slot has which record.
    var positions: [Int: Int] = [:]
    /// The live series of a key hash.
    var liveSeries: [UInt64: [SeriesRecord]] = [:]
}

// The index of a segment and the families in it. An index slot goes from 0 to its record once and never changes again,
// and a record is whole before a slot has it; so what a slot leads to can be checked at any time.
extension StoreCheck {
    mutating func checkIndex(_ segment: UnsafeMutablePointer<Segment>) {
        let capacity = segment.pointee.geometry.indexCapacity
        var scan = IndexScan()
        // First the families with their numbers of series, then the series. In this order, because a series is published
        // before it is counted: all that are counted now are found in the second scan.
        for position in 0..<capacity {
            let entry = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
            if entry != 0, recordKind(segment, Int(entry & 0xFFFF_FFFF)) == RecordLayout.family {
                checkFamily(segment, Int(entry & 0xFFFF_FFFF), &scan, isFirstScan: true)
            }
        }
        // Before the second scan, for the same reason: a slot is filled, then counted.
        let counted = segment.pointee.header(HeaderLayout.entries).pointee.load(ordering: .acquiring)
        var used = 0
        for position in 0..<capacity {
            let entry = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
            if entry == 0 { continue }
            used += 1
            checkEntry(segment, position, entry, &scan)
        }
        if counted > UInt64(used) {
            error(place(segment), "entries", "at most \(used), the index slots in use", "\(counted)")
        } else if counted < UInt64(used) {
            note(
                place(segment), "entries", "\(used), the index slots in use",
                "\(counted): as many processes were killed, or are, between filling a slot and counting it")
        }
        checkSeriesCounts(segment, scan)
    }

    /// The kind of the record at an offset if one can be there at all, else nil.
    private func recordKind(_ segment: UnsafeMutablePointer<Segment>, _ offset: Int) -> UInt32? {
        guard offset >= segment.pointee.geometry.recordsOffset, offset % StoreFormat.recordAlignment == 0,
            offset + StoreFormat.recordAlignment <= segment.pointee.recordsEnd
        else { return nil }
        return half(segment.pointee.base + offset, RecordLayout.kind)
    }

    private mutating func checkEntry(
        _ segment: UnsafeMutablePointer<Segment>, _ position: Int, _ entry: UInt64, _ scan: inout IndexScan
    ) {
        let place = place(segment, "index slot \(position)")
        let offset = Int(entry & 0xFFFF_FFFF)
        guard let kind = recordKind(segment, offset) else {
            let geometry = segment.pointee.geometry
            return error(
                place, "offset of the record",
                "a multiple of 64 from \(geometry.recordsOffset), below \(segment.pointee.recordsEnd)",
                "\(offset)")
        }
        if let other = scan.positions.updateValue(position, forKey: offset) {
            error(place, "record at \(offset)", "one index slot", "index slot \(other) too")
        }
        let hash: UInt64
        switch kind {
        case RecordLayout.family:
            guard let family = FamilyRecord(segment.pointee, offset: offset) else {
                return unsound(segment, offset, "family", by: position)
            }
            hash = family.nameHash
            if scan.families[offset] == nil { checkFamily(segment, offset, &scan, isFirstScan: false) }
            addRecord(segment, offset, "family \(text(family.name))")
        case RecordLayout.series:
            guard let series = SeriesRecord(segment.pointee, offset: offset) else {
                return unsound(segment, offset, "series", by: position)
            }
            hash = series.keyHash
            checkSeries(segment, offset, series, &scan)
        default:
            return error(place, "kind of the record at \(offset)", "1 (family) or 2 (series)", "\(kind)")
        }
        if hash >> 32 != entry >> 32 {
            error(place, "tag", "\(hex(hash >> 32)), of the hash of the record at \(offset)", hex(entry >> 32))
        }
        if let gap = emptySlot(segment, from: hash, to: position) {
            error(
                place, "probing from its home position", "no empty index slot before it", "index slot \(gap) is empty")
        }
    }

    /// The first empty slot that a search for a hash meets before a position. Slots before an entry were full when it was
    /// put there, and stay so.
    private func emptySlot(_ segment: UnsafeMutablePointer<Segment>, from hash: UInt64, to position: Int) -> Int? {
        let mask = segment.pointee.geometry.indexCapacity - 1
        var probe = Int(truncatingIfNeeded: hash) & mask
        while probe != position {
            if segment.pointee.indexSlot(probe).pointee.load(ordering: .acquiring) == 0 { return probe }
            probe = (probe + 1) & mask
        }
        return nil
    }

    private mutating func unsound(
        _ segment: UnsafeMutablePointer<Segment>, _ offset: Int, _ kind: String, by position: Int
    ) {
        let record = segment.pointee.base + offset
        let size = Int(half(record, RecordLayout.size))
        let place = place(segment, "\(kind) at \(offset) (index slot \(position))")
        let room = segment.pointee.recordsEnd - offset
        if size < 64 || size % StoreFormat.recordAlignment != 0 || size > room {
            error(place, "size of the record", "a multiple of 64 up to \(room)", "\(size)")
        } else {
            error(place, "record", "its checksum, and offsets that lie within its \(size) bytes", "a damaged record")
        }
    }

    mutating func addRecord(_ segment: UnsafeMutablePointer<Segment>, _ offset: Int, _ owner: String) {
        let size = Int(half(segment.pointee.base + offset, RecordLayout.size))
        extents[segment.pointee.geometry.number].records.append(.init(start: offset, end: offset + size, owner: owner))
    }

    func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

    // MARK: - Families

    private mutating func checkFamily(
        _ segment: UnsafeMutablePointer<Segment>, _ offset: Int, _ scan: inout IndexScan, isFirstScan: Bool
    ) {
        // Two index slots of one record are found in the second scan.
        if scan.families[offset] != nil { return }
        guard let record = FamilyRecord(segment.pointee, offset: offset) else { return }
        let counted = word(record.record + FamilyLayout.seriesCount).pointee.load(ordering: .acquiring)
        let descriptor = record.descriptor
        let place = place(segment, "family \(descriptor.name) at \(offset)")
        // Each further record of a name was made in the place of an earlier one, and has a later time.
        let time = FamilyTime(name: descriptor.name, time: record.createdTime)
        if let other = scan.familyTimes.updateValue(offset, forKey: time) {
            error(place, "time", "another one in each record of a name", "that of the record at \(other)")
        }
        scan.families[offset] = CheckedFamily(
            record: record, descriptor: descriptor, counted: isFirstScan ? Int64(bitPattern: counted) : nil)

        var hash = KeyHash(seed: segment.pointee.constant(HeaderLayout.hashSeed))
        hash.combine(record.name.baseAddress, count: record.name.count)
        if hash.value != record.nameHash { error(place, "hash of the name", hex(hash.value), hex(record.nameHash)) }
        checkMeaning(place, record, descriptor)

        familyNames.insert(descriptor.name)
    }

    /// What belongs to the types: bounds to histograms, modes to gauges, states to state sets.
    private mutating func checkMeaning(_ place: String, _ record: FamilyRecord, _ descriptor: FamilyDescriptor) {
        let mode = half(record.record, FamilyLayout.gaugeMode)
        // A gauge without a mode is the difference of two counters, which its states name.
        let isDifference = descriptor.type == .gauge && mode == 0 && descriptor.states.count == 2
        if descriptor.type == .gauge ? descriptor.gaugeMode == nil && !isDifference : mode != 0 {
            error(
                place, "gauge mode", descriptor.type == .gauge ? "1 to 11" : "0 in a \(descriptor.type.name)", "\(mode)"
            )
        }
        if descriptor.type != .histogram, !descriptor.bounds.isEmpty {
            error(place, "bounds", "none in a \(descriptor.type.name)", "\(descriptor.bounds)")
        }
        if zip(descriptor.bounds, descriptor.bounds.dropFirst()).contains(where: { !($0 < $1) }) {
            error(place, "bounds", "strictly ascending ones", "\(descriptor.bounds)")
        }
        for index in descriptor.bounds.count..<FamilyRecord.paddedBounds(descriptor.bounds.count)
        where record.bounds[index] != .infinity {
            error(place, "padding of the bounds", "+Inf", "\(record.bounds[index])")
        }
        if (descriptor.type == .stateSet || isDifference) == descriptor.states.isEmpty {
            error(place, "states", "some in a state set, none in others", "\(descriptor.states)")
        }
    }

    private mutating func checkSeriesCounts(_ segment: UnsafeMutablePointer<Segment>, _ scan: IndexScan) {
        for (offset, family) in scan.families.sorted(by: { $0.key < $1.key }) {
            let place = place(segment, "family \(family.descriptor.name) at \(offset)")
            // A series is counted after it is published and taken off after it is removed. So the number lies between
            // "nothing was counted" and "nothing was taken off".
            guard let counted = family.counted else { continue }
            let range = -family.removed...(family.live + family.removed)
            if !range.contains(counted) {
                error(place, "number of series", "\(family.live), within \(range)", "\(counted)")
            } else if counted != family.live {
                note(
                    place, "number of series", "\(family.live)",
                    "\(counted): processes were killed, or are, between making or removing a series and counting it")
            }
        }
    }
}
