// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Testing

/// What each mode shows of three processes that set 2, 3 and 1, in this order.
@Suite("Gauge modes")
struct GaugeModeTests {
    private let place: TestRegistry

    init() throws { place = try TestRegistry() }

    struct Shown: Sendable {
        let mode: GaugeMode
        /// Before anybody set the gauge.
        let unset: [String]
        /// With three live processes; after the two later ones ended; and after another one came and set 10.
        let alive: [String], ended: [String], another: [String]
    }

    static let expected: [Shown] = [
        Shown(
            mode: .liveAll, unset: [],
            alive: ["{worker=\"0\"} 2.0", "{worker=\"1\"} 3.0", "{worker=\"2\"} 1.0"],
            ended: ["{worker=\"0\"} 2.0"], another: ["{worker=\"0\"} 2.0", "{worker=\"1\"} 10.0"]),
        Shown(
            mode: .all, unset: [],
            alive: ["{worker=\"0\"} 2.0", "{worker=\"1\"} 3.0", "{worker=\"2\"} 1.0"],
            ended: ["{worker=\"0\"} 2.0", "{worker=\"1\"} 3.0", "{worker=\"2\"} 1.0"],
            another: ["{worker=\"0\"} 2.0", "{worker=\"1\"} 10.0", "{worker=\"2\"} 1.0"]),
        Shown(mode: .min, unset: [" 0.0"], alive: [" 1.0"], ended: [" 1.0"], another: [" 1.0"]),
        Shown(mode: .liveMin, unset: [" 0.0"], alive: [" 1.0"], ended: [" 2.0"], another: [" 2.0"]),
        Shown(mode: .max, unset: [" 0.0"], alive: [" 3.0"], ended: [" 3.0"], another: [" 10.0"]),
        Shown(mode: .liveMax, unset: [" 0.0"], alive: [" 3.0"], ended: [" 2.0"], another: [" 10.0"]),
        Shown(mode: .sum, unset: [" 0.0"], alive: [" 6.0"], ended: [" 6.0"], another: [" 16.0"]),
        Shown(mode: .liveSum, unset: [" 0.0"], alive: [" 6.0"], ended: [" 2.0"], another: [" 12.0"]),
        Shown(mode: .mostRecent, unset: [], alive: [" 1.0"], ended: [" 1.0"], another: [" 10.0"]),
        Shown(mode: .liveMostRecent, unset: [], alive: [" 1.0"], ended: [" 2.0"], another: [" 10.0"]),
        Shown(mode: .local, unset: [], alive: [" 2.0"], ended: [" 2.0"], another: [" 2.0"]),
    ]

    @Test("Every mode is here")
    func complete() {
        #expect(Set(Self.expected.map(\.mode)) == Set(GaugeMode.allCases))
    }

    @Test("Shows the processes", arguments: expected)
    func shows(_ expected: Shown) throws {
        func gauge(_ registry: MetricRegistry) throws -> Gauge { try registry.gauge("level", mode: expected.mode) }
        func shown() throws -> [String] { try place.samples().map { String($0.dropFirst("level".count)) } }
        let own = try gauge(place.registry)
        #expect(try shown() == expected.unset)

        own.set(2)
        let members = [try place.join(), try place.join()]
        try gauge(members[0]).set(3)
        try gauge(members[1]).set(1)
        #expect(try shown() == expected.alive)
        // Each process knows its own value, whatever is shown.
        #expect(try own.value == 2 && gauge(members[0]).value == 3 && gauge(members[1]).value == 1)

        for member in members { place.leave(member) }
        #expect(try shown() == expected.ended)

        let another = try place.join()
        #expect(try gauge(another).value == 0)
        #expect(try shown() == expected.ended)
        try gauge(another).set(10)
        #expect(try shown() == expected.another)
    }

    @Test("A process that only reads shows the same, and nothing of local ones", arguments: GaugeMode.allCases)
    func reader(mode: GaugeMode) throws {
        try place.registry.gauge("level", mode: mode).set(4)
        let reader = try place.join()
        #expect(try place.samples(by: reader) == (mode == .local ? [] : place.samples()))
    }

    @Test("The time of setting decides, not the order", arguments: [GaugeMode.mostRecent, .liveMostRecent])
    func timeOfSetting(mode: GaugeMode) throws {
        let own = try place.registry.gauge("level", mode: mode)
        let other = try place.join().gauge("level", mode: mode)
        own.set(1, at: 2_000_000)
        other.set(2, at: 1_000_000.5)
        #expect(try place.samples() == ["level 1.0"])
        other.set(3, at: 2_000_000.5)
        #expect(try place.samples() == ["level 3.0"])
        // Now is later than 1970.
        own.set(4)
        #expect(try place.samples() == ["level 4.0"])
        // What is no time of this era counts as the earliest.
        for seconds in [-1, 0, -.infinity, .infinity, .nan, 1e300] {
            own.set(5, at: seconds)
            #expect(own.value == 5)
            #expect(try place.samples() == ["level 3.0"])
        }
    }

    @Test(
        "A NaN counts for neither the least nor the greatest value",
        arguments: [GaugeMode.min, .max, .liveMin, .liveMax])
    func notANumber(mode: GaugeMode) throws {
        try place.registry.gauge("level", mode: mode).set(.nan)
        try place.join().gauge("level", mode: mode).set(7)
        try place.join().gauge("level", mode: mode).set(.nan)
        #expect(try place.samples() == ["level 7.0"])
    }
}
