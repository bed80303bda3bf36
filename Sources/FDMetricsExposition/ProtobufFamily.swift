// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore

/// The bytes of a family in the protobuf format that never change: its head, and for each series its labels. They are made
/// once for each series of the family's plan, so that a scrape copies them and adds the numbers.
final class ProtobufFamily {
    /// What is kept of a series.
    enum Form {
        /// All of its message but the eight bytes of its only number, which are the last.
        case single(UInt8)
        /// Its labels; then, apart, its created_timestamp with the tag of the message that it belongs to.
        case open(created: UInt8?)
    }

    /// name, help, type and unit.
    let head: [UInt8]
    let form: Form
    /// Of a histogram, for each bound `boundLength` bytes: upper_bound, and the tag of cumulative_count.
    let bounds: [UInt8]
    static let boundLength = 10
    /// The label of a state set's states.
    let stateLabel: String
    /// How long the whole message was in the latest scrape.
    var latestLength = 0

    /// One series after the other.
    private var bytes = TextBuffer()
    /// Where the two parts of series i end: at [2 i] and [2 i + 1].
    private var ends: [UInt32] = []

    /// How the names are written; nil: they are legacy.
    private let names: WrittenNames?

    init(_ family: FamilyDescriptor, _ names: WrittenNames?) {
        self.names = names
        stateLabel = names?.plainStateLabel ?? family.stateLabel
        head = Self.head(family, stem: names?.plainStem ?? family.name)
        form = Self.form(family)
        var bounds = TextBuffer()
        for bound in family.type == .histogram ? family.bounds + [.infinity] : [] {
            guard bounds.ensure(Self.boundLength) else { break }
            bounds.appendUnchecked(byte: ProtobufTag.Bucket.upperBound)
            bounds.appendUnchecked(fixed64: bound)
            bounds.appendUnchecked(byte: ProtobufTag.Bucket.cumulativeCount)
        }
        self.bounds = bounds.withUnsafeBytes { Array($0) }
    }

    /// Takes in the series that were added to the plan since the last call.
    func extend(to series: [GatherPlan.SeriesPlan]) {
        if ends.isEmpty { reserve(series) }
        while ends.count / 2 < series.count {
            let one = series[ends.count / 2]
            let text = names?.labels(one.text)
            switch form {
            case .single(let tag):
                var labels = TextBuffer(capacity: one.text.count + 16)
                Self.append(text, orElse: one.text, to: &labels)
                var created = TextBuffer()
                if tag == ProtobufTag.Metric.counter {
                    Self.append(ProtobufTag.Created.counter, created: one.record.createdTime, to: &created)
                }
                let inner = created.count + 9
                bytes.append(byte: ProtobufTag.MetricFamily.metric)
                bytes.append(varint: labels.count + 2 + inner)
                labels.withUnsafeBytes { bytes.append($0) }
                bytes.append(byte: tag)
                bytes.append(varint: inner)
                created.withUnsafeBytes { bytes.append($0) }
                bytes.append(byte: ProtobufTag.Single.value)
                ends.append(UInt32(truncatingIfNeeded: bytes.count))
            case .open(let created):
                Self.append(text, orElse: one.text, to: &bytes)
                ends.append(UInt32(truncatingIfNeeded: bytes.count))
                if let created { Self.append(created, created: one.record.createdTime, to: &bytes) }
            }
            ends.append(UInt32(truncatingIfNeeded: bytes.count))
        }
    }

    /// Makes about the room at once that the series will take: most families have all of theirs at the first scrape, and
    /// a buffer that grows leaves holes as large as itself.
    private func reserve(_ series: [GatherPlan.SeriesPlan]) {
        // Above their labels most metrics have a time of 13 bytes and, with their lengths, 10 tags.
        bytes.ensure(series.reduce(0) { $0 + $1.text.count + 24 })
        ends.reserveCapacity(2 * series.count)
    }

    /// Whether memory ran out for what is kept; nothing of it is good then. Nor is what `ends` cannot count.
    var hasFailed: Bool { bytes.hasFailed || bytes.count > Int(UInt32.max) }

    /// Calls `body` with the parts of all series.
    func withParts(_ body: (Parts) -> Void) {
        bytes.withUnsafeBytes { bytes in
            ends.withUnsafeBufferPointer { body(Parts(bytes: bytes, ends: $0)) }
        }
    }

