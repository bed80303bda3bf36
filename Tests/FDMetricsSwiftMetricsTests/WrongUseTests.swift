// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import struct FDMetrics.MetricFamily
import FDMetricsStore
import FDMetricsSwiftMetrics
import FDMetricsTestSupport
import Testing

/// What happens where labels, dimensions and declarations do not fit together: nothing ends the program, and what is not
/// recorded as it was meant is counted and reported.
@Suite("swift-metrics: wrong use")
struct WrongUseTests {
    private let backend: Backend

    init() throws { backend = try Backend() }

    @Test(
        "Names are made fit for Prometheus",
        arguments: [
            ("http.server.requests", "http_server_requests"), ("a-b c/d", "a_b_c_d"), ("ns:metric", "ns:metric"),
            ("2xx", "_2xx"), ("Größe", "Gr__e"), ("🇩🇪", "__"), ("", "_"), ("e\u{301}", "e_"), ("_x", "_x"),
            ("a\0b", "a_b"),
        ])
    func names(_ label: String, _ name: String) throws {
        Gauge(label: label, factory: backend.factory()).record(1)
        #expect(try backend.samples() == [name: 1])
        #expect(backend.problems == [])
    }

    @Test(
        "So are dimension names; those that Prometheus or the family needs are moved",
        arguments: [
            ("http.route", "http_route"), ("a:b", "a_b"), ("1st", "_1st"), ("__name__", "_name__"), ("", "_"),
            ("le", "exported_le"), ("____", "_"),
        ])
    func dimensions(_ dimension: String, _ name: String) throws {
        Recorder(label: "size", dimensions: [(dimension, "x")], factory: backend.factory()).record(1)
        #expect(try backend.samples()["size_count{\(name)=\"x\"}"] == 1)
        #expect(backend.problems == [])
    }

