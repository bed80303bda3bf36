// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
import FDMetricsInspection
import FDMetricsStore

/// What `fdmctl top` shows of the series: two snapshots turned into rows. Knows nothing of terminals or clocks.
struct TopModel {
    struct Row {
        let type: MetricType
        /// The family's name.
        let name: String
        /// {a="x",worker="0"}, or empty.
        let labels: String
        let unit: HumanNumber.Unit
        /// A counter's total, a gauge's value, how many observations; nil: a state.
        let value: Double?
        /// The state that is on.
        let state: String?
        /// Of counters and observations, in a second; nil: there is no earlier snapshot, or the type has none.
        let rate: Double?
        /// 0.5, 0.9, 0.99 of a histogram: of what was observed since the earlier snapshot, or if that is nothing, of all.
        let quantiles: [Double?]
        /// Of a summary, in the same way.
        let mean: Double?

        var text: String { name + labels }
    }

    static let quantiles = [0.5, 0.9, 0.99]

    /// By name and labels.
    let rows: [Row]
    /// Seconds between the two snapshots.
    let interval: Double?

    init(_ now: StoreSnapshot, since before: StoreSnapshot?) {
        let interval = before.map { Double(now.time &- $0.time) / 1e9 }.flatMap { $0 > 0 ? $0 : nil }
        self.interval = interval
        let known = before.map { before in
            Dictionary(before.families.map { ($0.descriptor.name, $0) }, uniquingKeysWith: { first, _ in first })
        }
        rows = now.families.flatMap { family in
            let old = known?[family.descriptor.name].map { family in
                Dictionary(family.series.map { ($0.text, $0.values) }, uniquingKeysWith: { first, _ in first })
            }
            return family.series.map { series in
                Row(family.descriptor, series, old: old?[series.text], interval: interval)
            }.sorted { $0.labels < $1.labels }
        }
    }
}

extension TopModel.Row {
    /// - Parameter old: the series' numbers in the earlier snapshot; nil: it is new since, so it began at 0.
    fileprivate init(
        _ family: FamilyDescriptor, _ series: StoreSnapshot.Series, old: [Double]?, interval: Double?
    ) {
        type = family.type
        name = family.name
        labels = series.text
        unit = HumanNumber.Unit(family)
        let values = series.values
        // What came since. A number that fell is of a series that was removed and made again.
        func gained(_ now: Double, _ before: Double?) -> Double { now < (before ?? 0) ? now : now - (before ?? 0) }
        let changes = values.indices.map { index in
            gained(values[index], old.flatMap { $0.indices.contains(index) ? $0[index] : nil })
        }
        func perSecond(_ count: Double) -> Double? { interval.map { count / $0 } }
        switch family.type {
        case .counter:
            (value, state, rate, quantiles, mean) = (values[0], nil, perSecond(changes[0]), [], nil)
        case .gauge, .info:
            (value, state, rate, quantiles, mean) = (values[0], nil, nil, [], nil)
        case .stateSet:
            // A damaged word may be any number.
            let index = Int(exactly: values[0]).flatMap { family.states.indices.contains($0) ? $0 : nil }
            let name = index.map { family.states[$0] } ?? "?"
            (value, state, rate, quantiles, mean) = (nil, name, nil, [], nil)
        case .summary:
            let isBusy = interval != nil && changes[0] > 0
            let (count, sum) =
                isBusy ? (changes[0], values[1] - (old.map { $0[1] } ?? 0)) : (values[0], values[1])
            (value, state, rate, quantiles) = (values[0], nil, perSecond(changes[0]), [])
            mean = count > 0 ? sum / count : nil
        case .histogram:
            let all = values.dropLast(), new = changes.dropLast()
            let count = new.reduce(0, +)
            let shown = interval != nil && count > 0 ? new : all
            (value, state, rate, mean) = (all.reduce(0, +), nil, perSecond(count), nil)
            quantiles = TopModel.quantiles.map { histogramQuantile($0, counts: shown, bounds: family.bounds) }
        }
    }
}
