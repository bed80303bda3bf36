// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
package import FDMetricsStore
import Glibc

/// Watches a store for the page: samples it when somebody asks, and answers what each asks for as JSON. A sample is taken
/// for all who ask within a fifth of a second.
///
/// Not thread-safe: one answer at a time.
package final class StoreWatch {
    /// For how long a sample answers, in ns.
    private static let freshness: UInt64 = 200_000_000

    private var sampler: StoreSampler?
    private var sample: WatchedSample?
    private var flow = SeriesFlow()
    /// Tells numbers that were counted up by one watch, of one store, from those of others.
    private var epoch: UInt64 = 0

    /// Watches nothing yet.
    package init() {}

    /// The part of a store that a query asks for. Where there is no store, an object with the member `error`, and nothing
    /// of what was there before is kept.
    /// - Parameter store: the store as it is now; another object than at the last call is another store.
    package func answer(_ query: StoreQuery, store: () throws(StoreError) -> any SegmentSource) -> JSONText {
        do throws(StoreError) {
            return StoreView(try currentSample(of: store()), flow: flow, epoch: epoch, query: query).json
        } catch {
            sampler = nil
            sample = nil
            return .object([("error", .string(error.message)), ("now", .number(WatchedSample.wallClock))])
        }
    }

    private func currentSample(of store: any SegmentSource) throws(StoreError) -> WatchedSample {
        let sampler: StoreSampler
        if let known = self.sampler, known.source === store {
            sampler = known
        } else {
            sampler = StoreSampler(store)
            self.sampler = sampler
            sample = nil
            flow = SeriesFlow()
            // A whole number that JavaScript can tell from every other one.
            epoch = UInt64.random(in: 1..<(1 << 53))
        }
        if let sample, WatchedSample.monotonicClock &- sample.snapshot.time < Self.freshness { return sample }
        let next = try WatchedSample(sampler)
        flow.take(next.snapshot)
        sample = next
        return next
    }
}

/// All that is known of a store at one moment.
struct WatchedSample {
    let directory: String
    let snapshot: StoreSnapshot
    let statistics: StoreStatistics
    let processes: [ProcessSample]
    /// Whether a process has the store open, also one that only counts and holds no slot.
    let isOpen: Bool
    let laneCount: Int
    /// The most series that a family may have.
    let seriesLimit: UInt64
    /// Seconds since the epoch.
    let created: Double
    let time: Double
    /// Seconds since this host was booted, in which the kernel says when a process started.
    let sinceBoot: Double
    /// How long it took to read the store, in seconds.
    let duration: Double

    /// Reads a store.
    /// - Throws: `damaged`, `foreign`, `system`, of segment 0.
    init(_ sampler: StoreSampler) throws(StoreError) {
        directory = sampler.source.directory
        let start = Self.monotonicClock
        snapshot = try sampler.sample()
        duration = Double(Self.monotonicClock &- start) / 1e9
        statistics = StoreStatistics(sampler.source)
        processes = try ProcessSample.all(sampler.source)
        guard let first = try sampler.source.segment(0) else {
            throw StoreError(.notFound, "there is no store in \(directory)")
        }
        isOpen = try LivenessProbe(directory: directory, segment: first).isStoreOpen
        laneCount = first.pointee.geometry.laneCount
        seriesLimit = first.pointee.constant(HeaderLayout.seriesLimit)
        created = Double(first.pointee.constant(HeaderLayout.createdTime)) / 1e9
        time = Self.wallClock
        sinceBoot = Double(Self.clock(CLOCK_BOOTTIME)) / 1e9
    }

    /// ns; comparable with `StoreSnapshot.time`.
    static var monotonicClock: UInt64 { clock(CLOCK_MONOTONIC) }

    /// Seconds since the epoch.
    static var wallClock: Double { Double(clock(CLOCK_REALTIME)) / 1e9 }

    private static func clock(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
