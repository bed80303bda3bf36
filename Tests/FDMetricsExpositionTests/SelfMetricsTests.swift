// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import FDMetricsTestSupport
import Glibc
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
        let shown = try samples()
        let used = shown.last?.split(separator: " ").last.flatMap { Double($0) } ?? 0
        #expect(used > 0 && used <= Double(reserved))
        #expect(
            shown == [
                "fdmetrics_build_info{version=\"\(FDMetricsVersion.string)\"} 1.0",
                "fdmetrics_damaged_records 0.0",
                "fdmetrics_dropped_registrations_total{reason=\"conflict\"} 0.0",
                "fdmetrics_dropped_registrations_total{reason=\"no_space\"} 0.0",
                "fdmetrics_dropped_registrations_total{reason=\"series_limit\"} 0.0",
                "fdmetrics_families 0.0", "fdmetrics_lanes 4.0", "fdmetrics_live_processes 1.0",
                "fdmetrics_lost_updates_total 0.0", "fdmetrics_segments 1.0", "fdmetrics_series 0.0",
                "fdmetrics_store_reserved_bytes \(Double(reserved))",
                "fdmetrics_store_used_bytes \(Double(used))",
            ])
        _ = try exposed.join()
        let family = try exposed.registry.counterFamily("a", labels: ["b"])
        for value in ["1", "2", "3"] { _ = try family.labels(value) }
        #expect(throws: MetricError.self) { try family.labels("4") }
        #expect(throws: MetricError.self) { try exposed.registry.gauge("a", mode: .sum) }
        let later = try samples()
        for line in [
            "fdmetrics_dropped_registrations_total{reason=\"conflict\"} 1.0",
            "fdmetrics_dropped_registrations_total{reason=\"series_limit\"} 1.0", "fdmetrics_families 1.0",
            "fdmetrics_live_processes 2.0", "fdmetrics_series 3.0",
        ] {
            #expect(later.contains(line), "\(line) is not in \(later)")
        }
        let laterUsed = later.last?.split(separator: " ").last.flatMap { Double($0) } ?? 0
        // A series has a record of 64 bytes at least.
        #expect(laterUsed >= used + 3 * 64)
        #expect(laterUsed < Double(StoreStatistics(exposed.registry.store).bytesReserved))
    }

    @Test("Say what the scrape before cost, whatever was asked for then")
    func latestScrape() throws {
        try exposed.registry.counter("a").increment()
        // One of its own: this process may render more stores at once than it keeps plans for.
        let renderer = try DirectoryRenderer(directory: exposed.place.directory)
        func text(_ options: RenderOptions) throws -> String {
            let text = try renderer.render(as: .text, options: options)
            defer { free(text.start) }
            return String(cString: text.start)
        }
        func cost() throws -> [String] {
            try text(.selfMetrics).split(separator: "\n").filter { $0.hasPrefix("fdmetrics_scrape_") }.map(String.init)
        }
        #expect(try cost() == [])
        let latest = try text([])
        let shown = try cost()
        #expect(shown.first == "fdmetrics_scrape_bytes \(Double(latest.utf8.count))")
        let seconds = shown.last?.split(separator: " ").last.flatMap { Double($0) } ?? 0
        #expect(shown.count == 2 && shown[1].hasPrefix("fdmetrics_scrape_duration_seconds ") && seconds > 0)
        // The one before this one showed two families more.
        #expect(try cost().first != shown.first)
    }

    @Test(
        "Stand among the others by name, also the count of series, which is known last",
        arguments: [ExpositionFormat.text, .openMetrics])
    func order(_ format: ExpositionFormat) throws {
        for name in ["a", "fdmetrics_serie", "fdmetrics_series_z", "z"] {
            try exposed.registry.gauge(name, mode: .sum).set(1)
        }
        let text = try TextExposition.render(exposed.registry, as: format, options: .selfMetrics)
        let lines = text.split(separator: "\n")
        let names = lines.filter { $0.hasPrefix("# TYPE ") }.compactMap { $0.split(separator: " ").dropFirst(2).first }
        #expect(names.count > 10 && names == names.sorted())
        let place = try #require(lines.firstIndex(of: "fdmetrics_series 4.0"))
        #expect(lines[place - 1] == "# TYPE fdmetrics_series gauge")
        #expect(lines[place + 1].hasPrefix("# HELP fdmetrics_series_z"))
    }

    @Test("Are the same to who only reads")
    func reader() throws {
        try exposed.registry.counter("a").increment()
        let own = try TextExposition.render(exposed.registry, options: .selfMetrics)
        #expect(try TextExposition.render(directory: exposed.place.directory, options: .selfMetrics) == own)
    }
}
