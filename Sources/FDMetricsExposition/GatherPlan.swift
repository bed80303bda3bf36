// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Synchronization

/// What a scrape needs to know of a store besides its numbers: families, their series and the texts that never change.
///
/// Records are immutable once published, so a plan is only added to: a gather compares each segment's index with what
/// the plan has seen of it, and looks at new slots alone. Not thread-safe: one gather at a time (see `Renderer`).
final class GatherPlan {
    /// One family, merged over segments by its name and declaration.
    final class FamilyPlan {
        let descriptor: FamilyDescriptor
        /// Of its latest record: of the declarations of a name the one with the latest is shown. nil: not of the store.
        fileprivate(set) var place: FamilyPlace?
        /// Where the label `le` of a histogram's buckets is written.
        let bucketLabelPlace: LabelPlace
        let nameBytes: [UInt8]
        /// Whether all names, those of an info's texts included, are of the legacy character set: then `names` is empty, and
        /// what is kept is written as it is under every escaping.
        fileprivate(set) var isLegacy: Bool
        /// How the names are written, by the raw value of the escaping. The other formats use this too, so that a family that
        /// gives way to another of the same escaped name does so in all of them.
        var names: [WrittenNames?] = [nil, nil, nil, nil] {
            didSet { protobuf = [nil, nil, nil, nil] }
        }
        /// Rendered bounds, `le="0.005"`, with +Inf last.
        let boundTexts: [[UInt8]]
        var series: [SeriesPlan] = []
        /// Where series with these labels stand already, by a hash of them; kept only when the family is in several
        /// segments. Not by the labels themselves, which would be copied, or might change in a damaged store.
        var byLabels: [Int: UInt32]?
        /// Of an info, the latest text of each set of label values: the one that is shown.
        fileprivate(set) var latestTexts: [[UInt8]: Int] = [:]
        /// Of a gauge of mode `all` or `liveAll`: a process slot or logical worker that has had a value, and whether another one
        /// has. Only what is in the store decides, so that all who render it agree.
        var owner: Int?
        var hasSeveralOwners = false
        /// What the protobuf format has of the family, by the raw value of the escaping of names; made when asked for.
        var protobuf: [ProtobufFamily?] = [nil, nil, nil, nil]

        init(_ descriptor: FamilyDescriptor) {
            self.descriptor = descriptor
            nameBytes = Array(descriptor.name.utf8)
            bucketLabelPlace = LabelPlace(of: "le", among: descriptor.labelNames)
            isLegacy =
                NameEscaping.isLegacy(metric: descriptor.name)
                && descriptor.labelNames.allSatisfy { NameEscaping.isLegacy(label: $0) }
            boundTexts = (descriptor.type == .histogram ? descriptor.bounds + [.infinity] : []).map { bound in
                var buffer = TextBuffer(capacity: 64)
                buffer.append("le=\"")
                CanonicalNumber.append(bound, to: &buffer)
                buffer.append("\"")
                return buffer.withUnsafeBytes { Array($0) }
            }
        }
    }

    /// A series of the store. Kept small, as there may be hundreds of thousands: 40 bytes.
    struct SeriesPlan {
        let record: SeriesRecord
        let cell: UnsafeMutableRawPointer?
        private let textStart: UnsafeRawPointer?
        private let textCount: UInt32
        private var nextIndex: Int32 = -1
        private let lanes: UInt16
        private let segment: UInt16
        /// Whether another one's `next` leads here.
        var isLinked = false

        init(_ record: SeriesRecord, cell: UnsafeMutableRawPointer?, geometry: SegmentGeometry) {
            let text = record.text
            self.record = record
            self.cell = cell
            lanes = UInt16(truncatingIfNeeded: geometry.laneCount)
            segment = UInt16(truncatingIfNeeded: geometry.number)
            textStart = text.baseAddress
            textCount = UInt32(text.count)
        }

        /// Lanes of the store less one.
        @inline(__always)
        var laneMask: UInt32 { UInt32(lanes &- 1) }

        /// Whether it was made after another one; see `Store.setInfo`.
        func isLater(than other: SeriesPlan) -> Bool {
            segment == other.segment ? record.record > other.record.record : segment > other.segment
        }

