// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetricsStore

/// A family with labels: one instrument for each set of label values. Thread-safe.
public struct MetricFamily<Member: Instrument>: Sendable {
    package let family: Family

    package init(_ family: Family) { self.family = family }

    /// The instrument with these label values, in the order of the family's label names; made at the first call of any
    /// process. Keep it where you can: a look-up hashes and compares the values.
    /// - Throws: `labels` for a wrong number of values, `seriesLimit`, `noSpace`, `system`, `damaged`.
    public func labels(_ values: String...) throws(MetricError) -> Member { try labels(values) }

    /// The instrument with these label values.
    public func labels(_ values: [String]) throws(MetricError) -> Member {
        let core = family.core
        let handle = try withLabelValues(values) { key, count throws(StoreError) in
            if count == core.pointee.labelCount, let known = core.find(hash: core.hash(key, count), key, count) {
                return known
            }
            _ = StoreMoves.current(family.store, now: false)
            return try family.store.series(family, key, count)
        }
        return Member(handle: SeriesAddress(handle))
    }

    /// The instrument with these label values; where it cannot be made, one that records nothing (which is counted).
    public subscript(_ values: String...) -> Member {
        (try? labels(values)) ?? Member(handle: SeriesAddress(InertHandle.of(Member.type)))
    }

    /// Removes the series with these label values, for all processes. Instruments of it record into nothing afterwards.
    public func remove(_ values: String...) throws(MetricError) { try family.store.remove(family, values: values) }

    /// Removes all series of the family, for all processes.
    public func clear() throws(MetricError) { try family.store.remove(family) { _ in true } }
}
