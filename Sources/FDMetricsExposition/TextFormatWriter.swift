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
struct TextFormatWriter: FormatWriter, ~Copyable {
    private var buffer: TextBuffer
    private let format: ExpositionFormat
    private let options: RenderOptions
    /// Of the family that is being written; nil: its names are legacy.
    private var names: WrittenNames?
    /// Whether its name stands between the braces, in quotation marks.
    private var isNameQuoted = false

    init(capacity: Int, format: ExpositionFormat, options: RenderOptions) {
        buffer = TextBuffer(capacity: capacity)
        self.format = format
        self.options = options
    }

    private var labelsByPid: Bool { options.contains(.labelsByPid) }
    private var writesCreated: Bool { format == .openMetrics && options.contains(.created) }

    mutating func write(_ family: FamilySnapshot) {
        if family.plan.isLegacy { return write(family, family.plan.nameBytes) }
        guard let written = family.plan.names[Int(options.escaping.rawValue)] else { return }
        names = written
        isNameQuoted = written.isQuoted
        // The labels of all series one after the other, as this scheme has them.
        var texts: [UInt8] = []
        var ends: [Int] = []
        for series in family.series {
            texts += written.labels(series.text)
            ends.append(texts.count)
        }
        texts.withUnsafeBytes { texts in
            var shown = family
            for index in shown.series.indices {
                let start = index == 0 ? 0 : ends[index - 1]
                shown.series[index].text = UnsafeRawBufferPointer(rebasing: texts[start..<ends[index]])
            }
            write(shown, written.stem)
        }
        names = nil
        isNameQuoted = false
    }

    @_optimize(speed)
    private mutating func write(_ family: FamilySnapshot, _ nameBytes: [UInt8]) {
        let descriptor = family.plan.descriptor
        writeHeader(descriptor, nameBytes)
        nameBytes.withUnsafeBytes { name in
            family.values.withUnsafeBufferPointer { values in
                switch descriptor.type {
                case .counter:
                    for series in family.series {
                        counterLine(name, family, series, values[series.first])
                        createdLine(name, family, series)
                    }
                case .gauge:
                    let owner = OwnerLabel(family, byPid: labelsByPid)
                    for series in family.series { ownedLine(name, "", series, owner, values[series.first]) }
                case .summary:
                    for series in family.series {
                        line(name, "_count", series.text, values[series.first])
                        if mayShow(sum: values[series.first + 1]) {
                            line(name, "_sum", series.text, values[series.first + 1])
                        }
                        createdLine(name, family, series)
                    }
                case .histogram:
                    for series in family.series {
                        histogramLines(name, family.plan, series, values)
                        createdLine(name, family, series)
                    }
                case .info:
                    for series in family.series { line(name, "_info", series.text, 1) }
                case .stateSet:
                    for series in family.series { stateLines(name, descriptor, series, values[series.first]) }
                }
            }
        }
    }

    var count: Int { buffer.count }

    mutating func moveTail(after end: Int, to place: Int) { buffer.moveTail(after: end, to: place) }

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
        case (.counter, _): type = " counter\n"
        case (.gauge, _), (.stateSet, .text): type = " gauge\n"
        // The label of a state set must have the family's name, and no label name has a colon.
        case (.stateSet, _):
            let hasItsLabel = names?.isStateLabelTheName ?? !nameBytes.contains(UInt8(ascii: ":"))
            type = hasItsLabel ? " stateset\n" : " gauge\n"
        case (.histogram, _): type = " histogram\n"
        case (.summary, _): type = " summary\n"
        case (.info, .text): (suffix, type) = ("_info", " gauge\n")
        case (.info, _): type = " info\n"
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
            if format == .openMetrics, !descriptor.unit.isEmpty, mayShow(unit: descriptor.unit, nameBytes) {
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
        if isNameQuoted { buffer.append("\"") }
        buffer.append(name)
        buffer.append(suffix)
        if isNameQuoted { buffer.append("\"") }
    }

    /// OpenMetrics wants a unit to be the name's last word, which it may not be any more when that was escaped.
    private func mayShow(unit: String, _ name: [UInt8]) -> Bool {
        names == nil || name.suffix(unit.utf8.count + 1).elementsEqual("_\(unit)".utf8)
    }

    // MARK: - Lines

    /// name, suffix, labels, space, value, line feed.
    @_optimize(speed)
    private mutating func line(
        _ name: UnsafeRawBufferPointer, _ suffix: StaticString, _ labels: UnsafeRawBufferPointer, _ value: Double
    ) {
        if isNameQuoted { return quotedLine(name, suffix, labels, nil, value) }
        let room = name.count + suffix.utf8CodeUnitCount + labels.count + CanonicalNumber.maximumLength + 2
        guard buffer.ensure(room) else { return }
        buffer.appendUnchecked(name)
        buffer.appendUnchecked(suffix)
        buffer.appendUnchecked(labels)
        finishLine(value)
    }