        /// {a="x",b="y"}, or empty.
        var text: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: textStart, count: Int(textCount)) }

        /// The next series with the same labels, in a later segment or registered again after a removal; -1: none.
        var next: Int {
            get { Int(nextIndex) }
            set { nextIndex = Int32(newValue) }
        }
    }

    /// What was seen of a segment. An entry of an index never goes again, so how many there are tells of new ones.
    private struct Seen {
        /// How many entries each chunk of the index had.
        var counts: [UInt16]
        /// Which slots they were in, a bit each.
        var slots: [UInt64]
        /// The family of each family record's offset.
        var families: [Int: FamilyPlan]

        /// How many entries have been taken in.
        var entries: Int { counts.reduce(0) { $0 + Int($1) } }
    }

    /// What a series takes while it is taken in: its plan, in an array that grows, and its offset, in two.
    private static let bytesOfSeries = 3 * MemoryLayout<SeriesPlan>.stride + 4 * MemoryLayout<Int>.stride

    private var seen: [Seen] = []
    /// All declarations of each name.
    private var declared: [[UInt8]: [FamilyPlan]] = [:]
    /// The one that is shown.
    private var byName: [[UInt8]: FamilyPlan] = [:]
    /// The same sorted by name.
    private(set) var families: [FamilyPlan] = []
    /// Entries of the index that lead to no sound record, and a later segment that is damaged or missing.
    var damagedRecords: Int { damagedEntries + (isCut ? 1 : 0) }
    private var damagedEntries = 0
    private var isCut = false
    private let source: any SegmentSource
    /// Whether an info has got its first text with a name that is not legacy since names were assigned.
    private var hasNewNames = false
    /// Whether some family is not legacy.
    private var hasOtherNames = false
    /// Whether other families are shown since they were sorted.
    private var hasNewFamilies = false

    init(_ source: any SegmentSource) { self.source = source }

    /// The family of a name, if it has been seen.
    func family(named name: String) -> FamilyPlan? { byName[Array(name.utf8)] }

    /// Whether a family has this legacy name, or gets it by being escaped.
    func hasFamily(writtenAs name: String, _ escaping: NameEscaping) -> Bool {
        if family(named: name) != nil { return true }
        return hasOtherNames
            && families.contains { family in
                family.names[Int(escaping.rawValue)]?.stem.elementsEqual(name.utf8) ?? false
            }
    }

    /// Takes in what was registered since the last call.
    func refresh() throws(StoreError) {
        var number = 0
        while let segment = try nextSegment(number) {
            let capacity = segment.pointee.geometry.indexCapacity
            // Before anything is taken in: a plan that took in half of it would be wrong for good.
            let entries = segment.pointee.header(HeaderLayout.entries).pointee.load(ordering: .relaxed)
            let known = number < seen.count ? seen[number].entries : 0
            try StoreError.throwUnlessThereIsMemory(
                forBytes: (Int(min(entries, UInt64(capacity))) - known) * Self.bytesOfSeries)
            if number == seen.count {
                seen.append(
                    Seen(
                        counts: Array(repeating: 0, count: capacity / Self.chunk),
                        slots: Array(repeating: 0, count: capacity / 64), families: [:]))
            }
            for offset in newEntries(segment, number).sorted() { add(segment, number, offset) }
            number += 1
        }
        if hasNewFamilies {
            families = byName.values.sorted { $0.nameBytes.lexicographicallyPrecedes($1.nameBytes) }
        }
        if hasNewFamilies || hasNewNames {
            hasNewFamilies = false
            hasNewNames = false
            hasOtherNames = families.contains { !$0.isLegacy }
            if hasOtherNames { Self.assignNames(families) }
        }
    }

    /// A later segment that is damaged costs itself, not the whole scrape; without the first there is nothing to show.
    private func nextSegment(_ number: Int) throws(StoreError) -> UnsafeMutablePointer<Segment>? {
        do throws(StoreError) {
            let found = try source.segment(number)
            isCut = false
            return found
        } catch {
            // One that this process may not open, or has no descriptor for, has numbers that would be missing.
            if number == 0 || error.code != .damaged && error.code != .foreign { throw error }
            isCut = true
            return nil
        }
    }

    /// The offsets that appeared in a segment's index.
    private func newEntries(_ segment: UnsafeMutablePointer<Segment>, _ number: Int) -> [Int] {
        var offsets: [Int] = []
        let index = UnsafeRawPointer(segment.pointee.base + segment.pointee.geometry.indexOffset)
        for chunk in seen[number].counts.indices {
            // A first look in bulk; only where entries came they are loaded as atomics.
            let entries = (index + chunk * Self.chunk * 8).assumingMemoryBound(to: UInt64.self)
            var count: UInt64 = 0
            for slot in 0..<Self.chunk { count &+= entries[slot] == 0 ? 0 : 1 }
            if count == UInt64(seen[number].counts[chunk]) { continue }
            count = 0
            for slot in (chunk * Self.chunk)..<((chunk + 1) * Self.chunk) {
                // Acquire: pairs with the release of the exchange that published the record.
                let entry = segment.pointee.indexSlot(slot).pointee.load(ordering: .acquiring)
                if entry == 0 { continue }
                count += 1
                let bit: UInt64 = 1 << UInt64(slot % 64)
                if seen[number].slots[slot / 64] & bit == 0 {
                    seen[number].slots[slot / 64] |= bit
                    offsets.append(Int(entry & 0xFFFF_FFFF))
                }
            }
            seen[number].counts[chunk] = UInt16(count)
        }
        return offsets
    }

    /// Slots that are looked at as one; an index has a multiple of them.
    private static let chunk = 512

    private func add(_ segment: UnsafeMutablePointer<Segment>, _ number: Int, _ offset: Int) {
        if FamilyRecord(segment.pointee, offset: offset) != nil {
            _ = family(segment, number, offset)
            return
        }
        guard let record = SeriesRecord(segment.pointee, offset: offset),
            let family = family(segment, number, record.familyOffset), record.isWide == family.descriptor.type.isWide
        else {
            damagedEntries += 1
            return
        }
        var cell: UnsafeMutableRawPointer?
        let size = family.descriptor.type.cellSize(boundCount: family.descriptor.bounds.count)
        if size > 0 {
            cell = segment.pointee.cell(of: record, size: size)
            if cell == nil {
                damagedEntries += 1
                return
            }
        }
        if family.descriptor.type == .info, family.isLegacy, LabelPairs.hasQuotedName(record.text) {
            family.isLegacy = false
            hasNewNames = true
        }
        link(
            SeriesPlan(record, cell: cell, geometry: segment.pointee.geometry), to: family)
    }

    /// Adds a series to its family, behind one that has the same labels if there is one.
    private func link(_ series: SeriesPlan, to family: FamilyPlan) {
        let index = family.series.count
        family.series.append(series)
        if family.descriptor.type == .info {
            let values = labelValues(series.record, family.descriptor.labelNames.count)
            if let known = family.latestTexts[values], family.series[known].isLater(than: series) { return }
            family.latestTexts[values] = index
            return
        }
        guard var byLabels = family.byLabels else { return }
        family.byLabels = nil
        enter(index, of: family, in: &byLabels)
        family.byLabels = byLabels
    }

    /// The values of an info's labels, each after its length.
    private func labelValues(_ record: SeriesRecord, _ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for index in 0..<count {
            let value = record.value(index)
            withUnsafeBytes(of: value.count) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: value)
        }
        return bytes
    }

    private func family(_ segment: UnsafeMutablePointer<Segment>, _ number: Int, _ offset: Int) -> FamilyPlan? {
        if let known = seen[number].families[offset] { return known }
        guard let record = FamilyRecord(segment.pointee, offset: offset) else { return nil }
        let descriptor = record.descriptor
        let name = Array(descriptor.name.utf8)
        let plan: FamilyPlan
        if let known = declared[name]?.first(where: { descriptor.conflict(with: $0.descriptor) == nil }) {
            // The same family in a later segment, or with a further record.
            plan = known
            if plan.byLabels == nil, plan.descriptor.type != .info { indexLabels(of: plan) }
        } else {
            plan = FamilyPlan(descriptor)
            declared[name, default: []].append(plan)
        }
        let place = FamilyPlace(record, segment: number, offset: offset)
        if plan.place.map({ $0 < place }) ?? true { plan.place = place }
        let shown = byName[name]
        if shown !== plan, shown?.place.map({ $0 < place }) ?? true {
            byName[name] = plan
            hasNewFamilies = true
        }
        seen[number].families[offset] = plan
        return plan
    }

    private func indexLabels(of family: FamilyPlan) {
        var byLabels: [Int: UInt32] = [:]
        for index in family.series.indices { enter(index, of: family, in: &byLabels) }
        family.byLabels = byLabels
    }

    /// Enters a series, or links it to the one that has its labels.
    private func enter(_ index: Int, of family: FamilyPlan, in byLabels: inout [Int: UInt32]) {
        let text = family.series[index].text
        var hasher = Hasher()
        hasher.combine(bytes: text)
        let hash = hasher.finalize()
        guard let first = byLabels[hash].map(Int.init) else {
            byLabels[hash] = UInt32(truncatingIfNeeded: index)
            return
        }
        // Of two texts with one hash of 64 bits, which nobody will see, the second is on its own.
        let known = family.series[first].text
        guard known.elementsEqual(text) else { return }
        family.series[index].next = family.series[first].next
        family.series[index].isLinked = true
        family.series[first].next = index
    }
}
