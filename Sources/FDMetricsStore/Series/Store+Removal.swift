// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

// Removing a series hides it for all processes. Its space is not used again: a handle somewhere may still record into it.

extension Store {
    /// Removes the series with these label values; no series is no error.
    ///
    /// It is found by its hash, however many series there are. Those of an info have texts behind their label values, so that
    /// the hash of the values alone leads nowhere: they are looked for in the whole index.
    package func remove(_ family: Family, values: [String]) throws(StoreError) {
        if let moved = try family.moved() { return try moved.store.remove(moved, values: values) }
        let names = family.descriptor.labelNames
        if values.count != names.count {
            throw StoreError(
                .labels,
                "\(family.descriptor.name) has \(names.count) labels (\(names.joined(separator: ", "))), \(values.count) values were given"
            )
        }
        try withLabelValues(values) { key, count throws(StoreError) in
            if family.descriptor.type == .info {
                try remove(family) { $0.beginsWithValues(key, count) }
            } else {
                try remove(family, key, count)
            }
        }
    }

    /// Removes the series with a key.
    private func remove(_ family: Family, _ key: UnsafePointer<LabelValue>, _ count: Int) throws(StoreError) {
        let hash = family.core.hash(key, count)
        var removed = 0
        var number = 0
        while let segment = try segment(number) {
            number += 1
            guard let familyOffset = existingFamilyRecord(family, in: segment) else { continue }
            // Whatever it is that has the key goes, so that the search ends at the end of its stretch of the index.
            _ = SeriesIndex.find(segment, hash: hash) { offset in
                guard let series = SeriesRecord(segment.pointee, offset: offset), series.familyOffset == familyOffset,
                    series.hasValues(key, count)
                else { return false }
                if hide(series, SeriesLayout.removed, segment, familyOffset) { removed += 1 }
                return false
            }
        }
        countRemovals(removed)
    }

    /// Removes the series that satisfy a condition, in a walk over the whole index.
    /// - Returns: how many were removed by this call.
    @discardableResult
    package func remove(_ family: Family, where condition: (SeriesRecord) -> Bool) throws(StoreError) -> Int {
        if let moved = try family.moved() { return try moved.store.remove(moved, where: condition) }
        var removed = 0
        try forEachSeries(of: family) { series, segment, familyOffset in
            if condition(series), hide(series, SeriesLayout.removed, segment, familyOffset) { removed += 1 }
        }
        countRemovals(removed)
        return removed
    }

    /// Goes through the live series of a family in all segments.
    private func forEachSeries(
        of family: Family, _ body: (SeriesRecord, UnsafeMutablePointer<Segment>, Int) -> Void
    ) throws(StoreError) {
        var number = 0
        while let segment = try segment(number) {
            number += 1
            guard let familyOffset = existingFamilyRecord(family, in: segment) else { continue }
            for position in 0..<segment.pointee.geometry.indexCapacity {
                let entry = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
                if entry == 0 { continue }
                let offset = Int(entry & 0xFFFF_FFFF)
                // The checksum comes last: most records are of other families, or were replaced long ago.
                guard let (record, _) = soundRecord(segment.pointee, offset: offset, kind: RecordLayout.series),
                    SeriesRecord(sound: record).familyOffset == familyOffset, SeriesRecord(sound: record).isLive,
                    let series = SeriesRecord(segment.pointee, offset: offset)
                else { continue }
                body(series, segment, familyOffset)
            }
        }
    }

    /// Hides a live series. False: it is hidden already.
    private func hide(
        _ series: SeriesRecord, _ state: UInt64, _ segment: UnsafeMutablePointer<Segment>, _ familyOffset: Int
    ) -> Bool {
        let result = word(series.record + SeriesLayout.state).pointee.compareExchange(
            expected: SeriesLayout.live, desired: state, ordering: .relaxed)
        if !result.exchanged { return false }
        word(segment.pointee.base + familyOffset + FamilyLayout.seriesCount).pointee.wrappingSubtract(
            1, ordering: .relaxed)
        return true
    }

    private func countRemovals(_ removed: Int) {
        // Release: who sees the new number finds the series removed.
        if removed > 0 {
            firstSegment.pointee.header(HeaderLayout.removals).pointee.wrappingAdd(1, ordering: .releasing)
        }
    }

    // MARK: - Infos

    /// Shows a text of an info family, `names` and `values` with those of its labels in front, in place of what it showed
    /// for these label values.
    ///
    /// Several processes may do this at once, and any of them may be killed anywhere; one text stays, always. Texts have an
    /// order, by segment and offset, which is that of their making: a record's space is taken after this call began, so it
    /// lies behind the records of all calls that have ended. And:
    ///
    ///   1. a record is hidden only by who has seen a later one that was live after it was published;
    ///   2. so the last record that was ever published is live, unless somebody removes it on purpose, because nobody has
    ///      seen a later one. There is one text at any time.
    ///   3. who publishes a record hides all earlier ones after that; where it finds a later one instead, that is another
    ///      process's who came at the same time, and which wins: its own is hidden. So when nobody is within this call there
    ///      is one text, or, where somebody was killed within it, the later one of two, which is the one that is shown.
    package func setInfo(
        _ family: Family, names: [String], values: [String], labelCount: Int
    ) throws(StoreError) {
        if let moved = try family.moved() {
            return try moved.store.setInfo(moved, names: names, values: values, labelCount: labelCount)
        }
        try withLabelValues(Array(values.prefix(labelCount))) { labels, count throws(StoreError) in
            // Each further turn is one of another process that came between; more of them are a damaged index.
            for _ in 0..<64 {
                let end = try endOfRecords()
                let handle = try series(family, names: names, values: values)
                guard let record = handle.filledRecord else { return }
                let own = place(of: record)
                var latest: StoreAddress?
                var others: [(StoreAddress, SeriesRecord, UnsafeMutablePointer<Segment>, Int)] = []
                try forEachSeries(of: family) { series, segment, familyOffset in
                    guard series.beginsWithValues(labels, count) else { return }
                    let address = place(of: series.record)
                    if address.bits > latest?.bits ?? 0 { latest = address }
                    others.append((address, series, segment, familyOffset))
                }
                guard let latest else { return }
                var replaced = 0
                for (address, series, segment, familyOffset) in others where address.bits < latest.bits {
                    if hide(series, SeriesLayout.replaced, segment, familyOffset) { replaced += 1 }
                }
                countRemovals(replaced)
                // Shown; or made in this call, and replaced by another that came at the same time. A text that was there
                // before is not the one that was set last: it is made anew.
                if own.bits >= latest.bits || own.bits >= end.bits { return }
            }
            throw StoreError(
                .damaged,
                "the text of \(family.descriptor.name) in \(directory) does not stay: its index is damaged; remove the store"
            )
        }
    }

    /// Where the next record will be, at the earliest.
    private func endOfRecords() throws(StoreError) -> StoreAddress {
        let last = try lastSegment()
        return StoreAddress(segment: last.pointee.geometry.number, offset: last.pointee.recordsEnd)
    }

    /// The address of a record in this process's mapping.
    private func place(of record: UnsafeMutableRawPointer) -> StoreAddress {
        for number in 0..<segments.count {
            guard let segment = segments[number] else { break }
            let offset = record - segment.pointee.base
            if offset >= 0, offset < segment.pointee.geometry.fileSize {
                return StoreAddress(segment: number, offset: offset)
            }
        }
        return StoreAddress(bits: 0)
    }
}
