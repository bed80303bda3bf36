// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore

/// How the names of a family that are not legacy are written under one escaping scheme. A legacy family has none of these:
/// what is kept of it is written as it is.
struct WrittenNames {
    /// The family's name, without the suffix of a sample. Of a counter and an info it is chosen so that the name with the
    /// suffix is the escaped one, as in client_golang, whose families have the suffix in their name.
    let stem: [UInt8]
    /// Whether the stem is written within quotation marks, suffix and all: `{"http.requests_total"}`. Nothing in it needs
    /// a further escape then.
    let isQuoted: Bool
    /// The labels of the family's declaration in the order in which a series' text has them, quoted where the scheme has it so.
    let labels: [[UInt8]]
    /// The label of a state set's states.
    let stateLabel: [UInt8]
    /// Whether that is the family's name, as OpenMetrics wants it.
    let isStateLabelTheName: Bool

    private let scheme: NameEscaping
    /// Names that no label may get by being escaped, as a sample may have such a label besides.
    private let reserved: Set<String>
    /// Only an info has labels that its declaration does not name.
    private let hasOwnLabels: Bool

    init(_ family: FamilyDescriptor, _ scheme: NameEscaping, stem: String) {
        self.scheme = scheme
        hasOwnLabels = family.type == .info
        isQuoted = scheme == .allowUTF8 && !NameEscaping.isLegacy(metric: family.name)
        self.stem = isQuoted ? Self.quoted(stem) : Array(stem.utf8)
        if isQuoted {
            stateLabel = [UInt8(ascii: "\"")] + self.stem + [UInt8(ascii: "\"")]
        } else {
            let label = String(stem.map { $0 == ":" ? "_" : $0 })
            stateLabel = Array(
                Self.unused(label, NameEscaping.values.escaped(label: family.name)) {
                    !family.labelNames.contains($0)
                }.utf8)
        }
        isStateLabelTheName = isQuoted || stateLabel == self.stem
        // The last is what Prometheus would take for the metric's name.
        reserved = [
            family.ownerLabel(byPid: false), family.ownerLabel(byPid: true),
            String(decoding: stateLabel, as: UTF8.self), "__name__",
        ]
        let places = LabelOrder.places(of: family.labelNames)
        labels = Self.labels(places.map { family.labelNames[$0] }, scheme, reserved)
    }

    /// The text of a series' labels, `{"a.b"="x"}`, with the names that this scheme has for them.
    func labels(_ text: UnsafeRawBufferPointer) -> [UInt8] {
        if scheme == .allowUTF8 || text.isEmpty { return Array(text) }
        let pairs = LabelPairs(text)
        let names = hasOwnLabels ? Self.labels(pairs.map { $0.name }, scheme, reserved) : labels
        var written: [UInt8] = [UInt8(ascii: "{")]
        for (name, pair) in zip(names, pairs) {
            if written.count > 1 { written.append(UInt8(ascii: ",")) }
            written += name
            written.append(UInt8(ascii: "="))
            written += pair.quotedValue
        }
        written.append(UInt8(ascii: "}"))
        return written
    }

    /// A text with what has to be escaped between quotation marks.
    private static func quoted(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            default: bytes.append(byte)
            }
        }
        return bytes
    }

    /// The names of a series' labels, no two of them the same; see `unused`.
    private static func labels(
        _ names: [String], _ scheme: NameEscaping, _ reserved: Set<String>
    ) -> [[UInt8]] {
        if scheme == .allowUTF8 {
            return names.map {
                NameEscaping.isLegacy(label: $0)
                    ? Array($0.utf8) : [UInt8(ascii: "\"")] + quoted($0) + [UInt8(ascii: "\"")]
            }
        }
        var used = reserved
        for name in names where NameEscaping.isLegacy(label: name) { used.insert(name) }
        return names.map { name in
            if NameEscaping.isLegacy(label: name) { return Array(name.utf8) }
            let written = unused(scheme.escaped(label: name), NameEscaping.values.escaped(label: name)) {
                !used.contains($0)
            }
            used.insert(written)
            return Array(written.utf8)
        }
    }

    /// The first of some names for a thing that nothing else has: the scheme's, then that of `values`, which tells any two
    /// names apart, then that with underscores behind it.
    fileprivate static func unused(_ name: String, _ unambiguous: String, _ isFree: (String) -> Bool) -> String {
        if isFree(name) { return name }
        var candidate = unambiguous
        while !isFree(candidate) { candidate += "_" }
        return candidate
    }
}

extension GatherPlan {
    /// Decides how the families that are not legacy are written, under each scheme.
    ///
    /// Two names may escape to the same one (`http.requests` and `http_requests`), and no format may have a family twice. The
    /// legacy one keeps its name always; of the others the first in the order of names has the short one, and the next is
    /// written as under `values`. So nothing is left out, added up with something else, or shown twice.
    static func assignNames(_ families: [FamilyPlan]) {
        for scheme in NameEscaping.allCases {
            var used: Set<String> = []
            for family in families where family.isLegacy { used.formUnion(exposed(family.descriptor)) }
            for family in families where !family.isLegacy {
                let descriptor = family.descriptor
                var stem = descriptor.name
                if scheme != .allowUTF8, !NameEscaping.isLegacy(metric: stem) {
                    stem = WrittenNames.unused(
                        Self.stem(descriptor, scheme), Self.stem(descriptor, .values),
                        { used.isDisjoint(with: exposed(descriptor, as: $0)) })
                }
                used.formUnion(exposed(descriptor, as: stem))
                family.names[Int(scheme.rawValue)] = WrittenNames(descriptor, scheme, stem: stem)
            }
        }
    }

    private static func stem(_ family: FamilyDescriptor, _ scheme: NameEscaping) -> String {
        let suffix = family.type == .counter ? "_total" : family.type == .info ? "_info" : ""
        return String(
            decoding: scheme.escaped(metric: family.name + suffix).utf8.dropLast(suffix.utf8.count), as: UTF8.self)
    }

    /// The names that a family has in an exposition.
    private static func exposed(_ family: FamilyDescriptor, as stem: String? = nil) -> [String] {
        var shown = family
        if let stem { shown.name = stem }
        return shown.sampleNames + [shown.name]
    }
}
