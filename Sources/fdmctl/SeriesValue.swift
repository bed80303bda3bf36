// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsInspection
import FDMetricsStore
import Synchronization

/// The value of a series, lane by lane or instance by instance.
enum SeriesValue {
    struct Pair {
        let count: UInt64
        let sum: Double
    }

    struct Instance {
        let owner: LeaseToken
        let isAlive: Bool
        let pid: UInt64
        /// nil: not set yet.
        let value: Double?
        /// When it was set, ns since the epoch; 0 in modes that do not keep it.
        let time: UInt64
        /// What dead holders of the slot left.
        let carried: Double?
        let carriedTime: UInt64
    }

    case counter(lanes: [(whole: UInt64, fraction: Double)])
    /// The pairs of each bucket, not cumulative: `buckets[bucket][lane]`. The last bucket is that of +Inf.
    case histogram(buckets: [[Pair]])
    case summary(lanes: [Pair])
    /// The value is the exposed one; nil in modes that have none, or one for each process.
    case gauge(value: Double?, instances: [Instance])
    /// A gauge that is what one counter has more than another, with the same labels; their names.
    case difference(of: String, and: String)
    case info
    case stateSet(state: String, time: UInt64)

    /// Reads the value of a sound series. nil: its cells or its state are damaged.
    init?(
        _ series: SeriesRecord, of family: FamilyDescriptor, in segment: UnsafeMutablePointer<Segment>,
        reader: StoreReader, liveness: inout Liveness
    ) {
        let size = family.type.cellSize(boundCount: family.bounds.count)
        var lanes: [UnsafeMutableRawPointer] = []
        if size > 0 {
            guard let cell = series.cell, cell % 16 == 0, cell + size <= segment.pointee.cellsEnd,
                cell % StoreFormat.laneStride + size <= StoreFormat.laneStride
            else { return nil }
            lanes = (0..<segment.pointee.geometry.laneCount).map {
                segment.pointee.cell(cell) + $0 * StoreFormat.laneStride
            }
        }
        switch family.type {
        case .counter:
            self = .counter(
                lanes: lanes.map {
                    (
                        word($0).pointee.load(ordering: .relaxed),
                        Double(bitPattern: word($0 + 8).pointee.load(ordering: .relaxed))
                    )
                })
        case .histogram:
            self = .histogram(buckets: (0...family.bounds.count).map { bucket in lanes.map { Pair($0 + bucket * 16) } })
        case .summary:
            self = .summary(lanes: lanes.map { Pair($0) })
        case .info:
            self = .info
        case .stateSet:
            guard Self.isWide(series) else { return nil }
            let pair = SharedPair(series.record + SeriesLayout.statePair).load()
            guard pair.second < UInt64(family.states.count) else { return nil }
            self = .stateSet(state: family.states[Int(pair.second)], time: pair.first)
        case .gauge where family.isDifference:
            self = .difference(of: family.states[0], and: family.states[1])
        case .gauge:
            guard Self.isWide(series), let mode = family.gaugeMode else { return nil }
            self = .gauge(mode: mode, gaugeContributions(series, mode: mode, in: reader), liveness: &liveness)
        }
    }

    /// Whether the record has the line of words that change.
    private static func isWide(_ series: SeriesRecord) -> Bool {
        let offset = (series.record + SeriesLayout.tableOffset).load(as: UInt32.self)
        return offset == UInt32(SeriesLayout.wideTable)
    }

    private static func gauge(
        mode: GaugeMode, _ contributions: [GaugeContribution], liveness: inout Liveness
    ) -> SeriesValue {
        var alive: [UInt64: Bool] = [:]
        for one in contributions { alive[one.owner.bits] = liveness.isAlive(one.owner) }
        let instances = contributions.map {
            Instance(
                owner: $0.owner, isAlive: alive[$0.owner.bits] == true, pid: $0.pid, value: $0.value, time: $0.time,
                carried: $0.carried, carriedTime: $0.carriedTime)
        }
        switch mode {
        case .all, .liveAll, .local: return .gauge(value: nil, instances: instances)
        default:
            let value = aggregate(contributions, mode: mode, ownToken: 0) { alive[$0.bits] == true }
            return .gauge(value: value, instances: instances)
        }
    }
}

extension SeriesValue.Pair {
    fileprivate init(_ address: UnsafeMutableRawPointer) {
        let pair = SharedPair(address).load()
        self.init(count: pair.first, sum: Double(bitPattern: pair.second))
    }

    /// Over all lanes.
    static func total(_ lanes: [Self]) -> Self {
        Self(count: lanes.reduce(0) { $0 &+ $1.count }, sum: lanes.reduce(0) { $0 + $1.sum })
    }
}
