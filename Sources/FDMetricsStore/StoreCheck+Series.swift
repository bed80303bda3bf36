// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

// Series, their cells and the instances of gauges.
extension StoreCheck {
    /// A series that stands in the index and whose record is sound.
    mutating func checkSeries(
        _ segment: UnsafeMutablePointer<Segment>, _ offset: Int, _ series: SeriesRecord, _ scan: inout IndexScan
    ) {
        let familyOffset = series.familyOffset
        guard let family = family(segment, familyOffset, &scan) else {
            return error(
                place(segment, "series at \(offset)"), "family", "a sound family record that stands in the index",
                "none at \(familyOffset)")
        }
        let descriptor = family.descriptor
        let owner = "series \(descriptor.name)\(text(series.text)) at \(offset)"
        let place = place(segment, owner)
        addRecord(segment, offset, owner)

        guard checkShape(place, segment, series, descriptor) else { return }
        checkKey(place, series, family, segment)
        checkText(place, series, descriptor)
        checkState(place, segment, series, familyOffset, &scan)
        if let cell = series.cell { checkCells(place, owner, segment, cell, descriptor) }
        if descriptor.type == .gauge { checkInstances(place, owner, series, descriptor) }
        if descriptor.type == .stateSet {
            let state = word(series.record + SeriesLayout.statePair + 8).pointee.load(ordering: .relaxed)
            if state >= UInt64(descriptor.states.count) {
                error(place, "state that is on", "one of \(descriptor.states.count) states", "number \(state)")
            }
        }
    }

    /// The family at an offset if it is sound and the index leads to it. One that came after the first scan is looked up
    /// in the index, where it was put before its series.
    private mutating func family(
        _ segment: UnsafeMutablePointer<Segment>, _ offset: Int, _ scan: inout IndexScan
    ) -> CheckedFamily? {
        if let known = scan.families[offset] { return known }
        guard let record = FamilyRecord(segment.pointee, offset: offset),
            SeriesIndex.find(segment, hash: record.nameHash, isSame: { $0 == offset }) != nil
        else { return nil }
        return CheckedFamily(record: record, descriptor: record.descriptor, counted: nil)
    }

    /// Whether the record has the form of its family's type.
    private mutating func checkShape(
        _ place: String, _ segment: UnsafeMutablePointer<Segment>, _ series: SeriesRecord,
        _ descriptor: FamilyDescriptor
    ) -> Bool {
        let labels = descriptor.labelNames.count
        // The keys of an info follow its values: they are part of what makes a series another one.
        let isInfo = descriptor.type == .info && series.valueCount >= labels && (series.valueCount - labels) % 2 == 0
        if series.valueCount != labels, !isInfo {
            error(place, "number of label values", "\(labels)", "\(series.valueCount)")
            return false
        }
        let table = Int(half(series.record, SeriesLayout.tableOffset))
        let expected = descriptor.type.isWide ? SeriesLayout.wideTable : SeriesLayout.narrowTable
        if table != expected {
            error(place, "offset of the label table", "\(expected) in a \(descriptor.type.name)", "\(table)")
            return false
        }
        let size = descriptor.type.cellSize(boundCount: descriptor.bounds.count)
        if (series.cell == nil) != (size == 0) {
            error(place, "cells", size == 0 ? "none" : "\(size) bytes", series.cell.map { "a cell at \($0)" } ?? "none")
            return false
        }
        return true
    }

    private mutating func checkKey(
        _ place: String, _ series: SeriesRecord, _ family: CheckedFamily, _ segment: UnsafeMutablePointer<Segment>
    ) {
        var hash = KeyHash(seed: segment.pointee.constant(HeaderLayout.hashSeed))
        hash.combine(family.record.nameHash)
        for index in 0..<series.valueCount {
            let value = series.value(index)
            hash.combine(value.baseAddress, count: value.count)
        }
        if hash.value != series.keyHash {
            error(place, "hash of the key", "\(hex(hash.value)), of its family and label values", hex(series.keyHash))
        }
    }

    /// The text is the labels rendered again; invalid UTF-8 was repaired before it was stored, so it would differ.
    private mutating func checkText(_ place: String, _ series: SeriesRecord, _ descriptor: FamilyDescriptor) {
        let values = (0..<series.valueCount).map { text(series.value($0)) }
        let keys = (values.count - descriptor.labelNames.count) / 2
        let names = descriptor.labelNames + values.suffix(keys)
        let rendered = LabelText(names: names, values: Array(values.prefix(names.count))).bytes
        if !rendered.elementsEqual(series.text) {
            error(place, "text of the labels", String(decoding: rendered, as: UTF8.self), text(series.text))
        }
    }

    private mutating func checkState(
        _ place: String, _ segment: UnsafeMutablePointer<Segment>, _ series: SeriesRecord, _ familyOffset: Int,
        _ scan: inout IndexScan
    ) {
        let state = word(series.record + SeriesLayout.state).pointee.load(ordering: .acquiring)
        switch state {
        case SeriesLayout.live: scan.families[familyOffset]?.live += 1
        case SeriesLayout.removed, SeriesLayout.replaced:
            scan.families[familyOffset]?.removed += 1
            removedSeries += 1
            return
        default:
            return error(place, "state", "1 (live), 2 (removed) or 3 (replaced)", "\(state)")
        }
        // Of two records with one key the older one was removed before the newer was published, and stays removed. So it
        // is asked again here, after the newer one was seen.
        let same = scan.liveSeries[series.keyHash, default: []].first {
            $0.familyOffset == familyOffset && $0.isLive && sameValues($0, series)
        }
        if let same {
            error(
                place, "label values", "one live series that has them",
                "another one at \(same.record - segment.pointee.base)")
        }
        scan.liveSeries[series.keyHash, default: []].append(series)
        liveKeys.insert(series.keyHash)
    }

