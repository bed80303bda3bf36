// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

// A record was checked once; the file may be damaged after that. So what a view needs of the sizes is copied when it is
// checked, and what is read later is held against the greatest record: behind every record there is a lane at least as
// large, so that whatever lies within that distance is mapped.

/// A family record that was found sound: offsets checked, checksum verified.
package struct FamilyRecord {
    package let record: UnsafeMutableRawPointer
    package let type: MetricType
    /// nil in what is no gauge, and in a gauge that is the difference of two counters, which its states name.
    package let gaugeMode: GaugeMode?
    package let labelCount: Int
    package let boundCount: Int
    package let stateCount: Int
    private let boundsOffset: Int
    private let size: Int

    /// The record at a file offset if it is a sound family, else nil.
    package init?(_ segment: Segment, offset: Int) {
        guard let (record, size) = soundRecord(segment, offset: offset, kind: RecordLayout.family) else { return nil }
        let mode = half(record, FamilyLayout.gaugeMode)
        labelCount = Int(half(record, FamilyLayout.labelCount))
        stateCount = Int(half(record, FamilyLayout.stateCount))
        boundCount = Int(half(record, FamilyLayout.boundCount))
        boundsOffset = Int(half(record, FamilyLayout.boundsOffset))
        guard let type = MetricType(rawValue: half(record, FamilyLayout.type)), labelCount <= 1 << 16,
            stateCount <= 1 << 16,
            boundCount <= 1 << 16, boundsOffset % 16 == 0,
            FamilyLayout.strings + (FamilyLayout.fixedStrings + labelCount + stateCount) * 8 <= size,
            boundsOffset + FamilyRecord.paddedBounds(boundCount) * 8 <= size
        else { return nil }
        let checksum = KeyHash.checksum(
            bytes(record, 0, 8), bytes(record, 16, 56), bytes(record, FamilyLayout.strings, size))
        guard checksum == longWord(record, RecordLayout.checksum) else { return nil }
        for index in 0..<(FamilyLayout.fixedStrings + labelCount + stateCount) {
            let (offset, length) = entry(record, FamilyLayout.strings, index)
            guard offset + length <= size else { return nil }
        }
        self.record = record
        self.size = size
        self.type = type
        gaugeMode = GaugeMode(rawValue: mode)
        // A mode that is none could not be updated, nor shown.
        let isDifference = type == .gauge && mode == 0 && stateCount == 2
        guard type == .gauge ? gaugeMode != nil || isDifference : mode == 0 else { return nil }
    }

    package static func paddedBounds(_ count: Int) -> Int {
        (count + FamilyLayout.boundsPadding - 1) / FamilyLayout.boundsPadding * FamilyLayout.boundsPadding
    }

    package var nameHash: UInt64 { longWord(record, FamilyLayout.nameHash) }
    package var createdTime: UInt64 { longWord(record, FamilyLayout.createdTime) }
    package var name: UnsafeRawBufferPointer { string(0) }
    /// The bounds, padded.
    package var bounds: UnsafePointer<Double> {
        UnsafePointer((record + boundsOffset).assumingMemoryBound(to: Double.self))
    }

    private func string(_ index: Int) -> UnsafeRawBufferPointer {
        let (offset, length) = entry(record, FamilyLayout.strings, index)
        return offset + length <= size ? bytes(record, offset, offset + length) : bytes(record, 0, 0)
    }

    package var descriptor: FamilyDescriptor {
        func text(_ index: Int) -> String { String(decoding: string(index), as: UTF8.self) }
        let firstLabel = FamilyLayout.fixedStrings
        return FamilyDescriptor(
            type: type, name: text(0), help: text(1), unit: text(2),
            labelNames: (0..<labelCount).map { text(firstLabel + $0) },
            bounds: Array(UnsafeBufferPointer(start: bounds, count: boundCount)),
            gaugeMode: gaugeMode, states: (0..<stateCount).map { text(firstLabel + labelCount + $0) })
    }
}

/// Which of two records of one name is the later one: of the declarations of a name, that of the latest record counts.
package struct FamilyPlace: Comparable, Sendable {
    private let createdTime: UInt64
    private let address: StoreAddress

    package init(_ record: FamilyRecord, segment: Int, offset: Int) {
        createdTime = record.createdTime
        address = StoreAddress(segment: segment, offset: offset)
    }

    package static func < (a: FamilyPlace, b: FamilyPlace) -> Bool {
        (a.createdTime, a.address.bits) < (b.createdTime, b.address.bits)
    }
}

