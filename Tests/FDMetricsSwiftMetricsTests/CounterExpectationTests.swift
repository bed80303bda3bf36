// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import FDMetricsSwiftMetrics
import FDMetricsTestSupport
import Testing

/// What swift-metrics' own tests expect of counters, said of a store.
@Suite("swift-metrics: counters")
struct CounterExpectationTests {
    private let backend: Backend

    init() throws { backend = try Backend() }

    @Test("Increments of several threads are all counted")
    func threads() async throws {
        let counter = Counter(label: "jobs", factory: backend.factory())
        await inThreads(8) { index in
            for _ in 0..<1_000 { counter.increment(by: index + 1) }
        }
        #expect(try backend.samples() == ["jobs_total": 36_000])
    }

    @Test("An increment is 1; a metric is there before its first one")
    func one() throws {
        let counter = Counter(label: "jobs", factory: backend.factory())
        #expect(try backend.samples() == ["jobs_total": 0])
        counter.increment()
        #expect(try backend.samples() == ["jobs_total": 1])
    }

    @Test("Amounts of every integer type; negative ones add nothing, and do not trap")
    func amounts() throws {
        let counter = Counter(label: "jobs", factory: backend.factory())
        counter.increment(by: UInt8.max)
        counter.increment(by: Int32(1))
        counter.increment(by: 0)
        counter.increment(by: -1)
        counter.increment(by: Int64.min)
        #expect(try backend.samples() == ["jobs_total": 256])
        counter.increment(by: Int64.max)
        #expect(try backend.samples() == ["jobs_total": Double(Int64.max) + 256])
    }

    @Test("A floating-point counter ignores what is no positive number")
    func ignored() throws {
        let counter = FloatingPointCounter(label: "work", factory: backend.factory())
        for amount in [Double.nan, .signalingNaN, .infinity, -.infinity, -100, 0, -0.0] {
            counter.increment(by: amount)
        }
        #expect(try backend.samples() == ["work_total": 0])
    }

    @Test("Extreme amounts count as 2^63 each, so that no sum is infinite")
    func extreme() throws {
        let counter = FloatingPointCounter(label: "work", factory: backend.factory())
        counter.increment(by: Double(sign: .plus, exponent: 63, significand: 1))
        counter.increment(by: Double.greatestFiniteMagnitude)
        #expect(try backend.samples() == ["work_total": 0x1p64])
    }

    @Test("Fractions add up, and are not rounded away")
    func fractions() throws {
        let counter = FloatingPointCounter(label: "work", factory: backend.factory())
        counter.increment(by: 0.75)
        #expect(try backend.samples() == ["work_total": 0.75])
        counter.increment(by: 1.5)
        counter.increment(by: Double(sign: .plus, exponent: 40, significand: 1.01))
        #expect(try backend.samples() == ["work_total": 2.25 + 1_110_506_744_053.76])
        counter.increment(by: Float(0.25))
        counter.increment()
        #expect(try backend.samples() == ["work_total": 3.5 + 1_110_506_744_053.76])
    }

    @Test("A counter and a floating-point counter of one label are one series")
    func both() throws {
        let factory = backend.factory()
        Counter(label: "work", factory: factory).increment(by: 2)
        FloatingPointCounter(label: "work", factory: factory).increment(by: 0.5)
        #expect(try backend.samples() == ["work_total": 2.5])
        #expect(backend.problems == [])
    }

    @Test("reset() leaves the total of all processes alone, and says so once")
    func reset() throws {
        let counter = Counter(label: "jobs", factory: backend.factory())
        counter.increment(by: 5)
        counter.reset()
        counter.reset()
        #expect(try backend.samples() == ["jobs_total": 5])
        #expect(backend.problems.count == 1 && backend.problems[0].contains("reset() of jobs does nothing"))
    }

    @Test("Where this process owns the totals, reset() begins at zero")
    func ownedReset() throws {
        let factory = backend.factory { $0.ownsTotals = true }
        let counter = Counter(label: "jobs", factory: factory)
        let floating = FloatingPointCounter(label: "jobs", factory: factory)
        counter.increment(by: 5)
        floating.increment(by: 0.5)
        floating.reset()
        #expect(try backend.samples() == ["jobs_total": 0])
        counter.increment()
        #expect(try backend.samples() == ["jobs_total": 1])
    }

    @Test("Random amounts: the total is their sum")
    func random() throws {
        var generator = SeededGenerator(for: "swift-metrics counters")
        let counter = Counter(label: "jobs", factory: backend.factory())
        var truth: Int64 = 0
        for _ in 0..<1_000 {
            let amount = Int64.random(in: -1_000...1_000, using: &generator)
            counter.increment(by: amount)
            truth += max(0, amount)
        }
        #expect(try backend.samples() == ["jobs_total": Double(truth)])
    }
}
#endif
