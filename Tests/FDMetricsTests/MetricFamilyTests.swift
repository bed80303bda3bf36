// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Testing

@Suite("Metric family")
struct MetricFamilyTests {
    private let place: TestRegistry
    private let family: MetricFamily<Counter>

    init() throws {
        place = try TestRegistry(seriesLimit: 5)
        family = try place.registry.counterFamily("jobs", labels: ["queue", "kind"])
    }

    @Test("The same label values give the same series, however it is asked for")
    func sameSeries() throws {
        try family.labels("a", "b").increment()
        try family.labels(["a", "b"]).increment()
        family["a", "b"].increment()
        try place.registry.counterFamily("jobs_total", labels: ["queue", "kind"]).labels("a", "b").increment()
        try place.join().counterFamily("jobs", labels: ["queue", "kind"]).labels("a", "b").increment()
        #expect(try family.labels("a", "b").value == 5)
        #expect(try family.handle("a", "b") == family.handle("a", "b"))
        #expect(try family.labels("b", "a").value == 0)
        #expect(
            try place.samples().sorted() == [
                "jobs_total{kind=\"a\",queue=\"b\"} 0.0", "jobs_total{kind=\"b\",queue=\"a\"} 5.0",
            ])
    }

    @Test("A family without labels has one series")
    func withoutLabels() throws {
        let plain = try place.registry.gaugeFamily("level", labels: [], mode: .sum)
        try plain.labels().set(1)
        #expect(try plain.labels([]).value == 1)
        #expect(try place.registry.gauge("level", mode: .sum).value == 1)
    }

    @Test("Refuses a wrong number of label values", arguments: [[], ["a"], ["a", "b", "c"]])
    func wrongCount(values: [String]) throws {
        let error = refusal { _ = try family.labels(values) }
        #expect(error?.code == .labels)
        #expect(error?.message == "jobs has 2 labels (queue, kind), \(values.count) values were given")
        let removal = refusal { try family.remove("a") }
        #expect(removal?.code == .labels)
        #expect(try place.samples().isEmpty)
    }

    @Test("A subscript that finds no series gives an instrument that records nothing")
    func inert() throws {
        let counter = family["a"]
        counter.increment()
        #expect(counter.increment(by: 2.5))
        #expect(counter.value == 0)
        let gauge = try place.registry.gaugeFamily("level", labels: ["a"], mode: .sum)[]
        gauge.set(3)
        #expect(gauge.increment())
        #expect(gauge.value == 0)
        let histogram = try place.registry.histogramFamily("wait", labels: ["a"])["x", "y"]
        for value in [1, 100, Double.nan] { histogram.observe(value) }
        #expect(histogram.total == (0, 0))
        let summary = try place.registry.summaryFamily("size", labels: ["a"])[]
        summary.observe(1)
        #expect(summary.total == (0, 0))
        #expect(try place.samples().isEmpty)
    }

    @Test("The limit of series is an error, is counted, and makes room for a removed one's successor")
    func limit() throws {
        for index in 0..<5 { try family.labels("\(index)", "").increment() }
        let error = refusal { _ = try family.labels("5", "") }
        #expect(error?.code == .seriesLimit)
        #expect(error?.message.hasPrefix("jobs has 5 series, the limit of this store") == true)
        family["6", ""].increment()
        #expect(place.statistics.droppedSeriesLimit == 2)
        // Those that exist go on, and other families have room of their own.
        #expect(try family.labels("4", "").value == 1)
        _ = try place.registry.counterFamily("others", labels: ["a"]).labels("x")

        try family.remove("0", "")
        try family.labels("5", "").increment()
        #expect(try place.samples().count == 6)
        #expect(place.statistics.droppedSeriesLimit == 2)
    }

    @Test("A removed series is gone, and comes back from zero")
    func remove() throws {
        let old = try family.labels("a", "b")
        old.increment()
        try family.labels("a", "c").increment()
        try family.remove("a", "b")
        old.increment()
        #expect(try place.samples() == ["jobs_total{kind=\"c\",queue=\"a\"} 1.0"])
        let new = try family.labels("a", "b")
        #expect(new.value == 0)
        new.increment(by: 7 as UInt64)
        old.increment()
        #expect(
            try place.samples().sorted() == [
                "jobs_total{kind=\"b\",queue=\"a\"} 7.0", "jobs_total{kind=\"c\",queue=\"a\"} 1.0",
            ])
        // Removing what is not there is no error.
        try family.remove("never", "there")
        #expect(try place.samples().count == 2)
        #expect(place.statistics.removedSeries == 1)
    }

    @Test("Removal counts for all processes")
    func removeElsewhere() throws {
        try family.labels("a", "b").increment()
        try place.join().counterFamily("jobs", labels: ["queue", "kind"]).remove("a", "b")
        #expect(try place.samples().isEmpty)
        #expect(try family.labels("a", "b").value == 0)
    }

    @Test("Clearing removes every series of the family, and of no other")
    func clear() throws {
        for index in 0..<4 { try family.labels("a", "\(index)").increment() }
        try place.registry.counter("others").increment()
        try family.clear()
        #expect(try place.samples() == ["others_total 1.0"])
        for index in 0..<5 { #expect(try family.labels("b", "\(index)").value == 0) }
        try family.clear()
        try family.clear()
        #expect(try place.samples() == ["others_total 1.0"])
    }

    @Test("A removed gauge, histogram or summary comes back from zero")
    func removeOthers() throws {
        let gauges = try place.registry.gaugeFamily("level", labels: ["a"], mode: .max)
        let histograms = try place.registry.histogramFamily("wait", labels: ["a"], bounds: [1])
        let summaries = try place.registry.summaryFamily("size", labels: ["a"])
        gauges["x"].set(5)
        histograms["x"].observe(5)
        summaries["x"].observe(5)
        try gauges.remove("x")
        try histograms.clear()
        try summaries.remove("x")
        #expect(try place.samples().isEmpty)
        #expect(try gauges.labels("x").value == 0)
        #expect(try histograms.labels("x").total == (0, 0))
        #expect(try summaries.labels("x").total == (0, 0))
    }
}
