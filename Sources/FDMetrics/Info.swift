// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetricsStore

/// Text about the service, exposed as labels of a series with the value 1. Shared by all processes.
public struct Info: Sendable {
    package let family: Family

    package init(_ family: Family) { self.family = family }

    /// Shows these texts, in place of what was shown before for the same label values. Of several processes that do so at
    /// once one wins; there is one text at any time.
    /// - Parameters:
    ///   - texts: keys (label names that the family does not have) and what they say.
    ///   - labels: values of the family's labels.
    /// - Throws: `invalidName` for a key, `labels`, `seriesLimit`, `noSpace`, `system`, `damaged`.
    public func set(_ texts: [(String, String)], labels: [String] = []) throws(MetricError) {
        _ = StoreMoves.current(family.store, now: false)
        let descriptor = family.descriptor
        if labels.count != descriptor.labelNames.count {
            throw MetricError(
                .labels,
                "\(descriptor.name) has \(descriptor.labelNames.count) labels, \(labels.count) values were given")
        }
        var names = descriptor.labelNames
        for (key, _) in texts {
            try MetricDeclaration.checkLabelName(key, of: descriptor.name, type: .info)
            if names.contains(key) {
                throw MetricError(
                    .invalidName, "the key \"\(key)\" of \(descriptor.name) is a label or key already: name each once")
            }
            names.append(key)
        }
        let values = labels + texts.map { $0.1 }
        try family.store.setInfo(family, names: names, values: values, labelCount: labels.count)
    }
}
