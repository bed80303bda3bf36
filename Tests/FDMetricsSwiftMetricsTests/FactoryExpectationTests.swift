// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import FDMetricsStore
import FDMetricsSwiftMetrics
import Testing

/// What swift-metrics' own tests expect of a factory: alone, multiplexed, mapped, of a task, and when metrics are destroyed.
@Suite("swift-metrics: factories")
struct FactoryExpectationTests {
    private let backend: Backend

    init() throws { backend = try Backend() }

    @Test("The same label and dimensions are one series, whatever order they are given in")
    func sameSeries() throws {
        let factory = backend.factory()
        Counter(label: "requests", dimensions: [("method", "GET"), ("status", "200")], factory: factory).increment()
        Counter(label: "requests", dimensions: [("status", "200"), ("method", "GET")], factory: factory).increment()
        Counter(label: "requests", dimensions: [("status", "404"), ("method", "GET")], factory: factory).increment()
        #expect(
            try backend.samples() == [
                #"requests_total{method="GET",status="200"}"#: 2, #"requests_total{method="GET",status="404"}"#: 1,
            ])
        #expect(backend.problems == [])
    }

    @Test("A dimension that is given twice is one label, whatever the order")
    func repeatedDimension() throws {
        let factory = backend.factory()
        Counter(label: "requests", dimensions: [("tag", "b"), ("tag", "a")], factory: factory).increment(by: 3)
        Counter(label: "requests", dimensions: [("tag", "a"), ("tag", "b")], factory: factory).increment()
        #expect(try backend.samples() == [#"requests_total{tag="a;b"}"#: 4])
    }

    @Test("Names and values that look alike when put together are different dimensions")
    func noConcatenation() throws {
        let factory = backend.factory { $0.dimensionNames = ["tricky": ["a", "b"]] }
        Counter(label: "tricky", dimensions: [("a", "b=c")], factory: factory).increment()
        Counter(label: "tricky", dimensions: [("b", "b=c")], factory: factory).increment()
        Counter(label: "tricky", dimensions: [("a", #"b",b="c"#)], factory: factory).increment()
        #expect(
            try backend.samples() == [
                #"tricky_total{a="b=c",b=""}"#: 1, #"tricky_total{a="",b="b=c"}"#: 1,
                #"tricky_total{a="b\",b=\"c",b=""}"#: 1,
            ])
    }

    @Test("A multiplexed metric reaches every store, and is destroyed in each")
    func multiplexed() throws {
        let others = [try Backend(), try Backend()]
        let all = [backend] + others
        let factory = MultiplexMetricsHandler(factories: all.map { $0.factory { $0.ownsTotals = true } })
        let counter = Counter(label: "jobs", factory: factory)
        let floating = FloatingPointCounter(label: "work", factory: factory)
        let meter = Meter(label: "level", factory: factory)
        let recorder = Recorder(label: "size", factory: factory)
        let timer = Timer(label: "wait", preferredDisplayUnit: .minutes, factory: factory)
        counter.increment(by: 2)
        floating.increment(by: 0.5)
        meter.set(4)
        recorder.record(8)
        timer.recordSeconds(16)
        for one in all {
            let samples = try one.samples()
            let names = ["jobs_total", "work_total", "level", "size_sum", "wait_seconds_sum"]
            #expect(names.map { samples[$0] } == [2, 0.5, 4, 8, 16])
        }
        counter.reset()
        #expect(try all.map { try $0.samples()["jobs_total"] } == [0, 0, 0])
        counter.destroy()
        floating.destroy()
        meter.destroy()
        recorder.destroy()
        timer.destroy()
        for one in all { #expect(try one.samples().isEmpty) }
    }

    @Test("A mapped factory's labels and dimensions are what it makes of them")
    func mapped() throws {
        let factory = backend.factory().withLabelAndDimensionsMapping { label, dimensions in
            ("prefix.\(label)", dimensions + [("env", "test")])
        }
        let counter = Counter(label: "requests", dimensions: [("method", "GET")], factory: factory)
        counter.increment()
        Meter(label: "temperature", factory: factory).set(42)
        #expect(
            try backend.samples() == [
                #"prefix_requests_total{env="test",method="GET"}"#: 1, #"prefix_temperature{env="test"}"#: 42,
            ])
        counter.destroy()
    }

    @Test("A task's factory makes what is made in it; it is used later as well")
    func taskLocal() async throws {
        let counter = withMetricsFactory(backend.factory()) { Counter(label: "jobs") }
        counter.increment(by: 42)
        await withMetricsFactory(backend.factory()) {
            await Task { Gauge(label: "level").record(99.5) }.value
        }
        Counter(label: "elsewhere").increment()
        #expect(try backend.samples() == ["jobs_total": 42, "level": 99.5])
    }

    @Test("A destroyed counter's total stays; made again, it goes on from there")
    func destroyKeepsTotals() throws {
        let factory = backend.factory()
        let counter = Counter(label: "jobs", factory: factory)
        let timer = Timer(label: "wait", factory: factory)
        let recorder = Recorder(label: "size", factory: factory)
        counter.increment(by: 5)
        timer.recordSeconds(1)
        recorder.record(2)
        counter.destroy()
        timer.destroy()
        recorder.destroy()
        #expect(try backend.samples()["jobs_total"] == 5)
        #expect(try backend.samples()["wait_seconds_count"] == 1)
        #expect(try backend.samples()["size_count"] == 1)
        Counter(label: "jobs", factory: factory).increment()
        #expect(try backend.samples()["jobs_total"] == 6)
        #expect(backend.problems == [])
    }

    @Test("A destroyed gauge has no value of this process; the next recording brings it back")
    func destroyWithdraws() throws {
        let factory = backend.factory { $0.gaugeModes.prefixes = ["all.": .all, "last.": .mostRecent] }
        let gauges = ["level", "all.level", "last.level"].map { Gauge(label: $0, factory: factory) }
        for gauge in gauges { gauge.record(3) }
        #expect(try backend.samples() == ["level": 3, "all_level": 3, "last_level": 3])
        for gauge in gauges { gauge.destroy() }
        // A sum of nothing is 0; the others have no sample then.
        #expect(try backend.samples() == ["level": 0])
        for gauge in gauges { gauge.record(4) }
        #expect(try backend.samples() == ["level": 4, "all_level": 4, "last_level": 4])
        let meter = Meter(label: "level", factory: factory)
        meter.destroy()
        meter.increment()
        #expect(try backend.samples()["level"] == 1)
    }

    @Test("Where this process owns the totals, destroying removes; made again, it begins anew")
    func destroyRemoves() throws {
        let factory = backend.factory { $0.ownsTotals = true }
        let first = Counter(label: "jobs", dimensions: [("queue", "a")], factory: factory)
        let second = Counter(label: "jobs", dimensions: [("queue", "b")], factory: factory)
        let gauge = Gauge(label: "level", factory: factory)
        first.increment(by: 5)
        second.increment(by: 7)
        gauge.record(1)
        first.destroy()
        gauge.destroy()
        first.increment()
        gauge.record(2)
        #expect(try backend.samples() == [#"jobs_total{queue="b"}"#: 7])
        Counter(label: "jobs", dimensions: [("queue", "a")], factory: factory).increment()
        Gauge(label: "level", factory: factory).record(3)
        #expect(
            try backend.samples() == [#"jobs_total{queue="a"}"#: 1, #"jobs_total{queue="b"}"#: 7, "level": 3])
    }

    @Test("A handler of another factory is left alone")
    func foreignHandlers() throws {
        let factory = backend.factory()
        factory.destroyCounter(NOOPMetricsHandler.instance)
        factory.destroyFloatingPointCounter(NOOPMetricsHandler.instance)
        factory.destroyMeter(NOOPMetricsHandler.instance)
        factory.destroyRecorder(NOOPMetricsHandler.instance)
        factory.destroyTimer(NOOPMetricsHandler.instance)
        #expect(try backend.samples().isEmpty)
    }

    @Test("Descriptions are swift-metrics' own, with the label as it was given")
    func descriptions() {
        let factory = backend.factory()
        #expect("\(Counter(label: "hello.counter", factory: factory))" == "Counter(hello.counter, dimensions: [])")
        #expect("\(Gauge(label: "hello.g", factory: factory))" == "Gauge(hello.g, dimensions: [], aggregate: false)")
        #expect("\(Timer(label: "hello.timer", factory: factory))" == "Timer(hello.timer, dimensions: [])")
    }
}
#endif
