// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
package import FDMetricsStore

/// The numbers of a store at one moment, as values that outlive its mapping: for tools that compare two moments.
package struct StoreSnapshot: Sendable {
    /// A family and what a scrape would show of it.
    package struct Family: Sendable {
        package let descriptor: FamilyDescriptor
        package let series: [Series]

        package init(_ descriptor: FamilyDescriptor, _ series: [Series]) {
            self.descriptor = descriptor
            self.series = series
        }
    }

    /// A series, summed over lanes and segments; of a gauge for each process one for each of them.
    package struct Series: Sendable {
        /// {a="x",b="y"}, escaped as the text formats have it; empty without labels.
        package let labels: String
        /// Of gauges of mode `all` and `liveAll`: the number in the label `worker`; nil where all values are of one process.
        package let worker: Int?
        /// In the order of `FamilySnapshot.values`.
        package let values: [Double]
        /// When it was registered, ns since the epoch; 0: not known.
        package let created: UInt64

        package init(labels: String, worker: Int? = nil, values: [Double], created: UInt64 = 0) {
            self.labels = labels
            self.worker = worker
            self.values = values
            self.created = created
        }
    }

    /// When it was taken, ns of the monotonic clock.
    package let time: UInt64
    /// By name.
    package let families: [Family]

    package init(time: UInt64, families: [Family]) {
        self.time = time
        self.families = families
    }
}

/// Takes snapshots of a store, of live or dead processes, with read access alone. What a scrape learns of the store is kept
/// from one snapshot to the next. Not thread-safe.
package final class StoreSampler {
    /// The store.
    package let source: any SegmentSource
    private let plan: GatherPlan

    /// Of a store that somebody has opened.
    package init(_ source: any SegmentSource) {
        self.source = source
        plan = GatherPlan(source)
    }

    /// Opens the store, mapped read-only.
    /// - Throws: `notFound`, `foreign`, `damaged`, `system`.
    package convenience init(directory: String) throws(StoreError) {
        self.init(try StoreReader(directory: directory))
    }

    /// The numbers of now.
    /// - Throws: `damaged`, `foreign`, `system`, of segment 0.
    package func sample() throws(StoreError) -> StoreSnapshot {
        let gatherer = try Gatherer(plan, source)
        return StoreSnapshot(
            try plan.families.map { family throws(StoreError) in try gatherer.snapshot(of: family) })
    }
}

extension DirectoryRenderer {
    /// The numbers of the store that is there now, with what the options add to them.
    /// - Throws: `notFound` without a store; `foreign`, `damaged`, `system`. The next call tries again.
    package func snapshot(options: RenderOptions = []) throws(StoreError) -> StoreSnapshot {
        StoreSnapshot(try currentScraper().families(options))
    }
}

extension StoreSnapshot {
    /// Copies what was gathered now.
    fileprivate init(_ families: [FamilySnapshot]) {
        self.init(
            time: CFDMetricsLinux_monotonic_time(),
            families: families.map { family in
                let descriptor = family.plan.descriptor
                let count = Self.valueCount(descriptor)
                return Family(
                    descriptor,
                    family.series.map { series in
                        Series(
                            labels: String(decoding: series.text, as: UTF8.self),
                            worker: series.worker < 0 || family.hasOneOwner ? nil : series.worker,
                            values: Array(family.values[series.first..<(series.first + count)]),
                            created: family.created(series))
                    })
            })
    }

    /// How many numbers a series has; see `FamilySnapshot.values`.
    static func valueCount(_ family: FamilyDescriptor) -> Int {
        switch family.type {
        case .counter, .gauge, .info, .stateSet: 1
        case .summary: 2
        case .histogram: family.bounds.count + 2
        }
    }
}

extension UInt64 {
    /// A snapshot's count as a whole number. Cells of a damaged store may add up to more than there is room for.
    package init(count: Double) { self = count < 0x1p64 ? UInt64(Swift.max(0, count)) : .max }
}