    /// A line with one more label, given rendered: `le="0.005"`.
    /// - Parameter place: its offset in the series' labels.
    @_optimize(speed)
    private mutating func line(
        _ name: UnsafeRawBufferPointer, _ suffix: StaticString, _ labels: UnsafeRawBufferPointer,
        with label: UnsafeRawBufferPointer, at place: Int, _ value: Double
    ) {
        if isNameQuoted { return quotedLine(name, suffix, labels, (label, place), value) }
        let room =
            name.count + suffix.utf8CodeUnitCount + labels.count + label.count + CanonicalNumber.maximumLength + 5
        guard buffer.ensure(room) else { return }
        buffer.appendUnchecked(name)
        buffer.appendUnchecked(suffix)
        buffer.appendUnchecked(byte: UInt8(ascii: "{"))
        appendUnchecked(label, among: labels, at: place)
        buffer.appendUnchecked(byte: UInt8(ascii: "}"))
        finishLine(value)
    }

    /// The labels of a series with one more, without the braces.
    @inline(__always)
    private mutating func appendUnchecked(
        _ label: UnsafeRawBufferPointer, among labels: UnsafeRawBufferPointer, at place: Int
    ) {
        if place > 1 {
            // With the comma behind the pair, but for the last one, which has none.
            buffer.appendUnchecked(UnsafeRawBufferPointer(rebasing: labels[1..<place]))
            if place == labels.count &- 1 { buffer.appendUnchecked(byte: UInt8(ascii: ",")) }
        }
        buffer.appendUnchecked(label)
        if place &+ 1 < labels.count {
            buffer.appendUnchecked(byte: UInt8(ascii: ","))
            buffer.appendUnchecked(UnsafeRawBufferPointer(rebasing: labels[place..<(labels.count &- 1)]))
        }
    }

    /// A line whose name is within the braces: {"http.requests_total",method="GET"}.
    private mutating func quotedLine(
        _ name: UnsafeRawBufferPointer, _ suffix: StaticString, _ labels: UnsafeRawBufferPointer,
        _ label: (text: UnsafeRawBufferPointer, place: Int)?, _ value: Double
    ) {
        buffer.append("{\"")
        buffer.append(name)
        buffer.append(suffix)
        buffer.append("\"")
        if let label {
            buffer.append(",")
            guard buffer.ensure(labels.count + label.text.count + 2) else { return }
            appendUnchecked(label.text, among: labels, at: label.place)
        } else if labels.count > 2 {
            buffer.append(",")
            buffer.append(UnsafeRawBufferPointer(rebasing: labels[1..<(labels.count - 1)]))
        }
        buffer.append("}")
        if buffer.ensure(CanonicalNumber.maximumLength + 2) { finishLine(value) }
    }

    @inline(__always)
    private mutating func finishLine(_ value: Double) {
        buffer.appendUnchecked(byte: UInt8(ascii: " "))
        buffer.advance(by: CanonicalNumber.write(value, to: buffer.unusedBytes))
        buffer.appendUnchecked(byte: UInt8(ascii: "\n"))
    }

    @_optimize(speed)
    private mutating func histogramLines(
        _ name: UnsafeRawBufferPointer, _ plan: GatherPlan.FamilyPlan, _ series: SeriesSnapshot,
        _ values: UnsafeBufferPointer<Double>
    ) {
        let bounds = plan.boundTexts
        let mayBeNegative = (plan.descriptor.bounds.first ?? 0) < 0
        let place = plan.bucketLabelPlace.offset(in: series.text)
        var count = 0.0
        for bucket in bounds.indices {
            count += values[series.first + bucket]
            bounds[bucket].withUnsafeBytes { line(name, "_bucket", series.text, with: $0, at: place, count) }
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
    private mutating func createdLine(
        _ name: UnsafeRawBufferPointer, _ family: FamilySnapshot, _ series: SeriesSnapshot
    ) {
        guard writesCreated else { return }
        let created = family.created(series)
        if created > 0 { line(name, "_created", series.text, Double(created) / 1e9) }
    }

    /// A counter of the store belongs to no process; those of `ProcessMetrics` may.
    private mutating func counterLine(
        _ name: UnsafeRawBufferPointer, _ family: FamilySnapshot, _ series: SeriesSnapshot, _ value: Double
    ) {
        if series.worker < 0 { return line(name, "_total", series.text, value) }
        ownedLine(name, "_total", series, OwnerLabel(family, byPid: labelsByPid), value)
    }

    @_optimize(speed)
    private mutating func ownedLine(
        _ name: UnsafeRawBufferPointer, _ suffix: StaticString, _ series: SeriesSnapshot, _ owner: OwnerLabel?,
        _ value: Double
    ) {
        guard let owner, let number = owner.value(series) else { return line(name, suffix, series.text, value) }
        var label = "\(owner.name)=\"\(number)\""
        let place = owner.place.offset(in: series.text)
        label.withUTF8 { line(name, suffix, series.text, with: UnsafeRawBufferPointer($0), at: place, value) }
    }

    private mutating func stateLines(
        _ name: UnsafeRawBufferPointer, _ descriptor: FamilyDescriptor, _ series: SeriesSnapshot, _ current: Double
    ) {
        // The family's own name is the label, the state its value.
        let labelName = names.map { String(decoding: $0.stateLabel, as: UTF8.self) } ?? descriptor.stateLabel
        let place = LabelPlace(of: descriptor.stateLabel, among: descriptor.labelNames).offset(in: series.text)
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
                line(
                    name, "", series.text, with: UnsafeRawBufferPointer($0), at: place,
                    Double(index) == current ? 1 : 0)
            }
        }
    }
}
