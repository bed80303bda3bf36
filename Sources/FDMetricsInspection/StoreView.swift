// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
import FDMetricsStore

/// The part of a sample that a query asks for: which families and series, and in which order.
struct StoreView {
    /// A family that is shown.
    struct Family {
        let descriptor: FamilyDescriptor
        /// Series that the filter leaves, in the order that was asked for.
        var series: [StoreSnapshot.Series]
        /// How many series it has.
        let seriesCount: Int
        /// The values of all its series, added up; nil where a sum means nothing.
        let totals: [Double]?
        let flow: SeriesFlow.Family?
        /// How many of `series` are sent.
        var sentCount: Int
    }

    let sample: WatchedSample
    let epoch: UInt64
    /// How many families of each type the filter leaves, whatever type is asked for.
    private(set) var familyCounts: [MetricType: Int] = [:]
    /// How many families and series the filter and the type leave.
    private(set) var matchedFamilies = 0
    private(set) var matchedSeries = 0
    /// Those that are sent.
    private(set) var families: [Family] = []
    let processLimit: Int

    init(_ sample: WatchedSample, flow: SeriesFlow, epoch: UInt64, query: StoreQuery) {
        self.sample = sample
        self.epoch = epoch
        processLimit = query.processLimit
        var found: [(family: Family, key: Double)] = []
        for family in sample.snapshot.families {
            let flow = flow.families[family.descriptor.name]
            guard let view = Self.matching(family, flow, query) else { continue }
            familyCounts[view.descriptor.type, default: 0] += 1
            if let type = query.type, type != view.descriptor.type { continue }
            matchedFamilies += 1
            matchedSeries += view.series.count
            found.append((view, Self.key(view, query.order)))
        }
        if query.order != .name { found.sort { $0.key > $1.key } }
        if query.isReversed { found.reverse() }
        families = found.prefix(query.familyLimit).map(\.family)
        decideSeries(query)
    }

    /// A family with those of its series that the filter leaves; nil: there are none.
    private static func matching(
        _ family: StoreSnapshot.Family, _ flow: SeriesFlow.Family?, _ query: StoreQuery
    ) -> Family? {
        let descriptor = family.descriptor
        // A family's own name shows all of it, also while it has no series.
        let isNamed = query.accepts(descriptor.name)
        let indices = family.series.indices.filter { index in
            isNamed && query.excludedWords.isEmpty || query.accepts(descriptor.name + family.series[index].text)
        }
        if indices.isEmpty && !(isNamed && family.series.isEmpty) { return nil }
        return Family(
            descriptor: descriptor, series: ordered(family, indices, flow, query).map { family.series[$0] },
            seriesCount: family.series.count, totals: totals(family), flow: flow, sentCount: 0)
    }

    /// The indices of series, by labels, or the greatest first.
    private static func ordered(
        _ family: StoreSnapshot.Family, _ indices: [Int], _ flow: SeriesFlow.Family?, _ query: StoreQuery
    ) -> [Int] {
        let keys: [Double]
        switch query.order {
        case .name, .series:
            let texts = family.series.map(\.text)
            let sorted = indices.sorted { texts[$0] < texts[$1] }
            return query.isReversed && query.order == .name ? sorted.reversed() : sorted
        case .value: keys = family.series.map { value($0, family.descriptor) }
        case .rate: keys = flow.map(\.changes).flatMap { $0.count == family.series.count ? $0 : nil } ?? []
        }
        if keys.isEmpty { return indices }
        let sorted = indices.sorted { keys[$0] > keys[$1] }
        return query.isReversed ? sorted.reversed() : sorted
    }

    /// What a series is ordered by: a total, a gauge's value, the number of observations.
    private static func value(_ series: StoreSnapshot.Series, _ family: FamilyDescriptor) -> Double {
        let value =
            family.type == .histogram ? series.values.dropLast().reduce(0, +) : series.values.first ?? -.infinity
        return value.isNaN ? -.infinity : value
    }

    /// What a family is ordered by.
    private static func key(_ family: Family, _ order: StoreQuery.Order) -> Double {
        switch order {
        case .name: 0
        case .series: Double(family.series.count)
        case .value: family.series.map { value($0, family.descriptor) }.max() ?? -.infinity
        case .rate: family.flow?.change ?? -1
        }
    }

    private static func totals(_ family: StoreSnapshot.Family) -> [Double]? {
        guard let first = family.series.first else { return nil }
        switch family.descriptor.type {
        case .counter, .summary, .histogram: break
        case .gauge, .info, .stateSet: return nil
        }
        return family.series.dropFirst().reduce(into: first.values) { totals, series in
            for place in totals.indices { totals[place] += series.values[place] }
        }
    }

    /// Whose series are sent: those of families that were opened, or all if a filter leaves few; and a single one always,
    /// because it stands for its family.
    private mutating func decideSeries(_ query: StoreQuery) {
        let opened = Dictionary(
            query.opened.map { ($0.family, $0.series) }, uniquingKeysWith: { first, _ in first })
        let unfoldsAll = query.hasFilter && matchedSeries <= query.unfoldLimit
        var left = StoreQuery.greatestCount
        for index in families.indices {
            let count = families[index].series.count
            let wanted = count == 1 || unfoldsAll ? count : opened[families[index].descriptor.name] ?? 0
            families[index].sentCount = min(count, wanted, left)
            left -= families[index].sentCount
        }
    }
}

extension StoreSnapshot.Series {
    /// The labels with the worker's number.
    package var text: String {
        worker.map { LabelPairs.adding("worker", String($0), to: labels) } ?? labels
    }
}
