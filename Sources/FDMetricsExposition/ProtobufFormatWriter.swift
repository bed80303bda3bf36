// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore

/// Prometheus' protobuf format
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#protobuf-format): messages MetricFamily, each after its
/// length, written straight from the snapshot. Samples are those of the text format, and have the same names.
///
/// All strings are raw UTF-8, and numbers are the bits that the store has. Families without series are left out, as there
/// is nothing that this format's readers take them for.
struct ProtobufFormatWriter: FormatWriter, ~Copyable {
    private var buffer: TextBuffer
    private let isByPid: Bool
    private let escaping: NameEscaping

    init(capacity: Int, options: RenderOptions) {
        buffer = TextBuffer(capacity: capacity)
        isByPid = options.contains(.labelsByPid)
        escaping = options.escaping
    }

    mutating func write(_ family: FamilySnapshot) {
        guard !family.series.isEmpty, let kept = keptFamily(family.plan) else { return }
        kept.extend(to: family.plan.series)
        if kept.hasFailed { return buffer.fail() }
        let start = buffer.beginDelimited(
            estimate: kept.latestLength > 0 ? kept.latestLength : family.series.count * 64 + kept.head.count)
        kept.head.withUnsafeBytes { buffer.append($0) }
        family.values.withUnsafeBufferPointer { values in
            kept.withParts { parts in
                switch (family.plan.descriptor.type, kept.form) {
                case (.summary, _): for series in family.series { summary(series, parts, values) }
                case (.histogram, _):
                    kept.bounds.withUnsafeBytes { bounds in
                        for series in family.series { histogram(series, parts, values, bounds) }
                    }
                case (.stateSet, _):
                    let place = LabelPlace(
                        of: family.plan.descriptor.stateLabel, among: family.plan.descriptor.labelNames)
                    for series in family.series {
                        states(family.plan.descriptor.states, kept, place, series, parts, values)
                    }
                case (_, .single(let tag)):
                    let owner = OwnerLabel(family, byPid: isByPid)
                    for series in family.series {
                        if series.index >= 0 {
                            single(parts.first(series.index), values[series.first])
                        } else {
                            single(tag, owner, series, values[series.first])
                        }
                    }
                case (_, .open):
                    let owner = OwnerLabel(family, byPid: isByPid)
                    for series in family.series { owned(owner, series, parts, values[series.first]) }
                }
            }
        }
        kept.latestLength = buffer.endDelimited(start)
    }

    var count: Int { buffer.count }

    mutating func moveTail(after end: Int, to place: Int) { buffer.moveTail(after: end, to: place) }

    /// The bytes and their length, which the caller frees; nil: there was no memory for them.
    consuming func finish() -> (text: UnsafeMutablePointer<CChar>, count: Int)? { buffer.release() }

    /// nil: the family gives way to another one under this escaping.
    private func keptFamily(_ plan: GatherPlan.FamilyPlan) -> ProtobufFamily? {
        // One for all escapings where there is nothing to escape.
        let place = Int((plan.isLegacy ? .allowUTF8 : escaping).rawValue)
        if let known = plan.protobuf[place] { return known }
        let names = plan.isLegacy ? nil : plan.names[place]
        if !plan.isLegacy, names == nil { return nil }
        let made = ProtobufFamily(plan.descriptor, names)
        plan.protobuf[place] = made
        return made
    }

    // MARK: - Metrics of one number

    /// A series of the store: all but its number is kept.
    @inline(__always)
    private mutating func single(_ kept: UnsafeRawBufferPointer, _ value: Double) {
        guard buffer.ensure(kept.count &+ 8) else { return }
        buffer.appendUnchecked(kept)
        buffer.appendUnchecked(fixed64: value)
    }

    /// What is not of the store: labels are rendered here.
    private mutating func single(_ tag: UInt8, _ owner: OwnerLabel, _ series: SeriesSnapshot, _ value: Double) {
        var labels = TextBuffer()
        ProtobufLabels.append(pairsOf: series.text, to: &labels)
        labels.withUnsafeBytes { metric(tag, $0, owner, series, value) }
    }

    /// A gauge that each process has its own sample of.
    private mutating func owned(
        _ owner: OwnerLabel, _ series: SeriesSnapshot, _ parts: ProtobufFamily.Parts, _ value: Double
    ) {
        if series.index < 0 { return single(ProtobufTag.Metric.gauge, owner, series, value) }
        metric(ProtobufTag.Metric.gauge, parts.first(series.index), owner, series, value)
    }

    /// A metric with the label that tells processes apart, if it has one.
    private mutating func metric(
        _ tag: UInt8, _ labels: UnsafeRawBufferPointer, _ owner: OwnerLabel, _ series: SeriesSnapshot, _ value: Double
    ) {
        guard let number = owner.value(series) else { return metric(tag, labels, value) }
        var all = TextBuffer()
        ProtobufLabels.append(labels, with: owner.name, String(number), at: owner.place.index, to: &all)
        all.withUnsafeBytes { metric(tag, $0, value) }
    }

