// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Synchronization

/// A count and a sum, of one bucket in one lane or of several.
typealias CountAndSum = (count: UInt64, sum: Double)

/// Whether the value of a sound series can be read: its cells and its state are not damaged.
func hasValue(
    _ series: SeriesRecord, _ family: FamilyDescriptor, _ segment: UnsafeMutablePointer<Segment>
) -> Bool {
    let size = family.type.cellSize(boundCount: family.bounds.count)
    if size > 0 {
        guard let cell = series.cell, cell % 16 == 0, cell + size <= segment.pointee.cellsEnd,
            cell % StoreFormat.laneStride + size <= StoreFormat.laneStride
        else { return false }
    }
    switch family.type {
    case .stateSet: return series.isWide && SeriesCells.state(series).number < family.states.count
    case .gauge: return family.isDifference || series.isWide && family.gaugeMode != nil
    default: return true
    }
}

/// The words of a series that change.
struct SeriesCells {
    private let first: UnsafeMutableRawPointer
    let laneCount: Int
    private var laneMask: UInt32 { UInt32(laneCount - 1) }

    /// Of a series that has cells and `hasValue`.
    init(_ series: SeriesRecord, _ segment: UnsafeMutablePointer<Segment>) {
        first = segment.pointee.cell(series.cell ?? 0)
        laneCount = segment.pointee.geometry.laneCount
    }

    /// A counter in a lane.
    func counter(_ lane: Int) -> (whole: UInt64, fraction: Double) {
        let address = first + lane * StoreFormat.laneStride
        return (
            word(address).pointee.load(ordering: .relaxed),
            Double(bitPattern: word(address + 8).pointee.load(ordering: .relaxed))
        )
    }

    /// A counter over all lanes.
    var counterTotal: Double { FDMetrics.counterTotal(first, laneMask: laneMask) }

    /// A bucket of a histogram, or a summary, in a lane.
    func pair(_ lane: Int, bucket: Int = 0) -> CountAndSum {
        let pair = SharedPair(first + lane * StoreFormat.laneStride + bucket * 16).load()
        return (pair.first, Double(bitPattern: pair.second))
    }

    /// The same over all lanes.
    func total(bucket: Int = 0) -> CountAndSum { pairTotal(first + bucket * 16, laneMask: laneMask) }

    /// A histogram over all lanes and buckets.
    func total(boundCount: Int) -> CountAndSum { histogramTotal(first, laneMask: laneMask, boundCount: boundCount) }

    /// The state of a state set that is on, and when it was set, ns since the epoch.
    static func state(_ series: SeriesRecord) -> (number: Int, time: UInt64) {
        let pair = SharedPair(series.record + SeriesLayout.statePair).load()
        return (Int(clamping: pair.second), pair.first)
    }
}

extension SlotHolders {
    /// What a gauge's processes say, and the exposed value; nil in modes that have none, or one for each process.
    mutating func gauge(
        _ series: SeriesRecord, _ mode: GaugeMode, _ reader: StoreReader
    ) -> (value: Double?, instances: [GaugeContribution]) {
        let instances = gaugeContributions(series, mode: mode, in: reader)
        switch mode {
        case .all, .liveAll, .local: return (nil, instances)
        default: return (aggregate(instances, mode: mode, ownToken: 0) { isAlive($0) }, instances)
        }
    }
}
