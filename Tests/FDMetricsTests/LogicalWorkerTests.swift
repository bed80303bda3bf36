// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Testing

/// Gauges whose values belong to logical workers, whichever process those are at the time.
@Suite("Logical workers")
struct LogicalWorkerTests {
    private let place: TestRegistry

    init() throws { place = try TestRegistry() }

    private func gauge(_ worker: Int, mode: GaugeMode, by registry: MetricRegistry? = nil) throws -> Gauge {
        let family = try (registry ?? place.registry).gaugeFamily("level", labels: [], mode: mode)
        return Gauge(
            handle: SeriesAddress(try LogicalWorkers.gauge(family.handle(), worker: worker)))
    }

    private func shown() throws -> [String] { try place.samples().map { String($0.dropFirst("level".count)) } }

    struct Shown: Sendable {
        let mode: GaugeMode
        /// Workers 3 and 7 set 2 and 5; then worker 7 has ended.
        let both: [String], ended: [String]
    }

    static let expected: [Shown] = [
        Shown(
            mode: .all, both: ["{worker=\"3\"} 2.0", "{worker=\"7\"} 5.0"],
            ended: ["{worker=\"3\"} 2.0", "{worker=\"7\"} 5.0"]),
        Shown(mode: .liveAll, both: ["{worker=\"3\"} 2.0", "{worker=\"7\"} 5.0"], ended: ["{worker=\"3\"} 2.0"]),
        Shown(mode: .sum, both: [" 7.0"], ended: [" 7.0"]),
        Shown(mode: .liveSum, both: [" 7.0"], ended: [" 2.0"]),
        Shown(mode: .min, both: [" 2.0"], ended: [" 2.0"]),
        Shown(mode: .liveMax, both: [" 5.0"], ended: [" 2.0"]),
        Shown(mode: .mostRecent, both: [" 5.0"], ended: [" 5.0"]),
        Shown(mode: .liveMostRecent, both: [" 5.0"], ended: [" 2.0"]),
    ]

    @Test("Show their numbers, and go when they are said to have ended", arguments: expected)
    func shows(_ expected: Shown) throws {
        try gauge(3, mode: expected.mode).set(2, at: 100)
        try gauge(7, mode: expected.mode).set(5, at: 200)
        #expect(try shown() == expected.both)
        try LogicalWorkers.end(7, in: place.registry.store)
        #expect(try shown() == expected.ended)
        #expect(try StoreCheck.run(directory: place.registry.store.directory).errors.isEmpty)
    }

    @Test("The next process of a number goes on with its value")
    func successor() throws {
        let first = try place.join()
        try gauge(3, mode: .sum, by: first).set(4)
        place.leave(first)
        let next = try gauge(3, mode: .sum)
        #expect(next.value == 4)
        next.increment(by: 2)
        #expect(try shown() == [" 6.0"])
    }

    @Test("One process may be several of them, and itself; the process slot of a worker's number gives way")
    func several() throws {
        let family = try place.registry.gaugeFamily("level", labels: [], mode: .all)
        try family.labels().set(9)
        let other = try place.join()
        try other.gaugeFamily("level", labels: [], mode: .all).labels().set(8)
        for worker in [0, 2, StoreFormat.maxWorkers - 1] { try gauge(worker, mode: .all).set(Double(worker)) }
        #expect(
            try shown() == [
                "{worker=\"0\"} 0.0", "{worker=\"1\"} 8.0", "{worker=\"2\"} 2.0",
                "{worker=\"16777215\"} 1.6777215e+07",
            ])
    }
}
