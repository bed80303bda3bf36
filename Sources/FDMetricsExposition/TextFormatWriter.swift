// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore

/// Prometheus text format 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format), spelled as prometheus_client spells
/// it: HELP and TYPE of a counter carry "_total", info and state sets are gauges, numbers are Go's.
struct TextFormatWriter: ~Copyable {
    var buffer: TextBuffer
    let labelsByPid: Bool

    init(capacity: Int, labelsByPid: Bool) {
        buffer = TextBuffer(capacity: capacity)
        self.labelsByPid = labelsByPid
    }

    mutating func write(_ family: FamilySnapshot) {
        let descriptor = family.plan.descriptor
        writeHeader(descriptor, family.plan.nameBytes)
        family.plan.nameBytes.withUnsafeBytes { name in
            family.values.withUnsafeBufferPointer { values in
                switch descriptor.type {
                case .counter:
                    for series in family.series { counterLine(name, series, values[series.first]) }
                case .gauge:
                    let owner = ownerLabel(descriptor)
                    for series in family.series { ownedLine(name, "", series, owner, values[series.first]) }
                case .summary:
                    for series in family.series {
                        line(name, "_count", series.text, values[series.first])
                        line(name, "_sum", series.text, values[series.first + 1])
                    }
                case .histogram:
                    for series in family.series { histogramLines(name, family.plan.boundTexts, series, values) }
                case .info:
                    for series in family.series { line(name, "_info", series.text, 1) }
                case .stateSet:
                    for series in family.series { stateLines(name, descriptor, series, values[series.first]) }
                }
            }
        }
    }

    /// The text and its length, which the caller frees; nil: there was no memory for it.
    consuming func finish() -> (text: UnsafeMutablePointer<CChar>, count: Int)? { buffer.release() }

    // MARK: - Headers

    private mutating func writeHeader(_ descriptor: FamilyDescriptor, _ nameBytes: [UInt8]) {
        let suffix: StaticString
        let type: StaticString
        switch descriptor.type {
        case .counter: (suffix, type) = ("_total", " counter\n")
        case .gauge, .stateSet: (suffix, type) = ("", " gauge\n")
        case .histogram: (suffix, type) = ("", " histogram\n")
        case .summary: (suffix, type) = ("", " summary\n")
        case .info: (suffix, type) = ("_info", " gauge\n")
        }
        nameBytes.withUnsafeBytes { name in
            buffer.append("# HELP ")
            buffer.append(name)
            buffer.append(suffix)
            buffer.append(" ")
            // A help text escapes backslash and line feed, not the quotation mark.
            for byte in descriptor.help.utf8 {
                switch byte {
                case UInt8(ascii: "\\"): buffer.append("\\\\")
                case UInt8(ascii: "\n"): buffer.append("\\n")
                default: buffer.append(byte: byte)
                }
            }
            buffer.append("\n# TYPE ")
            buffer.append(name)
            buffer.append(suffix)
            buffer.append(type)
        }
    }

    // MARK: - Lines

    /// name, suffix, labels, space, value, line feed.
    private mutating func line(
        _ name: UnsafeRawBufferPointer, _ suffix: StaticString, _ labels: UnsafeRawBufferPointer, _ value: Double
    ) {
        let room = name.count + suffix.utf8CodeUnitCount + labels.count + CanonicalNumber.maximumLength + 2
        guard buffer.ensure(room) else { return }
        buffer.appendUnchecked(name)
        buffer.appendUnchecked(suffix)
        buffer.appendUnchecked(labels)
        finishLine(value)
    }

    /// A line with one more label, given rendered: `le="0.005"`.
    private mutating func line(
        _ name: UnsafeRawBufferPointer, _ suffix: StaticString, _ labels: UnsafeRawBufferPointer,
        with label: UnsafeRawBufferPointer, _ value: Double
    ) {
        let room =
            name.count + suffix.utf8CodeUnitCount + labels.count + label.count + CanonicalNumber.maximumLength + 4
        guard buffer.ensure(room) else { return }
        buffer.appendUnchecked(name)
        buffer.appendUnchecked(suffix)
        if labels.isEmpty {
            buffer.appendUnchecked(byte: UInt8(ascii: "{"))
        } else {
            // All but the closing brace.
            buffer.appendUnchecked(UnsafeRawBufferPointer(rebasing: labels[..<(labels.count - 1)]))
            buffer.appendUnchecked(byte: UInt8(ascii: ","))
        }
        buffer.appendUnchecked(label)
        buffer.appendUnchecked(byte: UInt8(ascii: "}"))
        finishLine(value)
    }

    @inline(__always)
    private mutating func finishLine(_ value: Double) {
        buffer.appendUnchecked(byte: UInt8(ascii: " "))
        buffer.advance(by: CanonicalNumber.write(value, to: buffer.unusedBytes))
        buffer.appendUnchecked(byte: UInt8(ascii: "\n"))
    }

    private mutating func histogramLines(
        _ name: UnsafeRawBufferPointer, _ bounds: [[UInt8]], _ series: SeriesSnapshot,
        _ values: UnsafeBufferPointer<Double>
    ) {
        var count = 0.0
        for bucket in bounds.indices {
            count += values[series.first + bucket]
            bounds[bucket].withUnsafeBytes { line(name, "_bucket", series.text, with: $0, count) }
        }
        line(name, "_count", series.text, count)
        line(name, "_sum", series.text, values[series.first + bounds.count])
    }

    /// A counter of the store belongs to no process; those of `ProcessMetrics` may.
    private mutating func counterLine(_ name: UnsafeRawBufferPointer, _ series: SeriesSnapshot, _ value: Double) {
        ownedLine(name, "_total", series, labelsByPid ? "pid" : "worker", value)
    }

    private mutating func ownedLine(
        _ name: UnsafeRawBufferPointer, _ suffix: StaticString, _ series: SeriesSnapshot, _ owner: String,
        _ value: Double
    ) {
        if series.worker < 0 { return line(name, suffix, series.text, value) }
        var label = "\(owner)=\"\(labelsByPid ? series.pid : UInt64(series.worker))\""
        label.withUTF8 { line(name, suffix, series.text, with: UnsafeRawBufferPointer($0), value) }
    }

    /// The label that tells the owners of a gauge's samples apart: "worker", or "pid" if that was asked for; a family that
    /// has such a label itself gets another name, so that no sample has a label twice.
    private func ownerLabel(_ descriptor: FamilyDescriptor) -> String {
        var label = labelsByPid ? "pid" : "worker"
        while descriptor.labelNames.contains(label) { label += "_" }
        return label
    }

    private mutating func stateLines(
        _ name: UnsafeRawBufferPointer, _ descriptor: FamilyDescriptor, _ series: SeriesSnapshot, _ current: Double
    ) {
        // The family's own name is the label, the state its value. A label name has no colon.
        let labelName = String(descriptor.name.map { $0 == ":" ? "_" : $0 })
        for (index, state) in descriptor.states.enumerated() {
            var label = labelName + "=\""
            for scalar in state.unicodeScalars {
                switch scalar {
                case "\\": label += "\\\\"
                case "\"": label += "\\\""
                case "\n": label += "\\n"
                default: label.unicodeScalars.append(scalar)
                }
            }
            label += "\""
            label.withUTF8 {
                line(name, "", series.text, with: UnsafeRawBufferPointer($0), Double(index) == current ? 1 : 0)
            }
        }
    }
}
