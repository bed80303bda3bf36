// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import FDMetricsTestSupport
import Testing

/// What a store says of itself.
@Suite("Self-metrics")
struct SelfMetricsTests {
    private let exposed: ExposedStore

    init() throws { exposed = try ExposedStore(lanes: 4, seriesLimit: 3) }

    private func samples() throws -> [String] {
        try TextExposition.render(exposed.registry, options: .selfMetrics).split(separator: "\n").filter {
            $0.hasPrefix("fdmetrics_")
        }.map(String.init)
    }

    @Test("Are not there unless they are asked for")
    func absent() throws {
        #expect(try exposed.text().isEmpty)
    }

    @Test("Count what is there and what was refused")
    func counts() throws {
        let reserved = StoreStatistics(exposed.registry.store).bytesReserved
        #expect(
            try samples() == [
                "fdmetrics_build_info{version=\"\(FDMetricsVersion.string)\"} 1.0",
                "fdmetrics_damaged_records 0.0",
                "fdmetrics_dropped_registrations_total{reason=\"conflict\"} 0.0",
                "fdmetrics_dropped_registrations_total{reason=\"no_space\"} 0.0",
                "fdmetrics_dropped_registrations_total{reason=\"series_limit\"} 0.0",
                "fdmetrics_families 0.0", "fdmetrics_lanes 4.0", "fdmetrics_live_processes 1.0",
                "fdmetrics_segments 1.0", "fdmetrics_series 0.0",
                "fdmetrics_store_reserved_bytes \(Double(reserved))",
            ])
        _ = try exposed.join()
        let family = try exposed.registry.counterFamily("a", labels: ["b"])
        for value in ["1", "2", "3"] { _ = try family.labels(value) }
        #expect(throws: MetricError.self) { try family.labels("4") }
        #expect(throws: MetricError.self) { try exposed.registry.gauge("a", mode: .sum) }
        let shown = try samples()
        for line in [
            "fdmetrics_dropped_registrations_total{reason=\"conflict\"} 1.0",
            "fdmetrics_dropped_registrations_total{reason=\"series_limit\"} 1.0", "fdmetrics_families 1.0",
            "fdmetrics_live_processes 2.0", "fdmetrics_series 3.0",
        ] {
            #expect(shown.contains(line), "\(line) is not in \(shown)")
        }
    }

    @Test("Are the same to who only reads")
    func reader() throws {
        try exposed.registry.counter("a").increment()
        let own = try TextExposition.render(exposed.registry, options: .selfMetrics)
        #expect(try TextExposition.render(directory: exposed.place.directory, options: .selfMetrics) == own)
    }
}