    private mutating func states(
        _ states: [String], _ kept: ProtobufFamily, _ place: LabelPlace, _ series: SeriesSnapshot,
        _ parts: ProtobufFamily.Parts, _ values: UnsafeBufferPointer<Double>
    ) {
        for (index, state) in states.enumerated() {
            var labels = TextBuffer()
            ProtobufLabels.append(
                parts.first(series.index), with: kept.stateLabel, state, at: place.index, to: &labels)
            labels.withUnsafeBytes {
                metric(ProtobufTag.Metric.gauge, $0, Double(index) == values[series.first] ? 1 : 0)
            }
        }
    }

    private mutating func metric(_ tag: UInt8, _ labels: UnsafeRawBufferPointer, _ value: Double) {
        guard buffer.ensure(labels.count + 2 * Varint.maximumLength + 16) else { return }
        buffer.appendUnchecked(byte: ProtobufTag.MetricFamily.metric)
        buffer.appendUnchecked(varint: UInt64(labels.count + 11))
        buffer.appendUnchecked(labels)
        buffer.appendUnchecked(byte: tag)
        buffer.appendUnchecked(byte: 9)
        buffer.appendUnchecked(byte: ProtobufTag.Single.value)
        buffer.appendUnchecked(fixed64: value)
    }

    // MARK: - Distributions

    private mutating func summary(
        _ series: SeriesSnapshot, _ parts: ProtobufFamily.Parts, _ values: UnsafeBufferPointer<Double>
    ) {
        let labels = parts.first(series.index), created = parts.second(series.index)
        let count = UInt64(count: values[series.first])
        let inner = 1 + Varint.length(count) + 9 + created.count
        beginDistribution(ProtobufTag.Metric.summary, labels, inner)
        endDistribution(count, values[series.first + 1], created)
    }

    private mutating func histogram(
        _ series: SeriesSnapshot, _ parts: ProtobufFamily.Parts, _ values: UnsafeBufferPointer<Double>,
        _ bounds: UnsafeRawBufferPointer
    ) {
        let labels = parts.first(series.index), created = parts.second(series.index)
        let boundLength = ProtobufFamily.boundLength
        let buckets = bounds.count / boundLength
        var total = 0.0
        var inner = 9 + created.count + buckets &* (2 + boundLength)
        for bucket in 0..<buckets {
            total += values[series.first &+ bucket]
            inner &+= Varint.length(UInt64(count: total))
        }
        inner += 1 + Varint.length(UInt64(count: total))
        beginDistribution(ProtobufTag.Metric.histogram, labels, inner)
        guard buffer.ensure(buckets &* (2 + boundLength + Varint.maximumLength)) else { return }
        var sum = 0.0
        for bucket in 0..<buckets {
            sum += values[series.first &+ bucket]
            let count = UInt64(count: sum)
            buffer.appendUnchecked(byte: ProtobufTag.Distribution.bucket)
            // Below 128: the bound, and at most 10 of the count.
            buffer.appendUnchecked(byte: UInt8(truncatingIfNeeded: boundLength &+ Varint.length(count)))
            let bound = bucket &* boundLength
            buffer.appendUnchecked(UnsafeRawBufferPointer(rebasing: bounds[bound..<(bound &+ boundLength)]))
            buffer.appendUnchecked(varint: count)
        }
        endDistribution(UInt64(count: total), values[series.first + buckets], created)
    }

    private mutating func beginDistribution(_ tag: UInt8, _ labels: UnsafeRawBufferPointer, _ inner: Int) {
        guard buffer.ensure(labels.count + 2 * Varint.maximumLength + 2) else { return }
        buffer.appendUnchecked(byte: ProtobufTag.MetricFamily.metric)
        buffer.appendUnchecked(varint: UInt64(labels.count + 1 + Varint.length(UInt64(inner)) + inner))
        buffer.appendUnchecked(labels)
        buffer.appendUnchecked(byte: tag)
        buffer.appendUnchecked(varint: UInt64(inner))
    }

    private mutating func endDistribution(_ count: UInt64, _ sum: Double, _ created: UnsafeRawBufferPointer) {
        guard buffer.ensure(Varint.maximumLength + 10 + created.count) else { return }
        buffer.appendUnchecked(byte: ProtobufTag.Distribution.sampleCount)
        buffer.appendUnchecked(varint: count)
        buffer.appendUnchecked(byte: ProtobufTag.Distribution.sampleSum)
        buffer.appendUnchecked(fixed64: sum)
        buffer.appendUnchecked(created)
    }
}