    /// Finds the two parts of a series.
    struct Parts {
        fileprivate let bytes: UnsafeRawBufferPointer
        fileprivate let ends: UnsafeBufferPointer<UInt32>

        @inline(__always)
        func first(_ series: Int) -> UnsafeRawBufferPointer {
            part(from: series == 0 ? 0 : ends[2 &* series &- 1], to: ends[2 &* series])
        }

        @inline(__always)
        func second(_ series: Int) -> UnsafeRawBufferPointer {
            part(from: ends[2 &* series], to: ends[2 &* series &+ 1])
        }

        @inline(__always)
        private func part(from start: UInt32, to end: UInt32) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes[Int(start)..<Int(end)])
        }
    }

    // MARK: - What never changes

    private static func form(_ family: FamilyDescriptor) -> Form {
        switch family.type {
        case .counter: .single(ProtobufTag.Metric.counter)
        case .info: .single(ProtobufTag.Metric.gauge)
        // Samples of processes have one label more.
        case .gauge where family.gaugeMode == .all || family.gaugeMode == .liveAll: .open(created: nil)
        case .gauge: .single(ProtobufTag.Metric.gauge)
        case .stateSet: .open(created: nil)
        case .summary: .open(created: ProtobufTag.Created.summary)
        case .histogram: .open(created: ProtobufTag.Created.histogram)
        }
    }

    /// The name is that which all client libraries expose in this format. It has no types for info and state sets.
    private static func head(_ family: FamilyDescriptor, stem: String) -> [UInt8] {
        let (suffix, type): (String, UInt8) =
            switch family.type {
            case .counter: ("_total", 0)
            case .gauge, .stateSet: ("", 1)
            case .info: ("_info", 1)
            case .summary: ("", 2)
            case .histogram: ("", 4)
            }
        var buffer = TextBuffer(capacity: stem.utf8.count + family.help.utf8.count + 48)
        buffer.append(ProtobufTag.MetricFamily.name, stem + suffix)
        buffer.append(ProtobufTag.MetricFamily.help, family.help)
        buffer.append(byte: ProtobufTag.MetricFamily.type)
        buffer.append(byte: type)
        // Prometheus refuses a whole scrape for a unit that is not the last word of a name.
        if !family.unit.isEmpty, stem.hasSuffix("_" + family.unit) {
            buffer.append(ProtobufTag.MetricFamily.unit, family.unit)
        }
        return buffer.withUnsafeBytes { Array($0) }
    }

    private static func append(
        _ written: [UInt8]?, orElse text: UnsafeRawBufferPointer, to buffer: inout TextBuffer
    ) {
        if let written {
            written.withUnsafeBytes { ProtobufLabels.append(pairsOf: $0, to: &buffer) }
        } else {
            ProtobufLabels.append(pairsOf: text, to: &buffer)
        }
    }

    /// Appends a created_timestamp, given in nanoseconds since the epoch; 0 is not known, and left out.
    private static func append(_ tag: UInt8, created: UInt64, to buffer: inout TextBuffer) {
        if created == 0 { return }
        let (seconds, nanoseconds) = created.quotientAndRemainder(dividingBy: 1_000_000_000)
        buffer.append(byte: tag)
        buffer.append(varint: 2 + Varint.length(seconds) + Varint.length(nanoseconds))
        buffer.append(byte: ProtobufTag.Timestamp.seconds)
        buffer.append(varint: Int(seconds))
        buffer.append(byte: ProtobufTag.Timestamp.nanoseconds)
        buffer.append(varint: Int(nanoseconds))
    }
}

extension WrittenNames {
    /// The stem as it is, without quotation marks and escapes.
    fileprivate var plainStem: String {
        isQuoted ? Self.plain([34] + stem + [34]) : String(decoding: stem, as: UTF8.self)
    }

    /// The state label as it is.
    fileprivate var plainStateLabel: String {
        isQuoted ? Self.plain(stateLabel) : String(decoding: stateLabel, as: UTF8.self)
    }

    private static func plain(_ quotation: [UInt8]) -> String { quotation.withUnsafeBytes { LabelPairs.unquoted($0) } }
}
