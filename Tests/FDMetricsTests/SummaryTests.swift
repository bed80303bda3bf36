// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Testing

@Suite("Summary")
struct SummaryTests {
    private let place: TestRegistry

    init() throws { place = try TestRegistry() }

    @Test("Counts and adds up")
    func observations() throws {
        let summary = try place.registry.summary("wait")
        #expect(summary.total == (0, 0))
        for value in [1.5, -0.5, 0, 10] { summary.observe(value) }
        #expect(summary.total == (4, 11))
        #expect(try place.samples() == ["wait_count 4.0", "wait_sum 11.0"])
    }

    @Test("Counts what is not finite", arguments: [Double.nan, .infinity, -.infinity])
    func notFinite(value: Double) throws {
        let summary = try place.registry.summary("wait")
        summary.observe(1)
        summary.observe(value)
        #expect(summary.total.count == 2)
        #expect(value.isNaN ? summary.total.sum.isNaN : summary.total.sum == value)
    }

    @Test("Has a series for each set of label values, and loses nothing to threads and processes")
    func threads() throws {
        let own = try place.registry.summaryFamily("wait", labels: ["queue"])
        let other = try place.join().summaryFamily("wait", labels: ["queue"])
        inThreads(6) { thread in
            let summary = (thread < 3 ? own : other)["\(thread % 2)"]
            for _ in 0..<4_000 { summary.observe(0.25) }
        }
        #expect(
            try Set(place.samples()) == [
                "wait_count{queue=\"0\"} 12000.0", "wait_sum{queue=\"0\"} 3000.0",
                "wait_count{queue=\"1\"} 12000.0", "wait_sum{queue=\"1\"} 3000.0",
            ])
    }
}
