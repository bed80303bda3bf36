// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
import FDMetricsStore

/// What has flowed into each family since the watch began: counted up from sample to sample, series by series, so that a
/// series that is removed takes nothing away, and one that is made again counts from 0.
///
/// A sum over the series of a moment would fall when one is removed, and whoever compares two such sums would see a rate
/// that never was.
struct SeriesFlow {
    struct Family {
        /// In the order of `StoreSnapshot.Series.values`.
        fileprivate(set) var totals: [Double]
        /// Counts that came since the sample before, for each series of the latest one; empty at first.
        fileprivate(set) var changes: [Double] = []

        /// Counts that came since the sample before.
        var change: Double { changes.reduce(0, +) }
    }

    /// By name. Types that count nothing have none.
    private(set) var families: [String: Family] = [:]
    private var before: [String: [StoreSnapshot.Series]]?

    /// Counts what came since the last snapshot. What was there at the first one has not flowed.
    mutating func take(_ snapshot: StoreSnapshot) {
        var shown: [String: [StoreSnapshot.Series]] = [:]
        for family in snapshot.families {
            let descriptor = family.descriptor
            guard let countWidth = Self.countWidth(descriptor), let width = family.series.first?.values.count else {
                continue
            }
            shown[descriptor.name] = family.series
            var flow = families[descriptor.name] ?? Family(totals: Array(repeating: 0, count: width))
            flow.changes = []
            if let before {
                Self.add(family.series, since: before[descriptor.name] ?? [], countWidth, to: &flow)
            }
            families[descriptor.name] = flow
        }
        before = shown
    }

    /// How many of a series' values are counts; the others are sums. nil: the type counts nothing.
    private static func countWidth(_ family: FamilyDescriptor) -> Int? {
        switch family.type {
        case .counter, .summary: 1
        case .histogram: family.bounds.count + 1
        case .gauge, .info, .stateSet: nil
        }
    }

    private static func add(
        _ now: [StoreSnapshot.Series], since before: [StoreSnapshot.Series], _ countWidth: Int, to flow: inout Family
    ) {
        flow.changes.reserveCapacity(now.count)
        // Series keep their order: most often the next one of the earlier sample is the one that is looked for.
        var next = 0
        var byLabels: [String: Int]?
        for series in now {
            var old: [Double]?
            if next < before.count, before[next].labels == series.labels {
                old = before[next].values
                next += 1
            } else {
                let index =
                    byLabels
                    ?? Dictionary(
                        before.indices.map { (before[$0].labels, $0) }, uniquingKeysWith: { first, _ in first })
                byLabels = index
                if let found = index[series.labels] {
                    old = before[found].values
                    next = found + 1
                }
            }
            // A count that fell is of a series that was removed and made again.
            if let known = old, (0..<countWidth).contains(where: { series.values[$0] < known[$0] }) { old = nil }
            var change = 0.0
            for place in series.values.indices {
                let difference = series.values[place] - (old?[place] ?? 0)
                // Of a total that is infinite, or no number, nothing can be told.
                guard difference.isFinite else { continue }
                flow.totals[place] += difference
                if place < countWidth { change += difference }
            }
            flow.changes.append(change)
        }
    }
}