/// A series record that was found sound: offsets checked, checksum verified.
package struct SeriesRecord {
    package let record: UnsafeMutableRawPointer

    /// The record at a file offset if it is a sound series, else nil.
    package init?(_ segment: Segment, offset: Int) {
        guard let (record, size) = soundRecord(segment, offset: offset, kind: RecordLayout.series) else { return nil }
        let table = Int(half(record, SeriesLayout.tableOffset)), valueCount = Int(half(record, SeriesLayout.valueCount))
        let text = Int(half(record, SeriesLayout.textOffset)), textLength = Int(half(record, SeriesLayout.textLength))
        guard table == SeriesLayout.narrowTable || table == SeriesLayout.wideTable, valueCount <= 1 << 16,
            table + valueCount * 8 <= size, text + textLength <= size
        else { return nil }
        let checksum = KeyHash.checksum(bytes(record, 0, 8), bytes(record, 16, 56), bytes(record, table, size))
        guard checksum == longWord(record, RecordLayout.checksum) else { return nil }
        for index in 0..<valueCount {
            let (offset, length) = entry(record, table, index)
            guard offset + length <= size else { return nil }
        }
        self.record = record
    }

    package init(sound record: UnsafeMutableRawPointer) { self.record = record }

    package var keyHash: UInt64 { longWord(record, SeriesLayout.keyHash) }
    package var familyOffset: Int { Int(half(record, SeriesLayout.family)) }
    package var valueCount: Int { min(Int(half(record, SeriesLayout.valueCount)), 1 << 16) }
    /// Whether the record has the line of words that change, as those of gauges and state sets do.
    package var isWide: Bool { half(record, SeriesLayout.tableOffset) == SeriesLayout.wideTable }
    package var createdTime: UInt64 { longWord(record, SeriesLayout.createdTime) }
    /// The cell's offset in each lane, over all groups; nil: the series has none.
    package var cell: Int? {
        let cell = half(record, SeriesLayout.cells)
        return cell == SeriesLayout.noCells ? nil : Int(cell)
    }
    /// {a="x",b="y"}, escaped as the text formats want it; empty without labels. See `LabelText` for names in quotes.
    package var text: UnsafeRawBufferPointer {
        part(Int(half(record, SeriesLayout.textOffset)), Int(half(record, SeriesLayout.textLength)))
    }
    package func value(_ index: Int) -> UnsafeRawBufferPointer {
        let table = isWide ? SeriesLayout.wideTable : SeriesLayout.narrowTable
        guard table + index * 8 + 8 <= StoreFormat.maxRecord else { return bytes(record, 0, 0) }
        let (offset, length) = entry(record, table, index)
        return part(offset, length)
    }

    private func part(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer {
        offset + length <= StoreFormat.maxRecord ? bytes(record, offset, offset + length) : bytes(record, 0, 0)
    }

    /// Whether the series is rendered. Relaxed: a removal has no order with anything else.
    @inline(__always)
    package var isLive: Bool {
        word(record + SeriesLayout.state).pointee.load(ordering: .relaxed) == SeriesLayout.live
    }

    /// Whether the label values are these, byte for byte.
    @inline(__always)
    package func hasValues(_ values: UnsafePointer<LabelValue>, _ count: Int) -> Bool {
        if Int(half(record, SeriesLayout.valueCount)) != count { return false }
        // A damaged offset leads to one of four places near by.
        let tableOffset = Int(half(record, SeriesLayout.tableOffset))
        var table = UnsafeRawPointer(record) + (tableOffset & (SeriesLayout.narrowTable | SeriesLayout.wideTable))
        var index = 0
        while index < count {
            let offset = Int(table.load(as: UInt32.self))
            let length = Int(table.load(fromByteOffset: 4, as: UInt32.self))
            table += 8
            if length != values[index].count || offset &+ length > StoreFormat.maxRecord { return false }
            if !sameBytes(record + offset, values[index].bytes, length) { return false }
            index &+= 1
        }
        return true
    }
}

extension SeriesRecord {
    /// Whether the first label values are these: an info has its texts and their keys behind them.
    package func beginsWithValues(_ values: UnsafePointer<LabelValue>, _ count: Int) -> Bool {
        if valueCount < count { return false }
        for index in 0..<count {
            let own = value(index)
            guard own.count == values[index].count,
                own.isEmpty || sameBytes(own.baseAddress.unsafelyUnwrapped, values[index].bytes, own.count)
            else { return false }
        }
        return true
    }

    /// Whether a later text of an info was put in the place of this one.
    package var isReplaced: Bool {
        word(record + SeriesLayout.state).pointee.load(ordering: .relaxed) == SeriesLayout.replaced
    }

    /// Goes through the instances of a gauge series until the body says true, or where the list is damaged.
    package func forEachInstance(
        in source: any SegmentSource, _ body: (GaugeInstance) -> Bool
    ) throws(StoreError) {
        var next = StoreAddress(bits: word(record + SeriesLayout.instances).pointee.load(ordering: .acquiring))
        // A list has at most one instance for each slot and logical worker, and a few of threads that raced; a longer one
        // is a damaged ring.
        for _ in 0..<StoreFormat.maxInstances {
            if next.isNull || next.segment < 0 { return }
            guard let segment = try source.segment(next.segment),
                let instance = GaugeInstance(segment.pointee, offset: next.offset)
            else { return }
            if body(instance) { return }
            next = instance.next
        }
    }
}

/// A gauge instance that was found where a list leads: kind and size checked; all else of it changes.
package struct GaugeInstance {
    package let record: UnsafeMutableRawPointer

    package init?(_ segment: Segment, offset: Int) {
        guard let (record, _) = soundRecord(segment, offset: offset, kind: RecordLayout.instance) else { return nil }
        self.record = record
    }

    /// Whose value it is. Acquire: pairs with the release that ends an inheritance.
    package var owner: LeaseToken {
        LeaseToken(bits: word(record + InstanceLayout.owner).pointee.load(ordering: .acquiring))
    }
    package var next: StoreAddress {
        StoreAddress(bits: word(record + InstanceLayout.next).pointee.load(ordering: .acquiring))
    }
}

/// A label value of a look-up: borrowed bytes. Laid out as the C ABI's fdm_string.
@frozen @usableFromInline
package struct LabelValue {
    @usableFromInline package let bytes: UnsafeRawPointer?
    @usableFromInline package let count: Int

    package var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: bytes, count: count) }

    @inlinable @inline(__always)
    package init(bytes: UnsafeRawPointer?, count: Int) {
        self.bytes = bytes
        self.count = count
    }
}

