// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Testing

/// Declarations that contradict one another.
@Suite("Conflicts")
struct ConflictTests {
    private let place: TestRegistry
    private var registry: MetricRegistry { place.registry }

    init() throws { place = try TestRegistry() }

    @Test("Names the difference, counts it, and leaves the first declaration as it is")
    func differences() throws {
        _ = try registry.counterFamily("jobs", labels: ["queue"])
        _ = try registry.histogram("wait", bounds: [1, 2])
        _ = try registry.gauge("level", mode: .sum)
        _ = try registry.stateSet("phase", states: ["on", "off"])
        _ = try registry.summary("size_bytes", unit: "bytes")
        _ = try registry.info("build", labels: ["node"])
        let before = try place.samples()
        // Another process has the same declarations in the store.
        let other = try place.join()
        let wrong: [(String, String, (MetricRegistry) throws -> Void)] = [
            ("jobs", "it is a counter, not a gauge", { registry in _ = try registry.gauge("jobs", mode: .sum) }),
            ("jobs", "it has labels (queue), not no labels", { registry in _ = try registry.counter("jobs") }),
            (
                "jobs", "it has labels (queue), not labels (queue, kind)",
                { registry in _ = try registry.counterFamily("jobs_total", labels: ["queue", "kind"]) }
            ),
            (
                "jobs", "it has labels (queue), not labels (Queue)",
                { registry in _ = try registry.counterFamily("jobs", labels: ["Queue"]) }
            ),
            (
                "wait", "its bucket bounds are [1.0, 2.0], not [1.0, 3.0]",
                { registry in _ = try registry.histogram("wait", bounds: [1, 3]) }
            ),
            ("wait", "it is a histogram, not a summary", { registry in _ = try registry.summary("wait") }),
            ("wait", "it is a histogram, not a counter", { registry in _ = try registry.counter("wait") }),
            ("level", "its mode is sum, not livesum", { registry in _ = try registry.gauge("level", mode: .liveSum) }),
            (
                "level", "it is a gauge, not a stateset",
                { registry in _ = try registry.stateSet("level", states: ["a"]) }
            ),
            (
                "phase", "its states are [\"on\", \"off\"], not [\"off\", \"on\"]",
                { registry in _ = try registry.stateSet("phase", states: ["off", "on"]) }
            ),
            ("size_bytes", "its unit is \"bytes\", not \"\"", { registry in _ = try registry.summary("size_bytes") }),
            ("build", "it has labels (node), not no labels", { registry in _ = try registry.info("build") }),
            ("build", "it is a info, not a gauge", { registry in _ = try registry.gauge("build", mode: .max) }),
        ]
        var count: UInt64 = 0
        for (name, difference, declare) in wrong {
            for registry in [registry, other] {
                let error = refusal { try declare(registry) }
                count += 1
                #expect(error?.code == .conflict)
                #expect(
                    error?.message
                        == "\(name) is registered already, and \(difference): use one declaration in all processes, or another name"
                )
                #expect(place.statistics.conflicts == count)
            }
        }
        #expect(try place.samples() == before)
    }

    @Test("Help may differ; the first one stays")
    func help() throws {
        try registry.counter("jobs", help: "First.").increment()
        try registry.counter("jobs", help: "Second.").increment()
        try place.join().counter("jobs").increment()
        #expect(try place.samples() == ["jobs_total 3.0"])
        #expect(place.statistics.conflicts == 0)
    }

    /// Declares something of a type, and records nothing.
    struct Declaration: Sendable, CustomStringConvertible {
        let description: String
        let make: @Sendable (MetricRegistry) throws -> Void

        static func counter(_ name: String) -> Self {
            Self(description: "counter \(name)") { registry in _ = try registry.counter(name) }
        }
        static func gauge(_ name: String) -> Self {
            Self(description: "gauge \(name)") { registry in _ = try registry.gauge(name, mode: .sum) }
        }
        static func histogram(_ name: String) -> Self {
            Self(description: "histogram \(name)") { registry in _ = try registry.histogram(name) }
        }
        static func summary(_ name: String) -> Self {
            Self(description: "summary \(name)") { registry in _ = try registry.summary(name) }
        }
        static func info(_ name: String) -> Self {
            Self(description: "info \(name)") { registry in _ = try registry.info(name) }
        }
        static func stateSet(_ name: String) -> Self {
            Self(description: "state set \(name)") { registry in
                _ = try registry.stateSet(name, states: ["a"])
            }
        }
    }

    static let clashes: [(Declaration, Declaration, String)] = [
        (.counter("x"), .gauge("x_total"), "x_total"), (.counter("x"), .histogram("x_total"), "x_total"),
        (.counter("x"), .summary("x_total"), "x_total"), (.counter("x"), .stateSet("x_total"), "x_total"),
        (.info("x"), .gauge("x_info"), "x_info"), (.info("x"), .stateSet("x_info"), "x_info"),
        (.histogram("x"), .gauge("x_bucket"), "x_bucket"), (.histogram("x"), .gauge("x_sum"), "x_sum"),
        (.histogram("x"), .gauge("x_count"), "x_count"), (.histogram("x"), .summary("x_sum"), "x_sum"),
        (.histogram("x"), .histogram("x_count"), "x_count"), (.summary("x"), .gauge("x_sum"), "x_sum"),
        (.summary("x"), .stateSet("x_count"), "x_count"), (.summary("x"), .summary("x_count"), "x_count"),
        (.histogram("x_total"), .counter("x"), "x_total"), (.counter("x_sum"), .gauge("x_sum_total"), "x_sum_total"),
    ]

    @Test("Two families do not expose the same sample, whichever comes first", arguments: clashes)
    func clash(first: Declaration, second: Declaration, sample: String) throws {
        for (early, late) in [(first, second), (second, first)] {
            let place = try TestRegistry()
            try withExtendedLifetime(place) {
                try early.make(place.registry)
                let error = refusal { try late.make(place.registry) }
                #expect(error?.code == .conflict, "\(early), then \(late)")
                #expect(
                    error?.message.contains("would expose \(sample), as the ") == true, "\(error?.message ?? "taken")")
                #expect(place.statistics.conflicts == 1)
                #expect(place.statistics.families == 1)
            }
        }
    }

    static let compatible: [(Declaration, Declaration)] = [
        (.counter("x"), .gauge("x_sum")), (.counter("x"), .gauge("x_info")), (.gauge("x"), .gauge("x_total")),
        (.gauge("x"), .gauge("x_bucket")), (.summary("x"), .gauge("x_bucket")), (.info("x"), .counter("x_info")),
        (.histogram("x"), .counter("x_sum")), (.histogram("x"), .info("x_count")),
        (.counter("x"), .histogram("x_seconds")),
        (.counter("x_count"), .gauge("x")), (.stateSet("x"), .gauge("x_count")),
    ]

    @Test("Families whose samples differ live side by side", arguments: compatible)
    func neighbours(first: Declaration, second: Declaration) throws {
        for order in [[first, second], [second, first]] {
            let place = try TestRegistry()
            try withExtendedLifetime(place) {
                for declaration in order { try declaration.make(place.registry) }
                #expect(place.statistics.families == 2)
            }
        }
    }
}
