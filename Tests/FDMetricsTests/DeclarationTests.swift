// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Glibc
import Testing

@Suite("Declarations")
struct DeclarationTests {
    private let place: TestRegistry
    private var registry: MetricRegistry { place.registry }

    init() throws { place = try TestRegistry() }

    /// Names of the samples, without labels.
    private func names() throws -> [String] {
        try place.samples().map { String($0.prefix { $0 != "{" && $0 != " " }) }
    }

    // MARK: - Names

    @Test(
        "Takes the names of Prometheus",
        arguments: ["a", "A_b9", "_x", ":", "a:b", "fastdeploy:zmq:depth", "x_total_things"])
    func names(name: String) throws {
        try registry.gauge(name, mode: .sum).set(1)
        #expect(try place.samples() == ["\(name) 1.0"])
    }

    @Test("Refuses other names", arguments: ["", "1a", "a-b", "a b", "a.b", "größe", "a\n", "a\0", "a{", "\u{FF41}"])
    func badNames(name: String) throws {
        let calls: [() throws -> Void] = [
            { _ = try registry.counter(name) },
            { _ = try registry.gauge(name, mode: .sum) },
            { _ = try registry.histogram(name) },
            { _ = try registry.summary(name) },
            { _ = try registry.info(name) },
            { _ = try registry.stateSet(name, states: ["a"]) },
        ]
        for call in calls {
            let error = refusal(call)
            #expect(error?.code == .invalidName)
            #expect(error?.message.hasPrefix("\"\(name)\" is not a metric name: use letters") == true)
        }
        #expect(place.statistics.families == 0)
    }

