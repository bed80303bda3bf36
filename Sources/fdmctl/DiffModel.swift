// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsInspection

/// How two scrapes differ, sample by sample.
struct DiffModel {
    struct Row {
        let sample: ExpositionSample
        /// nil: not in A.
        let old: Double?
        /// nil: not in B.
        let new: Double?

        /// NaN is equal to NaN here: both show the same.
        var isEqual: Bool {
            guard let old, let new else { return false }
            return old == new || old.isNaN && new.isNaN
        }
    }

    /// By series; a histogram's buckets by their bounds.
    let rows: [Row]

    var added: [Row] { rows.filter { $0.old == nil } }
    var removed: [Row] { rows.filter { $0.new == nil } }
    var changed: [Row] { rows.filter { $0.old != nil && $0.new != nil && !$0.isEqual } }
    var equal: [Row] { rows.filter(\.isEqual) }
    var isEqual: Bool { rows.allSatisfy(\.isEqual) }

    init(_ a: [ExpositionSample], _ b: [ExpositionSample], filter: SeriesFilter?) {
        var old: [String: Double] = [:]
        for sample in a { old[sample.text] = sample.value }
        let inB = Set(b.map(\.text))
        let both = b.map { Row(sample: $0, old: old[$0.text], new: $0.value) }
        let onlyA = a.filter { !inB.contains($0.text) }.map { Row(sample: $0, old: $0.value, new: nil) }
        rows = (both + onlyA).filter { filter?.accepts($0.sample.text) ?? true }
            .sorted { $0.sample.order < $1.sample.order }
    }

    /// A line for each series that differs (with `all` for each series), and one that counts them.
    func text(all: Bool) -> String {
        var lines = rows.filter { all || !$0.isEqual }.map(\.line)
        lines.append(
            "\(added.count) added, \(removed.count) removed, \(changed.count) changed, \(equal.count) equal")
        return lines.joined(separator: "\n") + "\n"
    }

    func json(a: String, b: String, all: Bool) -> JSONText {
        var members: [(String, JSONText)] = [
            ("a", .string(a)), ("b", .string(b)), ("equal_count", .integer(equal.count)),
            ("added", .array(added.map(\.json))), ("removed", .array(removed.map(\.json))),
            ("changed", .array(changed.map(\.json))),
        ]
        if all { members.append(("equal", .array(equal.map(\.json)))) }
        return .object(members)
    }
}

extension DiffModel.Row {
    fileprivate var line: String {
        let name = sanitized(sample.text)
        switch (old, new) {
        case (nil, let new?): return "+ \(name) \(numberText(new))"
        case (let old?, nil): return "- \(name) \(numberText(old))"
        case (let old?, let new?):
            if isEqual { return "  \(name) \(numberText(new))" }
            let difference = new - old
            let sign = difference > 0 ? "+" : ""
            return
                "! \(name) \(numberText(old)) -> \(numberText(new)) (\(difference == .infinity ? "" : sign)\(numberText(difference)))"
        case (nil, nil): return ""
        }
    }

    fileprivate var json: JSONText {
        var members: [(String, JSONText)] = [
            ("series", .string(sample.text)), ("name", .string(sample.name)),
            ("labels", .object(sample.labels.map { ($0.name, .string($0.value)) })),
        ]
        if let old { members.append(("old", .number(old))) }
        if let new { members.append(("new", .number(new))) }
        if let old, let new { members.append(("difference", .number(new - old))) }
        return .object(members)
    }
}
