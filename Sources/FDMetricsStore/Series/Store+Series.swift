// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension Store {
    /// The series of a family with these label values, made if need be.
    ///
    /// Invalid UTF-8 is repaired first. On an error the drop is counted; the caller then records through an inert handle.
    package func series(
        _ family: Family, _ values: UnsafePointer<LabelValue>, _ count: Int
    ) throws(StoreError) -> UnsafeMutablePointer<SeriesHandle> {
        if let moved = try family.moved() { return try moved.store.series(moved, values, count) }
        let names = family.descriptor.labelNames
        guard count == names.count else {
            throw StoreError(
                .labels,
                "\(family.descriptor.name) has \(names.count) labels (\(names.joined(separator: ", "))), \(count) values were given"
            )
        }
        let hash = family.core.hash(values, count)
        try throwIfRefused(hash)
        do {
            return try series(family, names: names, values: (0..<count).map { text(values[$0]) })
        } catch {
            remember(hash, error.code)
            throw error
        }
    }

    /// The series with these labels; `names` are the family's and, of an info, its keys, which are part of the series' key.
    package func series(
        _ family: Family, names: [String], values: [String]
    ) throws(StoreError) -> UnsafeMutablePointer<SeriesHandle> {
        if let moved = try family.moved() { return try moved.store.series(moved, names: names, values: values) }
        let keys =
            names.count == family.descriptor.labelNames.count
            ? values : values + names[family.descriptor.labelNames.count...]
        do {
            return try withLabelValues(keys) { key, count throws(StoreError) in
                try findOrMakeSeries(family, names, values, key, count)
            }
        } catch {
            countDrop(error)
            throw error
        }
    }

    private func findOrMakeSeries(
        _ family: Family, _ names: [String], _ values: [String], _ key: UnsafePointer<LabelValue>, _ count: Int
    ) throws(StoreError) -> UnsafeMutablePointer<SeriesHandle> {
        let hash = family.core.hash(key, count)
        // Segments that other processes made since are mapped here, so that the fast look-up finds what they hold.
        var number = 0
        while let segment = try segment(number) {
            if existingFamilyRecord(family, in: segment) != nil,
                let handle = family.core.find(hash: hash, key, count)
            {
                return handle
            }
            number += 1
        }
        if UInt64(seriesCount(family)) >= identity.seriesLimit {
            throw StoreError(
                .seriesLimit,
                "\(family.descriptor.name) has \(identity.seriesLimit) series, the limit of this store: use labels with fewer "
                    + "values, or raise FDMETRICS_SERIES_LIMIT before the store is made")
        }
        var segment = try lastSegment()
        while true {
            if let offset = try makeSeriesRecord(family, names, values, key, count, hash, segment) {
                if let handle = family.core.handle(segment, offset) { return handle }
                throw StoreError(
                    .damaged,
                    "a new record of \(family.descriptor.name) in \(directory) does not verify: remove the store")
            }
            segment = try self.segment(after: segment)
        }
    }

    /// How many series of a family are not removed, over all segments.
    package func seriesCount(_ family: Family) -> Int {
        var total = 0
        for number in 0..<segments.count {
            guard let segment = segments[number], let offset = existingFamilyRecord(family, in: segment) else {
                continue
            }
            let count = word(segment.pointee.base + offset + FamilyLayout.seriesCount).pointee.load(ordering: .relaxed)
            // A process that is killed between publishing or removing and counting leaves the count one off.
            // A damaged word may hold anything.
            total += min(max(0, Int(Int64(bitPattern: count))), segment.pointee.geometry.indexCapacity)
        }
        return total
    }

    /// Writes a series' record and publishes it, or finds one with the same key. nil: the segment is full.
    private func makeSeriesRecord(
        _ family: Family, _ names: [String], _ values: [String], _ key: UnsafePointer<LabelValue>, _ count: Int,
        _ hash: UInt64, _ segment: UnsafeMutablePointer<Segment>
    ) throws(StoreError) -> Int? {
        if segment.pointee.isSealed || !SeriesIndex.hasRoom(segment) { return nil }
        guard let familyOffset = try familyRecord(family, in: segment) else { return nil }
        let text = LabelText(names: names, values: values)
        let isWide = family.descriptor.type.isWide
        let table = isWide ? SeriesLayout.wideTable : SeriesLayout.narrowTable
        let textOffset = table + count * 8
        // A value that needs no escape is found within the text; the others are kept once more behind it.
        var extra = 0
        for index in 0..<count where index >= text.ranges.count || text.ranges[index] == nil {
            extra += key[index].count
        }
        let size = (textOffset + text.bytes.count + extra + 63) / 64 * 64
        if size > StoreFormat.maxRecord {
            throw StoreError(
                .invalidArgument,
                "the labels of a series of \(family.descriptor.name) have \(text.bytes.count + extra) bytes as they are "
                    + "stored, names and escapes included: use shorter ones")
        }

        let cellSize = family.descriptor.type.cellSize(boundCount: family.descriptor.bounds.count)
        var cell = SeriesLayout.noCells
        if cellSize > 0 {
            guard let taken = try takeCell(segment, size: cellSize) else { return nil }
            cell = UInt32(taken)
        }
        guard let offset = try takeRecord(segment, size: size) else { return nil }

        let record = segment.pointee.base + offset
        func put(_ at: Int, _ value: UInt32) { record.storeBytes(of: value, toByteOffset: at, as: UInt32.self) }
        func putWord(_ at: Int, _ value: UInt64) { record.storeBytes(of: value, toByteOffset: at, as: UInt64.self) }
        put(RecordLayout.size, UInt32(size))
        put(RecordLayout.kind, RecordLayout.series)
        putWord(SeriesLayout.keyHash, hash)
        put(SeriesLayout.family, UInt32(familyOffset))
        put(SeriesLayout.valueCount, UInt32(count))
        put(SeriesLayout.cells, cell)
        put(SeriesLayout.textLength, UInt32(text.bytes.count))
        put(SeriesLayout.textOffset, UInt32(textOffset))
        put(SeriesLayout.tableOffset, UInt32(table))
        putWord(SeriesLayout.createdTime, realTime())
        putWord(SeriesLayout.state, SeriesLayout.live)
        text.bytes.withUnsafeBytes { raw in
            if let start = raw.baseAddress { (record + textOffset).copyMemory(from: start, byteCount: raw.count) }
        }
        var next = textOffset + text.bytes.count
        for index in 0..<count {
            if index < text.ranges.count, let range = text.ranges[index] {
                put(table + index * 8, UInt32(textOffset + range.lowerBound))
            } else {
                put(table + index * 8, UInt32(next))
                if let bytes = key[index].bytes { (record + next).copyMemory(from: bytes, byteCount: key[index].count) }
                next += key[index].count
            }
            put(table + index * 8 + 4, UInt32(key[index].count))
        }
        putWord(
            RecordLayout.checksum,
            KeyHash.checksum(bytes(record, 0, 8), bytes(record, 16, 56), bytes(record, table, size)))

        let published = SeriesIndex.insert(segment, hash: hash, offset: offset) { other in
            guard let series = SeriesRecord(segment.pointee, offset: other) else { return false }
            return series.familyOffset == familyOffset && series.isLive && series.hasValues(key, count)
        }
        if published == offset {
            word(segment.pointee.base + familyOffset + FamilyLayout.seriesCount).pointee.wrappingAdd(
                1, ordering: .relaxed)
        }
        return published
    }

    /// Takes space for what a process has of a store, in the last segment: a gauge's instance, which need not be in the segment
    /// of its series, or the process's name.
    ///
    /// Allocates nothing, and is async-signal-safe, unless the store must grow by a segment, or has grown by one that this
    /// process has not mapped yet.
    package func takeInstance(size: Int = InstanceLayout.size) -> InstanceSpace {
        do throws(StoreError) {
            var segment = try lastSegment()
            while true {
                switch tryTakeRecord(segment, size: size) {
                case .taken(let offset): return .taken(segment, offset)
                case .full: segment = try self.segment(after: segment)
                case .failed(let failure): return .refused(failure.code)
                }
            }
        } catch {
            return .refused(error.code)
        }
    }
}

