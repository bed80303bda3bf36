// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore

/// Prometheus text format 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format) and OpenMetrics 1.0
/// (https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md), both spelled as
/// prometheus_client spells them; numbers are Go's. Their samples are the same. In 0.0.4 HELP and TYPE of a counter carry
/// "_total", and info and state sets are gauges; OpenMetrics names the family itself, has these types, units, the times
/// of creation, and an end.
struct TextFormatWriter: ~Copyable {
    private var buffer: TextBuffer
    private let format: ExpositionFormat
    private let options: RenderOptions

    init(capacity: Int, format: ExpositionFormat, options: RenderOptions) {
        buffer = TextBuffer(capacity: capacity)
        self.format = format
        self.options = options
    }

    private var labelsByPid: Bool { options.contains(.labelsByPid) }
    private var writesCreated: Bool { format == .openMetrics && options.contains(.created) }

    mutating func write(_ family: FamilySnapshot) {
        let descriptor = family.plan.descriptor
        writeHeader(descriptor, family.plan.nameBytes)
        family.plan.nameBytes.withUnsafeBytes { name in
            family.values.withUnsafeBufferPointer { values in
                switch descriptor.type {
                case .counter:
                    for series in family.series {
                        counterLine(name, series, values[series.first])
                        createdLine(name, series)
                    }
                case .gauge:
                    let owner = ownerLabel(descriptor)
                    for series in family.series { ownedLine(name, "", series, owner, values[series.first]) }
                case .summary:
                    for series in family.series {
                        line(name, "_count", series.text, values[series.first])
                        if mayShow(sum: values[series.first + 1]) {
                            line(name, "_sum", series.text, values[series.first + 1])
                        }
                        createdLine(name, series)
                    }
                case .histogram:
                    for series in family.series {
                        histogramLines(
                            name, family.plan.boundTexts, series, values,
                            mayBeNegative: (descriptor.bounds.first ?? 0) < 0)
                        createdLine(name, series)
                    }
                case .info:
                    for series in family.series { line(name, "_info", series.text, 1) }
                case .stateSet:
                    for series in family.series { stateLines(name, descriptor, series, values[series.first]) }
                }
            }
        }
    }

    /// The text and its length, which the caller frees; nil: there was no memory for it.
    consuming func finish() -> (text: UnsafeMutablePointer<CChar>, count: Int)? {
        if format == .openMetrics { buffer.append("# EOF\n") }
        return buffer.release()
    }

    // MARK: - Headers

    private mutating func writeHeader(_ descriptor: FamilyDescriptor, _ nameBytes: [UInt8]) {
        var suffix: StaticString = ""
        let type: StaticString
        switch (descriptor.type, format) {
        case (.counter, .text): (suffix, type) = ("_total", " counter\n")
        case (.counter, .openMetrics): type = " counter\n"
        case (.gauge, _), (.stateSet, .text): type = " gauge\n"
        // The label of a state set must have the family's name, and no label name has a colon.
        case (.stateSet, .openMetrics): type = descriptor.name.contains(":") ? " gauge\n" : " stateset\n"
        case (.histogram, _): type = " histogram\n"
        case (.summary, _): type = " summary\n"
        case (.info, .text): (suffix, type) = ("_info", " gauge\n")
        case (.info, .openMetrics): type = " info\n"
        }
        nameBytes.withUnsafeBytes { name in
            writeKeyword("# HELP ", name, suffix)
            buffer.append(" ")
            for byte in descriptor.help.utf8 {
                switch byte {
                case UInt8(ascii: "\\"): buffer.append("\\\\")
                case UInt8(ascii: "\n"): buffer.append("\\n")
                // 0.0.4 escapes it in label values only.
                case UInt8(ascii: "\"") where format == .openMetrics: buffer.append("\\\"")
                default: buffer.append(byte: byte)
                }
            }
            buffer.append("\n")
            writeKeyword("# TYPE ", name, suffix)
            buffer.append(type)
            if format == .openMetrics, !descriptor.unit.isEmpty {
                writeKeyword("# UNIT ", name, suffix)
                buffer.append(" ")
                for byte in descriptor.unit.utf8 { buffer.append(byte: byte) }
                buffer.append("\n")
            }
        }
    }

    private mutating func writeKeyword(_ keyword: StaticString, _ name: UnsafeRawBufferPointer, _ suffix: StaticString)
    {
        buffer.append(keyword)
        buffer.append(name)
        buffer.append(suffix)
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
        _ values: UnsafeBufferPointer<Double>, mayBeNegative: Bool
    ) {
        var count = 0.0
        for bucket in bounds.indices {
            count += values[series.first + bucket]
            bounds[bucket].withUnsafeBytes { line(name, "_bucket", series.text, with: $0, count) }
        }
        let sum = values[series.first + bounds.count]
        // OpenMetrics has either both or none.
        if !mayShow(sum: sum) || (format == .openMetrics && mayBeNegative) { return }
        line(name, "_count", series.text, count)
        line(name, "_sum", series.text, sum)
    }

    /// OpenMetrics takes a sum to be a counter: one that went down, or is no number, is left out.
    private func mayShow(sum: Double) -> Bool { format == .text || sum >= 0 }

    /// When a series was registered, in seconds since the epoch. What no series of the store stands for has no such time.
    private mutating func createdLine(_ name: UnsafeRawBufferPointer, _ series: SeriesSnapshot) {
        if writesCreated, series.created > 0 { line(name, "_created", series.text, Double(series.created) / 1e9) }
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
