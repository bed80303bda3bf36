// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import FDMetricsStore

// The rules of Prometheus for names, from its data model and text format
// (https://prometheus.io/docs/concepts/data_model/), and of prometheus_client for suffixes. A program that asks for it may
// use any UTF-8 in names, as Prometheus 3 does; see `UTF8Names`.

/// Checks a family's declaration and brings it into the form that the store keeps.
@usableFromInline
package enum MetricDeclaration {
    /// prometheus_client's default bounds, meant for seconds of a request.
    package static let defaultBounds: [Double] = [
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ]
    @inlinable package static var maxLabels: Int { 64 }
    package static let maxBounds = 1000
    package static let maxStates = 1000

    /// The descriptor of a valid declaration: the name without "_total" or "_info" and with its unit, bounds without +Inf.
    package static func check(
        type: MetricType, name: String, help: String, unit: String, labelNames: [String], bounds: [Double] = [],
        gaugeMode: GaugeMode? = nil, states: [String] = []
    ) throws(MetricError) -> FamilyDescriptor {
        try checkMetricName(name)
        for label in labelNames { try checkLabelName(label, of: name, type: type) }
        if labelNames.count > maxLabels {
            throw MetricError(.invalidArgument, "\(name) has \(labelNames.count) labels: use at most \(maxLabels)")
        }
        if Set(labelNames).count != labelNames.count {
            throw MetricError(
                .invalidName, "\(name) has a label twice in (\(labelNames.joined(separator: ", "))): name each once")
        }
        if type == .stateSet, labelNames.contains(String(name.map { $0 == ":" ? "_" : $0 })) {
            throw MetricError(
                .invalidName, "\(name): a state set's own name is the label of its states; use another label name")
        }
        var family = name
        let suffix = type == .counter ? "_total" : type == .info ? "_info" : ""
        if !suffix.isEmpty, family.ends(in: suffix), family.utf8.count > suffix.utf8.count {
            family = String(decoding: family.utf8.dropLast(suffix.utf8.count), as: UTF8.self)
        }
        if !unit.isEmpty {
            if type == .info || type == .stateSet {
                throw MetricError(
                    .invalidName, "\(name) is a \(type.name) and cannot have a unit (\"\(unit)\"): leave it out")
            }
            // No format has a way to escape or to quote a unit.
            if !isLegacy("_" + unit, allowsColon: true) {
                throw MetricError(
                    .invalidName, "the unit \"\(unit)\" of \(name) is no word: use letters, digits, _ and :")
            }
            if !family.ends(in: "_" + unit) { family += "_" + unit }
        }
        return FamilyDescriptor(
            type: type, name: family, help: help, unit: unit, labelNames: labelNames,
            bounds: type == .histogram ? try checkBounds(bounds, of: name) : [],
            gaugeMode: gaugeMode, states: type == .stateSet ? try checkStates(states, of: name) : [])
    }

    /// What somebody who wants another name can do.
    private static let wayOut =
        " (or allow UTF-8 names: FDMETRICS_UTF8_NAMES=1 in the environment, or the call for it, before it is registered)"

    private static func checkMetricName(_ name: String) throws(MetricError) {
        if isLegacy(name, allowsColon: true) { return }
        if UTF8Names.areAllowed { return try checkUTF8(name, "\"\(name)\" is not a metric name") }
        throw MetricError(
            .invalidName,
            "\"\(name)\" is not a metric name: use letters, digits, _ and :, and do not begin with a digit" + wayOut)
    }

    /// Refuses the few names that are not valid even where any UTF-8 is.
    private static func checkUTF8(_ name: String, _ complaint: String) throws(MetricError) {
        if name.isEmpty { throw MetricError(.invalidName, complaint + ": it is empty") }
        // A C string ends at a zero; what was no UTF-8 has become U+FFFD on its way here.
        if name.unicodeScalars.contains(where: { $0 == "\0" || $0 == "\u{FFFD}" }) {
            throw MetricError(.invalidName, complaint + ": use valid UTF-8 without U+0000 and U+FFFD")
        }
    }

    /// Checks a label name; the ones that a type's own samples use are refused.
    package static func checkLabelName(_ label: String, of name: String, type: MetricType) throws(MetricError) {
        if !isLegacy(label, allowsColon: false) {
            let complaint = "\"\(label)\" of \(name) is not a label name"
            guard UTF8Names.areAllowed else {
                throw MetricError(
                    .invalidName, complaint + ": use letters, digits and _, and do not begin with a digit" + wayOut)
            }
            try checkUTF8(label, complaint)
        }
        if label.hasPrefix("__") {
            throw MetricError(
                .invalidName, "\"\(label)\" of \(name): label names that begin with __ are Prometheus's own")
        }
        let reserved = type == .histogram ? "le" : type == .summary ? "quantile" : nil
        if label == reserved {
            throw MetricError(
                .invalidName, "\"\(label)\" of \(name) is the label of a \(type.name)'s own samples: use another name")
        }
    }

    private static func isLegacy(_ name: String, allowsColon: Bool) -> Bool {
        for (index, byte) in name.utf8.enumerated() {
            if !isLetter(byte), !(index > 0 && isDigit(byte)), !(allowsColon && byte == UInt8(ascii: ":")) {
                return false
            }
        }
        return !name.isEmpty
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")) || byte == UInt8(ascii: "_")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private static func checkBounds(_ given: [Double], of name: String) throws(MetricError) -> [Double] {
        var bounds = given.isEmpty ? defaultBounds : given
        if bounds.last == .infinity { bounds.removeLast() }
        if bounds.isEmpty {
            throw MetricError(
                .invalidArgument, "\(name) has no bucket bound below +Inf: give at least one, or use a summary")
        }
        if bounds.count > maxBounds {
            throw MetricError(.invalidArgument, "\(name) has \(bounds.count) bucket bounds: use at most \(maxBounds)")
        }
        for (index, bound) in bounds.enumerated() {
            // The first may be -Inf, as in prometheus_client: its bucket has what is nothing else.
            let isNumber = bound.isFinite || (index == 0 && bound == -.infinity)
            if !isNumber || (index > 0 && bounds[index - 1] >= bound) {
                throw MetricError(
                    .invalidArgument,
                    "the bucket bounds of \(name) are not strictly ascending numbers at \(bound): sort them")
            }
        }
        return bounds
    }

    private static func checkStates(_ states: [String], of name: String) throws(MetricError) -> [String] {
        if states.isEmpty || states.count > maxStates || Set(states).count != states.count {
            throw MetricError(
                .invalidArgument, "\(name) has the states \(states): give 1 to \(maxStates) different ones")
        }
        return states
    }
}

extension String {
    /// Whether these are the last bytes: `hasSuffix` compares characters, which may begin before the suffix does.
    fileprivate func ends(in suffix: String) -> Bool { utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }
}

extension FamilyDescriptor {
    /// The names that the family's samples have in the text format.
    package var sampleNames: [String] {
        switch type {
        case .counter: [name + "_total"]
        case .gauge, .stateSet: [name]
        case .histogram: [name, name + "_bucket", name + "_sum", name + "_count"]
        case .summary: [name, name + "_sum", name + "_count"]
        case .info: [name + "_info"]
        }
    }
}