/// What came of taking space for what a process has of a store.
package enum InstanceSpace {
    /// The segment, and the offset in its file.
    case taken(UnsafeMutablePointer<Segment>, Int)
    case refused(StoreError.Code)
}

/// The rendered labels of a series, {a="x",b="y"}, in the order of their names, escaped as the text formats want it, and where
/// the values stand in it.
/// A name that is not [a-zA-Z_][a-zA-Z0-9_]* is in quotes: {"a.b"="x"}.
struct LabelText {
    private(set) var bytes: [UInt8] = []
    /// For each value its range in the text; nil where it had to be escaped.
    private(set) var ranges: [Range<Int>?] = []

    init(names: [String], values: [String]) {
        if names.isEmpty { return }
        bytes.append(UInt8(ascii: "{"))
        ranges = Array(repeating: nil, count: values.count)
        for index in LabelOrder.places(of: names) where index < values.count {
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            if Self.needsNoQuotes(names[index]) {
                bytes.append(contentsOf: names[index].utf8)
            } else {
                _ = appendQuoted(names[index])
            }
            bytes.append(UInt8(ascii: "="))
            ranges[index] = appendQuoted(values[index])
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Appends a text in quotes, and returns where it stands; nil: some of it had to be escaped.
    private mutating func appendQuoted(_ text: String) -> Range<Int>? {
        bytes.append(UInt8(ascii: "\""))
        let start = bytes.count
        var isEscaped = false
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
                isEscaped = true
            case UInt8(ascii: "\n"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(UInt8(ascii: "n"))
                isEscaped = true
            default: bytes.append(byte)
            }
        }
        let range = start..<bytes.count
        bytes.append(UInt8(ascii: "\""))
        return isEscaped ? nil : range
    }

    private static func needsNoQuotes(_ name: String) -> Bool {
        var isFirst = true
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): break
            case UInt8(ascii: "0")...UInt8(ascii: "9") where !isFirst: break
            default: return false
            }
            isFirst = false
        }
        return !isFirst
    }
}