/// Compares in words: label values are short, and a call of memcmp would cost more than the comparison.
@inline(__always)
func sameBytes(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer?, _ count: Int) -> Bool {
    guard let b else { return count == 0 }
    var offset = 0
    while count &- offset >= 8 {
        if a.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            != b.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        {
            return false
        }
        offset = offset &+ 8
    }
    let rest = count &- offset
    if rest == 0 { return true }
    if count >= 8 {
        // The last 8 bytes once more, overlapping what was compared.
        return a.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
            == b.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
    }
    while offset < count {
        if a.load(fromByteOffset: offset, as: UInt8.self) != b.load(fromByteOffset: offset, as: UInt8.self) {
            return false
        }
        offset = offset &+ 1
    }
    return true
}

// MARK: - Reading a record's constant words

@inline(__always)
func half(_ record: UnsafeMutableRawPointer, _ offset: Int) -> UInt32 { (record + offset).load(as: UInt32.self) }

@inline(__always)
func longWord(_ record: UnsafeMutableRawPointer, _ offset: Int) -> UInt64 { (record + offset).load(as: UInt64.self) }

func bytes(_ record: UnsafeMutableRawPointer, _ from: Int, _ to: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: record + from, count: to - from)
}

private func entry(_ record: UnsafeMutableRawPointer, _ table: Int, _ index: Int) -> (offset: Int, length: Int) {
    (Int(half(record, table + index * 8)), Int(half(record, table + index * 8 + 4)))
}

/// A record that lies wholly in what may be read, with the expected kind and a sensible size, which comes with it.
func soundRecord(
    _ segment: Segment, offset: Int, kind: UInt32
) -> (record: UnsafeMutableRawPointer, size: Int)? {
    let end = segment.recordsEnd
    guard offset >= segment.geometry.recordsOffset, offset % StoreFormat.recordAlignment == 0, offset + 64 <= end else {
        return nil
    }
    let record = segment.base + offset
    let size = Int(half(record, RecordLayout.size))
    guard half(record, RecordLayout.kind) == kind, size >= 64, size <= StoreFormat.maxRecord,
        size % StoreFormat.recordAlignment == 0, offset + size <= end
    else { return nil }
    return (record, size)
}