    private func sameValues(_ a: SeriesRecord, _ b: SeriesRecord) -> Bool {
        a.valueCount == b.valueCount && (0..<a.valueCount).allSatisfy { a.value($0).elementsEqual(b.value($0)) }
    }

    // MARK: - Cells

    private mutating func checkCells(
        _ place: String, _ owner: String, _ segment: UnsafeMutablePointer<Segment>, _ cell: Int,
        _ descriptor: FamilyDescriptor
    ) {
        let size = descriptor.type.cellSize(boundCount: descriptor.bounds.count)
        // Taken before the series was published, so the words that say how much is taken cover it by now.
        guard cell % 16 == 0, cell + size <= segment.pointee.cellsEnd,
            cell % StoreFormat.laneStride + size <= StoreFormat.laneStride
        else {
            return error(
                place, "cells", "\(size) bytes at a multiple of 16, below \(segment.pointee.cellsEnd), in one lane",
                "at \(cell)")
        }
        extents[segment.pointee.geometry.number].cells.append(.init(start: cell, end: cell + size, owner: owner))
        for lane in 0..<segment.pointee.geometry.laneCount {
            let address = segment.pointee.cell(cell) + lane * StoreFormat.laneStride
            if descriptor.type == .counter {
                let fraction = Double(bitPattern: word(address + 8).pointee.load(ordering: .relaxed))
                if !(fraction >= 0) { error(place, "fraction in lane \(lane)", "0 or more", "\(fraction)") }
                continue
            }
            for bucket in 0..<(size / 16) {
                let pair = SharedPair(address + bucket * 16).load()
                if pair.first == 0, pair.second != 0 {
                    error(
                        place, "pair \(bucket) in lane \(lane)", "the sum 0 where nothing was observed",
                        "\(Double(bitPattern: pair.second))")
                }
            }
        }
    }

    // MARK: - Gauge instances

    /// The list of a gauge's instances: at most one for each process slot. Of two threads of one process that make an
    /// instance at once, the slower finds the faster's in the list before it puts its own there; what it made then is a
    /// record that no list has, and that is not looked at.
    private mutating func checkInstances(
        _ place: String, _ owner: String, _ series: SeriesRecord, _ descriptor: FamilyDescriptor
    ) {
        guard let first = segment(0), let mode = descriptor.gaugeMode else { return }
        var slots: Set<Int> = []
        var next = StoreAddress(bits: word(series.record + SeriesLayout.instances).pointee.load(ordering: .acquiring))
        while !next.isNull {
            guard let segment = segment(next.segment),
                let instance = GaugeInstance(segment.pointee, offset: next.offset),
                half(instance.record, RecordLayout.size) == UInt32(InstanceLayout.size)
            else {
                return error(
                    place, "list of instances", "an instance at \(hex(next.bits))",
                    "no segment, or no instance's size and kind")
            }
            // Also ends a ring.
            if let other = instanceOwners.updateValue(owner, forKey: next.bits) {
                return error(
                    place, "list of instances", "instance \(hex(next.bits)) once",
                    "it is in the list of \(other) already")
            }
            addRecord(segment, next.offset, "instance of \(owner)")
            let slot = checkInstance(place, instance, mode, ProcessSlots(first))
            if let slot, !slots.insert(slot).inserted {
                error(place, "instances of process slot \(slot)", "one", "more")
            }
            next = instance.next
        }
    }

    /// - Returns: the process slot that the instance belongs to.
    private mutating func checkInstance(
        _ place: String, _ instance: GaugeInstance, _ mode: GaugeMode, _ slots: ProcessSlots
    ) -> Int? {
        func load(_ offset: Int) -> LeaseToken {
            LeaseToken(bits: word(instance.record + offset).pointee.load(ordering: .acquiring))
        }
        // In this order because tokens of a slot only grow, and grow in the opposite one: the slot's generation before
        // the value's token, that before the owner; and what is carried has a token that the value had before.
        let owner = instance.owner
        let carried = load(InstanceLayout.carry + 8)
        let value = load(InstanceLayout.value + 8)
        if owner.worker != nil {
            if owner != LeaseToken(worker: owner.worker ?? 0) {
                error(place, "owner of an instance", "generation 1 of a logical worker", hex(owner.bits))
            }
            return owner.slot
        }
        guard !owner.isNone, owner.slot < slots.count else {
            error(place, "owner of an instance", "a process slot below \(slots.count)", hex(owner.bits))
            return nil
        }
        let generation = slots.latest(owner.slot).isNone ? 0 : slots.latest(owner.slot).generation
        func check(_ token: LeaseToken, _ what: String, atLeast least: UInt32, atMost most: UInt32) {
            if token.slot != owner.slot || token.generation < least || token.generation > most {
                error(
                    place, "\(what) of the instance of process slot \(owner.slot)",
                    "generation \(least) to \(most) of that slot",
                    token.isNone ? "none" : "generation \(token.generation) of slot \(token.slot)")
            }
        }
        check(owner, "owner", atLeast: 1, atMost: generation)
        if mode.isMostRecent { return owner.slot }
        check(value, "value's token", atLeast: owner.generation, atMost: generation)
        if carried.bits != 0 { check(carried, "carry's token", atLeast: 1, atMost: value.generation) }
        return owner.slot
    }
}
