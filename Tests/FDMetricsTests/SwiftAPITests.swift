// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Testing

/// What user code relies on: these functions need not run to be of use, they only have to compile.
@Suite("Swift API")
struct SwiftAPITests {
    private let place: TestRegistry

    init() throws { place = try TestRegistry() }

    private func requireSendable<Value: Sendable>(_ type: Value.Type) {}

    /// Every call throws `MetricError` and nothing else.
    private func declareEverything(_ registry: MetricRegistry) throws(MetricError) -> [any Instrument] {
        try registry.info("build", labels: ["node"], help: "What runs.").set([("version", "1")], labels: ["a"])
        try registry.stateSet("phase", states: ["on", "off"], labels: ["node"], help: "Phase.").set(
            "off", labels: ["a"])
        let counters = try registry.counterFamily("sent", labels: ["peer"], help: "Sent.", unit: "bytes")
        let gauges = try registry.gaugeFamily("depth", labels: ["peer"], mode: .liveSum, help: "Depth.", unit: "items")
        let histograms = try registry.histogramFamily(
            "wait", labels: ["peer"], bounds: [1], help: "Wait.", unit: "seconds")
        let summaries = try registry.summaryFamily("size", labels: ["peer"], help: "Size.", unit: "bytes")
        try counters.remove("b")
        try gauges.clear()
        return [
            try counters.labels("a"), try gauges.labels(["a"]), histograms["a"], try summaries.labels("a"),
            try registry.counter("c", help: "C."), try registry.gauge("g", mode: .sum, help: "G."),
            try registry.histogram("h", bounds: [1], help: "H."), try registry.summary("s", help: "S."),
        ]
    }

    @Test("Everything can be handed to another task")
    func sendable() async throws {
        requireSendable(MetricRegistry.self)
        requireSendable(Counter.self)
        requireSendable(Gauge.self)
        requireSendable(Histogram.self)
        requireSendable(Summary.self)
        requireSendable(Info.self)
        requireSendable(StateSet.self)
        requireSendable(MetricFamily<Counter>.self)
        requireSendable(MetricError.self)
        let family = try place.registry.counterFamily("jobs", labels: ["queue"])
        let counter = try family.labels("a")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<1_000 { counter.increment() }
                    family["b"].increment()
                }
            }
        }
        #expect(counter.value == 4_000)
        #expect(try family.labels("b").value == 4)
    }

    @Test("Instruments are values: a copy records into the same series")
    func copies() throws {
        let instruments = try declareEverything(place.registry)
        #expect(instruments.count == 8)
        let counter = try place.registry.counter("c")
        let copy = counter
        copy.increment()
        counter.increment()
        #expect(copy.value == 2)
    }

    @Test("Errors are caught by their code, without a cast")
    func typedThrows() throws {
        do throws(MetricError) {
            _ = try place.registry.counter("not a name")
            Issue.record("a name with spaces was taken")
        } catch {
            switch error.code {
            case .invalidName: #expect("\(error)" == error.message && error.errno == 0)
            default: Issue.record("\(error)")
            }
        }
    }

    @Test("One directory is one store, however often it is opened")
    func sameDirectory() throws {
        let first = try MetricRegistry(directory: place.registry.store.directory)
        let second = try MetricRegistry(directory: place.registry.store.directory + "/../" + lastComponent + "/.")
        #expect(first.store === second.store)
        try first.counter("jobs").increment()
        #expect(try second.counter("jobs").value == 1)
        #expect(try place.samples() == ["jobs_total 1.0"])
        #expect(AttachedStores.close(first.store))
    }

    private var lastComponent: String { String(place.registry.store.directory.split(separator: "/").last ?? "") }
}