/// The order in which the labels of a sample are written: that of their names' bytes, as in prometheus_client and
/// client_golang. Values are given in the order of a family's declaration.
package enum LabelOrder {
    /// Whether a label is written before another.
    package static func precedes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }

    /// The places that names have in their declaration, in the order in which they are written.
    package static func places(of names: [String]) -> [Int] {
        names.indices.sorted { precedes(names[$0], names[$1]) }
    }
}

/// A label value as a string, invalid UTF-8 repaired with U+FFFD.
package func text(_ value: LabelValue) -> String {
    String(
        decoding: UnsafeRawBufferPointer(start: value.bytes, count: value.bytes == nil ? 0 : value.count), as: UTF8.self
    )
}

/// Borrows strings as label values.
package func withLabelValues<Result>(
    _ strings: [String], _ body: (UnsafePointer<LabelValue>, Int) throws(StoreError) -> Result
) throws(StoreError) -> Result {
    // One buffer for all bytes: values are few and short.
    var bytes: [UInt8] = [0]
    var ends: [Int] = []
    for string in strings {
        bytes.append(contentsOf: string.utf8)
        ends.append(bytes.count)
    }
    var outcome: Swift.Result<Result, StoreError>?
    bytes.withUnsafeBytes { raw in
        var start = 1
        let values = ends.map { end in
            defer { start = end }
            return LabelValue(bytes: raw.baseAddress! + start, count: end - start)
        }
        values.withUnsafeBufferPointer { buffer in
            // An empty array has no address; nothing is read through this one.
            let pointer = buffer.baseAddress ?? UnsafePointer(bitPattern: 16)!
            do throws(StoreError) {
                outcome = .success(try body(pointer, buffer.count))
            } catch {
                outcome = .failure(error)
            }
        }
    }
    return try outcome.unsafelyUnwrapped.get()
}
