// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetricsStore
import Synchronization

/// One of several states is on, for all processes together; the first state before anybody says otherwise.
public struct StateSet: Sendable {
    package let family: Family

    package init(_ family: Family) { self.family = family }

    /// Turns a state on and all others off.
    /// - Throws: `invalidArgument` for a state that was not declared, `labels`, `seriesLimit`, `noSpace`, `system`, `damaged`.
    public func set(_ state: String, labels: [String] = []) throws(MetricError) {
        _ = StoreMoves.current(family.store, now: false)
        let descriptor = family.descriptor
        guard let index = descriptor.states.firstIndex(of: state) else {
            throw MetricError(
                .invalidArgument, "\"\(state)\" is not a state of \(descriptor.name): use one of \(descriptor.states)")
        }
        let handle = try withLabelValues(labels) { key, count throws(StoreError) in
            try family.store.series(family, key, count)
        }
        guard let record = handle.filledRecord else { return }
        let pair = SharedPair(record + SeriesLayout.statePair)
        // The time decides between two segments that have the same series.
        let new = WordPair(first: UInt(realTime()), second: UInt(index))
        var old = pair.guess()
        while true {
            let result = pair.exchange(expected: old, desired: new)
            if result.exchanged { return }
            old = result.original
        }
    }

    /// Makes the series, with its first state on.
    package func register(labels: [String]) throws(MetricError) {
        _ = try withLabelValues(labels) { key, count throws(StoreError) in try family.store.series(family, key, count) }
    }
}