    @Test("A refusal says how to get such names")
    func wayOut() {
        let calls: [() throws -> Void] = [
            { _ = try registry.counter("http.requests") },
            { _ = try registry.counterFamily("requests", labels: ["http.method"]) },
            { try registry.info("build").set([("git.commit", "a")]) },
        ]
        for call in calls { #expect(refusal(call)?.message.contains("FDMETRICS_UTF8_NAMES=1") == true) }
    }

    /// In a process of its own, as the setting is of the process.
    @Test("Takes names of any UTF-8 where they are allowed")
    func otherNames() async {
        await #expect(processExitsWith: .success) {
            setenv("FDMETRICS_UTF8_NAMES", "1", 1)
            let place = try TestRegistry()
            let registry = place.registry
            try registry.counterFamily("http.requests_total", labels: ["http.method"], unit: "seconds").labels("GET")
                .increment()
            try registry.info("build.data_info").set([("git.commit", "a"), ("é", "b")])
            #expect(
                try place.samples() == [
                    "build_data_info{git_commit=\"a\",_=\"b\"} 1.0",
                    "http_requests_seconds_total{http_method=\"GET\"} 1.0",
                ])
            for name in ["", "a\0", "a\u{FFFD}"] {
                #expect(throws: MetricError.self) { try registry.counter(name) }
                #expect(throws: MetricError.self) { try registry.counterFamily("c", labels: [name]) }
            }
            for label in ["__a.b", "a.b"] {
                #expect(throws: MetricError.self) { try registry.counterFamily("c", labels: [label, "a.b"]) }
            }
            #expect(throws: MetricError.self) { try registry.counter("a.b", unit: "°C") }
            UTF8Names.areAllowed = false
            #expect(throws: MetricError.self) { try registry.counter("http.other") }
            UTF8Names.areAllowed = true
            try registry.counter("http.other").increment()
        }
    }

    @Test("A counter has one _total, an info one _info, given or not")
    func suffixes() throws {
        for name in ["jobs", "jobs_total"] { try registry.counter(name).increment() }
        for name in ["build", "build_info"] { try registry.info(name).set([("a", "b")]) }
        try registry.counter("_total").increment()
        try registry.counter("total").increment()
        #expect(
            try Set(place.samples()) == [
                "jobs_total 2.0", "build_info{a=\"b\"} 1.0", "_total_total 1.0", "total_total 1.0",
            ])
    }

    @Test("A unit ends the name, before _total")
    func units() throws {
        try registry.counter("cpu_seconds_total", unit: "seconds").increment()
        try registry.counter("sent", unit: "bytes").increment()
        try registry.counter("sent_total", unit: "bytes").increment()
        try registry.gauge("heat", mode: .sum, unit: "celsius").set(1)
        try registry.summary("size_bytes", unit: "bytes").observe(1)
        #expect(
            try names() == [
                "cpu_seconds_total", "heat_celsius", "sent_bytes_total", "size_bytes_count", "size_bytes_sum",
            ])
        for unit in ["a b", "ü", "a-b", "\n"] {
            #expect(refusal { _ = try registry.counter("x", unit: unit) }?.code == .invalidName)
        }
    }

    // MARK: - Labels

    @Test("Takes the label names of Prometheus", arguments: ["a", "_a", "A9", "a__b", "job", "instance"])
    func labels(label: String) throws {
        try registry.counterFamily("jobs", labels: [label]).labels("x").increment()
        #expect(try place.samples() == ["jobs_total{\(label)=\"x\"} 1.0"])
    }

    @Test("Refuses other label names", arguments: ["", "1a", "a-b", "a:b", "größe", "a b", "__name__", "__a"])
    func badLabels(label: String) throws {
        let error = refusal { _ = try registry.counterFamily("jobs", labels: ["ok", label]) }
        #expect(error?.code == .invalidName)
        #expect(error?.message.hasPrefix("\"\(label)\" of jobs") == true)
    }

    @Test("Refuses labels that a type's own samples have, and only for that type")
    func reservedLabels() throws {
        let refused: [(String, () throws -> Void)] = [
            ("le", { _ = try registry.histogramFamily("a", labels: ["x", "le"]) }),
            ("quantile", { _ = try registry.summaryFamily("b", labels: ["quantile"]) }),
            ("c", { _ = try registry.stateSet("c", states: ["s"], labels: ["c"]) }),
            ("a_b_c", { _ = try registry.stateSet("a:b:c", states: ["s"], labels: ["a_b_c"]) }),
        ]
        for (label, call) in refused { #expect(refusal(call)?.code == .invalidName, "\(label)") }
        _ = try registry.counterFamily("g", labels: ["le", "quantile", "worker", "pid"])
        _ = try registry.gaugeFamily("h", labels: ["le", "quantile", "worker", "pid"], mode: .sum)
        _ = try registry.summaryFamily("i", labels: ["le"])
        _ = try registry.histogramFamily("j", labels: ["quantile"])
    }

    @Test("Refuses a label twice, and more than 64")
    func manyLabels() throws {
        let twice = refusal { _ = try registry.counterFamily("jobs", labels: ["a", "b", "a"]) }
        #expect(twice?.code == .invalidName)
        #expect(twice?.message == "jobs has a label twice in (a, b, a): name each once")
        let labels = (0..<65).map { "l\($0)" }
        let many = refusal { _ = try registry.counterFamily("jobs", labels: labels) }
        #expect(many?.code == .invalidArgument)
        #expect(many?.message == "jobs has 65 labels: use at most 64")
        let family = try registry.counterFamily("jobs", labels: Array(labels.dropLast()))
        try family.labels(labels.dropLast().map { "v\($0)" }).increment()
        let text = labels.dropLast().sorted().map { "\($0)=\"v\($0)\"" }.joined(separator: ",")
        #expect(try place.samples() == ["jobs_total{\(text)} 1.0"])
    }

    // MARK: - Bounds and states

    @Test(
        "Refuses bounds that are not strictly ascending numbers",
        arguments: [
            [1, 1], [2, 1], [1, .nan], [.nan], [1, -.infinity], [-.infinity, -.infinity], [1, .infinity, .infinity],
            [.infinity, 1], [0, -0.0],
            [.infinity],
        ] as [[Double]])
    func bounds(bounds: [Double]) {
        let error = refusal { _ = try registry.histogram("wait", bounds: bounds) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("wait") == true)
    }

    @Test("Takes 1,000 bounds, and +Inf, and no more")
    func manyBounds() throws {
        let bounds = (0..<1001).map(Double.init)
        let error = refusal { _ = try registry.histogram("wait", bounds: bounds) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == "wait has 1001 bucket bounds: use at most 1000")
        try registry.histogram("wait", bounds: bounds.dropLast() + [.infinity]).observe(998.5)
        #expect(try place.samples().filter { $0.hasSuffix(" 1.0") }.first == "wait_bucket{le=\"999.0\"} 1.0")
        #expect(try place.samples().count == 1001 + 2)
    }

    @Test("Refuses no states, a state twice and more than 1,000")
    func states() throws {
        for states in [[], ["a", "b", "a"], (0..<1001).map { "s\($0)" }] {
            let error = refusal { _ = try registry.stateSet("phase", states: states) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.hasPrefix("phase has the states") == true)
        }
        try registry.stateSet("phase", states: (0..<1000).map { "s\($0)" }).set("s999")
        #expect(try place.samples().filter { $0.hasSuffix(" 1.0") } == ["phase{phase=\"s999\"} 1.0"])
    }
}
