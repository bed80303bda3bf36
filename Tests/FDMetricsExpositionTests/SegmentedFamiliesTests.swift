// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import FDMetricsTestSupport
import Synchronization
import Testing

/// Families whose series stand in several segments, and removals.
@Suite("Families over segments")
struct SegmentedFamiliesTests {
    private let exposed: ExposedStore
    private var registry: MetricRegistry { exposed.registry }

    init() throws { exposed = try ExposedStore(lanes: 2, seriesLimit: 100_000) }

    /// More than one segment's index holds.
    private let many = 3_500

    private var segments: UInt64 { StoreStatistics(registry.store).segments }

    /// Checks the order of lines: families by name, the headers of each once and before all its samples.
    private func familyNames(of text: String) -> [String] {
        var names: [String] = []
        var hasType = false
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            if words[0] == "#", words[1] == "HELP" {
                names.append(String(words[2]))
                hasType = false
            } else if words[0] == "#" {
                #expect(words[1] == "TYPE" && words[2] == names.last ?? "" && !hasType)
                hasType = true
            } else {
                #expect(hasType && line.hasPrefix(names.last ?? "no family"))
            }
        }
        return names
    }

    @Test("Series of all segments stand under one header, each once")
    func merged() throws {
        let jobs = try registry.counterFamily("jobs", labels: ["id"], help: "Jobs.")
        let waits = try registry.histogramFamily("wait", labels: ["id"], bounds: [1], help: "Wait.")
        let sizes = try registry.summaryFamily("alpha", labels: ["id"], help: "Size.")
        let levels = try registry.gaugeFamily("level", labels: ["id"], mode: .sum, help: "Level.")
        for index in 0..<many / 2 {
            jobs["\(index)"].increment(by: UInt64(index))
            waits["\(index)"].observe(Double(index))
            if index % 50 == 0 {
                sizes["\(index)"].observe(1)
                levels["\(index)"].set(Double(index))
            }
            // Scrapes in between: the kept plan grows with the store.
            if index % 500 == 0 { _ = try exposed.text() }
        }
        #expect(segments == 2)
        let text = try exposed.text()
        #expect(familyNames(of: text) == ["alpha", "jobs_total", "level", "wait"])
        #expect(try text == exposed.textOfReader())
        #expect(try text == TextExposition.render(exposed.join()))
        let samples = try exposed.samples()
        #expect(Set(samples).count == samples.count)
        let expected = (0..<many / 2).map { "jobs_total{id=\"\($0)\"} \(Double($0))" }
        #expect(samples.filter { $0.hasPrefix("jobs") } == expected)
        #expect(samples.count == many / 2 * 5 + many / 100 * 3)
    }

    @Test("Families sort by name, whatever the order and the segment of their registration")
    func sorted() throws {
        var random = SeededGenerator(for: "SegmentedFamiliesTests.sorted")
        let letters = Array("abcXYZ_:019")
        var names: Set<String> = []
        while names.count < 200 {
            names.insert(
                "n"
                    + String(
                        (0..<Int.random(in: 0...4, using: &random)).map { _ in letters.randomElement(using: &random)! })
            )
        }
        for (index, name) in names.shuffled(using: &random).enumerated() {
            let family = try registry.gaugeFamily(name, labels: ["a"], mode: .sum, help: "Help.")
            for series in 0..<20 { family["\(series)"].set(Double(index)) }
        }
        #expect(segments == 2)
        // Names are ASCII: this is the order of their bytes.
        let order = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(try familyNames(of: exposed.text()) == order)
    }

    @Test("A series that stands in two segments is added up and shown once")
    func duplicates() throws {
        let jobs = try registry.counterFamily("jobs", labels: ["id"])
        let waits = try registry.histogramFamily("wait", labels: ["id"], bounds: [1, 2])
        let sizes = try registry.summaryFamily("size", labels: ["id"])
        let levels = try registry.gaugeFamily("level", labels: ["id"], mode: .sum)
        let phases = try registry.stateSet("phase", states: ["a", "b", "c"], labels: ["id"])
        func record(_ amount: Double, _ state: String) throws {
            jobs["x"].increment(by: amount)
            waits["x"].observe(amount)
            sizes["x"].observe(amount)
            levels["x"].set(amount)
            try phases.set(state, labels: ["x"])
        }
        try record(1.5, "b")
        let first = [jobs.family, waits.family, sizes.family, levels.family, phases.family]
        let old = try first.map { family in
            try #require(registry.store.series(family, names: ["id"], values: ["x"]).filledRecord)
        }
        let fill = try registry.counterFamily("fill", labels: ["id"])
        for index in 0..<many { _ = try fill.labels("\(index)") }
        #expect(segments == 2)
        // Two processes that register one series at once, while the segment fills, can leave it in two segments. Here the
        // first one is hidden while the second is made.
        func setState(_ state: UInt64) {
            for record in old { word(record + SeriesLayout.state).pointee.store(state, ordering: .relaxed) }
        }
        setState(SeriesLayout.removed)
        try record(2.25, "c")
        setState(SeriesLayout.live)

        let expected = [
            "jobs_total{id=\"x\"} 3.75", "level{id=\"x\"} 3.75",
            "phase{id=\"x\",phase=\"a\"} 0.0", "phase{id=\"x\",phase=\"b\"} 0.0", "phase{id=\"x\",phase=\"c\"} 1.0",
            "size_count{id=\"x\"} 2.0", "size_sum{id=\"x\"} 3.75",
            "wait_bucket{id=\"x\",le=\"1.0\"} 0.0", "wait_bucket{id=\"x\",le=\"2.0\"} 1.0",
            "wait_bucket{id=\"x\",le=\"+Inf\"} 2.0", "wait_count{id=\"x\"} 2.0", "wait_sum{id=\"x\"} 3.75",
        ]
        #expect(try exposed.samples().filter { !$0.hasPrefix("fill") } == expected)
        // Removal removes both.
        try jobs.remove("x")
        #expect(try exposed.samples().filter { $0.hasPrefix("jobs") }.isEmpty)
        #expect(jobs["x"].value == 0)
    }

    @Test("Removed series vanish, from every segment, and come back behind the others")
    func removed() throws {
        let jobs = try registry.counterFamily("jobs", labels: ["id"])
        for index in 0..<many { jobs["\(index)"].increment() }
        _ = try exposed.text()
        for index in stride(from: 0, to: many, by: 7) { try jobs.remove("\(index)") }
        var expected = (0..<many).filter { $0 % 7 != 0 }.map { "jobs_total{id=\"\($0)\"} 1.0" }
        #expect(try exposed.samples() == expected)
        jobs["7"].increment(by: 5 as UInt64)
        jobs["\(many + 1)"].increment()
        expected.append("jobs_total{id=\"\(many + 1)\"} 1.0")
        let samples = try exposed.samples()
        #expect(samples.count { $0 == "jobs_total{id=\"7\"} 5.0" } == 1)
        #expect(samples.filter { $0 != "jobs_total{id=\"7\"} 5.0" } == expected)
        try jobs.clear()
        #expect(try exposed.samples().isEmpty)
    }
}