    @Test("Values are kept, whatever they are")
    func values() throws {
        var generator = SeededGenerator(for: "swift-metrics values")
        let factory = backend.factory()
        for _ in 0..<50 {
            let scalars = (0..<8).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0..<0x300, using: &generator)) }
            let value = String(String.UnicodeScalarView(scalars))
            Counter(label: "jobs", dimensions: [("v", value)], factory: factory).increment()
            let escaped = value.unicodeScalars.map {
                $0 == "\\" ? #"\\"# : $0 == "\"" ? #"\""# : $0 == "\n" ? #"\n"# : "\($0)"
            }
            #expect(
                try backend.text().contains("jobs_total{v=\"\(escaped.joined())\"} 1.0\n"), "\(value.debugDescription)")
        }
    }

    @Test("Dimensions that become one label are joined")
    func sanitisedAlike() throws {
        let factory = backend.factory()
        Counter(label: "jobs", dimensions: [("a.b", "1"), ("a_b", "2"), ("c", "3")], factory: factory).increment()
        Counter(label: "jobs", dimensions: [("c", "3"), ("a_b", "2"), ("a.b", "1")], factory: factory).increment()
        #expect(try backend.samples() == [#"jobs_total{a_b="1;2",c="3"}"#: 2])
    }

    @Test("Fewer dimensions than the first use had are empty labels")
    func fewer() throws {
        let factory = backend.factory()
        Counter(label: "jobs", dimensions: [("queue", "a"), ("kind", "x")], factory: factory).increment()
        Counter(label: "jobs", dimensions: [("queue", "a")], factory: factory).increment(by: 2)
        Counter(label: "jobs", factory: factory).increment(by: 4)
        #expect(
            try backend.samples() == [
                #"jobs_total{kind="x",queue="a"}"#: 1, #"jobs_total{kind="",queue="a"}"#: 2,
                #"jobs_total{kind="",queue=""}"#: 4,
            ])
        #expect(backend.problems == [])
        #expect(backend.conflicts == 0)
    }

    @Test("A dimension that the first use had not is left out; the total is right, and it is counted and reported once")
    func more() throws {
        let factory = backend.factory()
        Counter(label: "jobs", dimensions: [("queue", "a")], factory: factory).increment()
        for kind in ["x", "y", "z"] {
            Counter(label: "jobs", dimensions: [("queue", "a"), ("kind", kind)], factory: factory).increment(by: 2)
        }
        #expect(try backend.samples() == [#"jobs_total{queue="a"}"#: 7])
        #expect(backend.conflicts == 1)
        #expect(backend.problems.count == 1)
        #expect(backend.problems[0].contains(#"the dimension "kind" of "jobs" is left out"#))
        #expect(backend.problems[0].contains("dimensionNames"))
    }

    @Test("Dimension names that are told beforehand are the family's, whichever use comes first")
    func declared() throws {
        let factory = backend.factory { $0.dimensionNames = ["jobs": ["queue", "kind"]] }
        Counter(label: "jobs", factory: factory).increment()
        Counter(label: "jobs", dimensions: [("kind", "x")], factory: factory).increment()
        Counter(label: "jobs", dimensions: [("kind", "x"), ("queue", "a")], factory: factory).increment()
        #expect(try backend.samples().values.reduce(0, +) == 3)
        #expect(try backend.samples().count == 3)
        #expect(backend.problems == [])
    }

    @Test("A family of another language is taken as it is, its labels in its own order")
    func joined() throws {
        let others = try backend.registry.histogramFamily(
            "http_wait_seconds", labels: ["route", "method"], bounds: [1, 2], help: "Time to answer")
        try others.labels("/", "GET").observe(1.5)
        let dimensions = [("method", "GET"), ("route", "/")]
        Timer(label: "http.wait", dimensions: dimensions, factory: backend.factory()).recordSeconds(1)
        #expect(try others.labels("/", "GET").total == (2, 2.5))
        #expect(try backend.samples().count == 5)
        // The bounds are others than this process's, the labels are the same.
        #expect(backend.problems.count == 1 && backend.problems[0].contains("its bucket bounds are [1.0, 2.0]"))
        #expect(backend.conflicts == 1)
    }

    @Test("Another gauge mode is not this process's to choose any more")
    func otherMode() throws {
        Gauge(label: "level", factory: backend.factory()).record(1)
        Gauge(label: "level", factory: backend.factory { $0.gaugeModes.general = .max }).record(2)
        #expect(try backend.samples() == ["level": 2])
        #expect(try backend.descriptor("level")?.gaugeMode == .liveSum)
        #expect(backend.problems.count == 1 && backend.problems[0].contains("its mode is livesum, not max"))
    }

    @Test("One name as two types: the second one records nothing, which is counted and reported")
    func otherType() throws {
        let factory = backend.factory()
        Counter(label: "jobs", factory: factory).increment()
        let gauge = Gauge(label: "jobs", factory: factory)
        gauge.record(7)
        let recorder = Recorder(label: "jobs", factory: factory)
        recorder.record(7)
        #expect(try backend.samples() == ["jobs_total": 1])
        #expect(backend.conflicts == 2)
        #expect(backend.problems.count == 2)
        #expect(backend.problems.allSatisfy { $0.hasPrefix(#""jobs" is not recorded: "#) })
        gauge.destroy()
        recorder.destroy()
    }

    @Test("A counter and a timer of one label are two families")
    func counterAndTimer() throws {
        let factory = backend.factory()
        Counter(label: "jobs", factory: factory).increment()
        Timer(label: "jobs", factory: factory).recordSeconds(1)
        #expect(try backend.samples()["jobs_total"] == 1)
        #expect(try backend.samples()["jobs_seconds_count"] == 1)
        #expect(backend.problems == [])
    }

    @Test("Names whose samples would be another family's are refused")
    func clash() throws {
        let factory = backend.factory()
        Counter(label: "jobs", factory: factory).increment()
        Gauge(label: "jobs.total", factory: factory).record(7)
        #expect(try backend.samples() == ["jobs_total": 1])
        #expect(backend.problems.count == 1 && backend.problems[0].contains("would expose jobs_total"))
    }

    @Test("Beyond the series limit nothing is recorded, which is counted for each and reported once")
    func seriesLimit() throws {
        let backend = try Backend(seriesLimit: 3)
        let factory = backend.factory()
        for index in 0..<10 { Counter(label: "jobs", dimensions: [("n", "\(index)")], factory: factory).increment() }
        #expect(try backend.samples().count == 3)
        #expect(backend.droppedSeries == 7)
        #expect(backend.problems.count == 1 && backend.problems[0].contains("the limit of this store"))
    }

    @Test("More dimensions than a family can have")
    func manyDimensions() throws {
        let dimensions = (0..<65).map { ("d\($0)", "x") }
        Counter(label: "jobs", dimensions: dimensions, factory: backend.factory()).increment()
        #expect(try backend.samples().isEmpty)
        #expect(backend.problems.count == 1 && backend.problems[0].contains("65 labels"))
    }
}
#endif
