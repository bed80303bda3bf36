// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetrics
package import FDMetricsExposition
import FDMetricsStore

/// What there is to push at one moment.
package struct PushReading: Sendable {
    /// The store's numbers.
    package var snapshot: StoreSnapshot
    /// When they were read, ns since the epoch; later than that of the reading before.
    package var time: UInt64
    /// When the store was made, ns since the epoch; 0: not known.
    package var storeCreated: UInt64

    package init(snapshot: StoreSnapshot, time: UInt64, storeCreated: UInt64) {
        self.snapshot = snapshot
        self.time = time
        self.storeCreated = storeCreated
    }
}

/// Finds the series that were in one reading and are not in the next: who is told a series' values has to be told its end
/// too, or goes on showing the last one for minutes.
struct SeriesDepartures: Sendable {
    /// What makes a series of a family another one.
    private struct Key: Hashable {
        let labels: String
        let worker: Int?
    }

    private struct Known {
        let descriptor: FamilyDescriptor
        var series: Set<Key>
    }

    private var known: [String: Known] = [:]

    /// The series that are gone since the reading before, with values that mean nothing.
    mutating func next(_ families: [StoreSnapshot.Family]) -> [StoreSnapshot.Family] {
        var gone: [StoreSnapshot.Family] = []
        var current: [String: Known] = [:]
        current.reserveCapacity(families.count)
        for family in families {
            let name = family.descriptor.name
            let series = Set(family.series.map { Key(labels: $0.labels, worker: $0.worker) })
            current[name] = Known(descriptor: family.descriptor, series: series)
            guard let before = known.removeValue(forKey: name) else { continue }
            // Another store's family of the same name may have other samples.
            let isSame = before.descriptor.conflict(with: family.descriptor) == nil
            append(isSame ? before.series.subtracting(series) : before.series, before.descriptor, to: &gone)
        }
        for (_, before) in known { append(before.series, before.descriptor, to: &gone) }
        known = current
        return gone.sorted { $0.descriptor.name < $1.descriptor.name }
    }

    private func append(_ keys: Set<Key>, _ descriptor: FamilyDescriptor, to gone: inout [StoreSnapshot.Family]) {
        if keys.isEmpty { return }
        let count = descriptor.type == .histogram ? descriptor.bounds.count + 2 : 2
        gone.append(
            StoreSnapshot.Family(
                descriptor,
                keys.map {
                    StoreSnapshot.Series(
                        labels: $0.labels, worker: $0.worker, values: Array(repeating: 0, count: count))
                }))
    }
}
#endif
