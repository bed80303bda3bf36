// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Testing

@Suite("Gauge")
struct GaugeTests {
    private let place: TestRegistry

    init() throws { place = try TestRegistry() }

    static let addingModes = GaugeMode.allCases.filter { $0 != .mostRecent && $0 != .liveMostRecent }

    @Test("Is set, goes up and goes down", arguments: addingModes)
    func updates(mode: GaugeMode) throws {
        let gauge = try place.registry.gauge("level", mode: mode)
        #expect(gauge.value == 0)
        #expect(gauge.increment())
        #expect(gauge.increment(by: 2.5))
        #expect(gauge.value == 3.5)
        #expect(gauge.decrement())
        #expect(gauge.decrement(by: 4))
        #expect(gauge.value == -1.5)
        gauge.set(8)
        #expect(gauge.increment(by: -0.5))
        #expect(gauge.value == 7.5)
        gauge.set(9, at: 1)
        #expect(gauge.value == 9)
    }

    @Test("Goes down from nothing")
    func firstDecrement() throws {
        let gauge = try place.registry.gauge("level", mode: .sum)
        #expect(gauge.decrement(by: 2))
        #expect(gauge.value == -2)
    }

    @Test("The most recent modes are set, and take no addition", arguments: [GaugeMode.mostRecent, .liveMostRecent])
    func mostRecent(mode: GaugeMode) throws {
        let gauge = try place.registry.gauge("level", mode: mode)
        #expect(!gauge.increment() && !gauge.decrement(by: 2))
        #expect(gauge.value == 0)
        #expect(try place.samples().isEmpty)
        gauge.set(5)
        #expect(!gauge.increment() && !gauge.decrement())
        #expect(gauge.value == 5)
        #expect(try place.samples() == ["level 5.0"])
    }

    @Test("Takes any number", arguments: GaugeMode.allCases)
    func anyNumber(mode: GaugeMode) throws {
        let gauge = try place.registry.gauge("level", mode: mode)
        let numbers: [(Double, String)] = [
            (.infinity, "+Inf"), (-.infinity, "-Inf"), (0, "0.0"), (-0.0, "-0.0"), (1e300, "1e+300"),
            (.leastNonzeroMagnitude, "5e-324"),
        ]
        for (number, text) in numbers {
            gauge.set(number)
            #expect(gauge.value.bitPattern == number.bitPattern)
            #expect(try place.samples() == ["level \(text)"])
        }
    }

    @Test("Shows NaN, also the one that means unset in the store", arguments: GaugeMode.allCases)
    func notANumber(mode: GaugeMode) throws {
        let gauge = try place.registry.gauge("level", mode: mode)
        for bits in [Double.nan.bitPattern, Double.signalingNaN.bitPattern, Update.unset, Update.unset | 1 << 63] {
            gauge.set(1)
            gauge.set(Double(bitPattern: bits))
            #expect(gauge.value.isNaN)
            #expect(try place.samples() == ["level NaN"])
        }
        gauge.set(2)
        #expect(gauge.value == 2)
    }

    @Test("Adds up what threads add, and every process has its own value")
    func threads() throws {
        let gauge = try place.registry.gauge("level", mode: .sum)
        let other = try place.join().gauge("level", mode: .sum)
        inThreads(8) { thread in
            let mine = thread % 2 == 0 ? gauge : other
            for _ in 0..<5_000 {
                mine.increment(by: 2)
                mine.decrement()
            }
        }
        #expect(gauge.value == 20_000)
        #expect(other.value == 20_000)
        #expect(try place.samples() == ["level 40000.0"])
    }

    @Test("Threads that set it for the first time at once leave one instance")
    func firstSetOfThreads() throws {
        let family = try place.registry.gaugeFamily("level", labels: ["a"], mode: .sum)
        for series in 0..<50 {
            let gauge = try family.labels("\(series)")
            inThreads(4) { _ in gauge.increment() }
            #expect(gauge.value == 4)
        }
        #expect(try Set(place.samples()) == Set((0..<50).map { "level{a=\"\($0)\"} 4.0" }))
    }
}
