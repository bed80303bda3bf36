// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Synchronization
import Testing

@Suite("Counter")
struct CounterTests {
    private let place: TestRegistry
    private let counter: Counter

    init() throws {
        place = try TestRegistry()
        counter = try place.registry.counter("jobs")
    }

    @Test("Adds ones, whole amounts and fractions")
    func amounts() throws {
        #expect(counter.value == 0)
        counter.increment()
        counter.increment(by: 41 as UInt64)
        #expect(counter.increment(by: 100.0))
        #expect(counter.increment(by: 0.25))
        #expect(counter.increment(by: 7.5))
        #expect(counter.value == 149.75)
        #expect(try place.samples() == ["jobs_total 149.75"])
    }

    @Test("Takes nothing that is not an amount", arguments: [-1, -0x1p-1074, -.infinity, .nan, -.nan])
    func refused(amount: Double) {
        counter.increment()
        #expect(!counter.increment(by: amount))
        #expect(counter.value == 1)
    }

    @Test("Takes zero of either sign, the least number and infinity")
    func extremes() {
        #expect(counter.increment(by: 0.0) && counter.increment(by: -0.0))
        #expect(counter.value.bitPattern == 0)
        #expect(counter.increment(by: .leastNonzeroMagnitude))
        #expect(counter.value == .leastNonzeroMagnitude)
        #expect(counter.increment(by: .infinity))
        #expect(counter.value == .infinity)
    }

    @Test("Counts ones beyond 2^53, where a double would stand still")
    func wholeNumbers() {
        #expect(counter.increment(by: 0x1p53 - 1))
        #expect(counter.value == 0x1p53 - 1)
        counter.increment()
        #expect(counter.value == 0x1p53)
        counter.increment()
        counter.increment()
        #expect(counter.value == 0x1p53 + 2)
    }

    @Test("Takes amounts from 2^53 on", arguments: [0x1p53, 0x1p53 + 2, 0x1p63, 0x1p64, 1e300])
    func largeAmounts(amount: Double) {
        #expect(counter.increment(by: amount))
        #expect(counter.value == amount)
        #expect(counter.increment(by: amount))
        #expect(counter.value == 2 * amount)
    }

    @Test("Is the sum over all lanes, of whole numbers and of fractions")
    func lanes() throws {
        let family = try place.registry.counterFamily("spread", labels: ["a"])
        let handle = try family.handle("x")
        for lane in 0..<4 as Range<UInt32> {
            let cell = handle.laneCell(cpu: lane)
            word(cell).pointee.store(10 << (8 * UInt64(lane)), ordering: .relaxed)
            word(cell + 8).pointee.store((0.5 / Double(1 << lane)).bitPattern, ordering: .relaxed)
        }
        let wanted = Double(10 + 10 << 8 + 10 << 16 + 10 << 24) + 0.5 + 0.25 + 0.125 + 0.0625
        #expect(wanted == 168_430_090.9375)
        #expect(try family.labels("x").value == wanted)
        #expect(try place.samples() == ["spread_total{a=\"x\"} 1.684300909375e+08", "jobs_total 0.0"].sorted())
    }

    @Test("Loses nothing to other threads, nor to other processes")
    func threads() throws {
        let other = try place.join().counter("jobs")
        let own = counter
        inThreads(8) { thread in
            let counter = thread < 4 ? own : other
            for _ in 0..<5_000 {
                counter.increment()
                counter.increment(by: 3 as UInt64)
                counter.increment(by: 0.5)
                counter.increment(by: 2.0)
            }
        }
        #expect(counter.value == 8 * 5_000 * 6.5)
        #expect(other.value == counter.value)
    }
}
