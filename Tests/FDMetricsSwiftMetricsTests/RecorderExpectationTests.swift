// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import FDMetricsStore
import FDMetricsSwiftMetrics
import FDMetricsTestSupport
import Testing

/// What swift-metrics' own tests expect of gauges, meters and recorders, said of a store.
@Suite("swift-metrics: recorders, gauges, meters")
struct RecorderExpectationTests {
    private let backend: Backend

    init() throws { backend = try Backend() }

    @Test("Recordings of several threads are all counted")
    func threads() async throws {
        let recorder = Recorder(label: "size", factory: backend.factory())
        await inThreads(8) { _ in
            for value in 0..<1_000 { recorder.record(value) }
        }
        let samples = try backend.samples()
        #expect(samples["size_count"] == 8_000)
        #expect(samples["size_sum"] == 3_996_000)
    }

    @Test("Integers and floating-point numbers of every size are recorded as they are")
    func values() throws {
        var generator = SeededGenerator(for: "swift-metrics recorders")
        let recorder = Recorder(label: "size", factory: backend.factory())
        var sum = 0.0
        for _ in 0..<500 {
            let whole = Int32.random(in: .min ... .max, using: &generator)
            let float = Float.random(in: -1000...1000, using: &generator).rounded()
            recorder.record(whole)
            recorder.record(float)
            sum += Double(whole) + Double(float)
        }
        let samples = try backend.samples()
        #expect(samples["size_count"] == 1_000)
        // Whole numbers below 2^53: every partial sum is exact.
        #expect(samples["size_sum"] == sum)
        #expect(samples[#"size_bucket{le="+Inf"}"#] == 1_000)
    }

    @Test("A bucket's upper bound is inclusive")
    func buckets() throws {
        let factory = backend.factory { $0.recorderBuckets.general = [1, 10] }
        let recorder = Recorder(label: "size", factory: factory)
        for value in [1.0, 1.5, 10, 10.5] { recorder.record(value) }
        let samples = try backend.samples()
        #expect(samples[#"size_bucket{le="1.0"}"#] == 1)
        #expect(samples[#"size_bucket{le="10.0"}"#] == 3)
        #expect(samples[#"size_bucket{le="+Inf"}"#] == 4)
    }

    @Test("A gauge has the value that was recorded last")
    func gauge() throws {
        let gauge = Gauge(label: "level", factory: backend.factory())
        #expect(try backend.samples() == ["level": 0])
        gauge.record(-12.5)
        #expect(try backend.samples() == ["level": -12.5])
        gauge.record(Int64.min)
        #expect(try backend.samples() == ["level": Double(Int64.min)])
        Recorder(label: "level", aggregate: false, factory: backend.factory()).record(7)
        #expect(try backend.samples() == ["level": 7])
    }

    @Test("A meter is set to integers and floating-point numbers")
    func meter() throws {
        let meter = Meter(label: "level", factory: backend.factory())
        meter.set(42)
        #expect(try backend.samples() == ["level": 42])
        meter.set(-0.5)
        #expect(try backend.samples() == ["level": -0.5])
        meter.set(Int32.min)
        #expect(try backend.samples() == ["level": Double(Int32.min)])
    }

    @Test("A meter's increments and decrements of several threads all count")
    func meterThreads() async throws {
        let meter = Meter(label: "level", factory: backend.factory())
        await inThreads(8) { index in
            for _ in 0..<1_000 {
                meter.increment(by: Double(index + 1))
                meter.decrement(by: 0.5)
                meter.increment()
                meter.decrement()
            }
        }
        #expect(try backend.samples() == ["level": 36_000 - 4_000])
    }

    @Test("A meter ignores increments and decrements by what is no positive number")
    func meterIgnores() throws {
        let meter = Meter(label: "level", factory: backend.factory())
        meter.set(3)
        for amount in [Double.nan, .signalingNaN, .infinity, -.infinity, -100, 0, -0.0] {
            meter.increment(by: amount)
            meter.decrement(by: amount)
        }
        #expect(try backend.samples() == ["level": 3])
    }

    @Test("A gauge and a meter of one label are one series")
    func both() throws {
        let factory = backend.factory()
        Gauge(label: "level", factory: factory).record(2)
        Meter(label: "level", factory: factory).increment()
        #expect(try backend.samples() == ["level": 3])
    }

    @Test("Gauge modes by label, by prefix, and for the rest")
    func modes() throws {
        let factory = backend.factory {
            $0.gaugeModes.labels = ["cache.oldest": .min]
            $0.gaugeModes.prefixes = ["cache.": .max, "cache.temperature": .mostRecent]
        }
        for label in ["cache.oldest", "cache.size", "cache.temperature.cpu", "other"] {
            Gauge(label: label, factory: factory).record(1)
        }
        let modes = try ["cache_oldest", "cache_size", "cache_temperature_cpu", "other"].map { name in
            try backend.descriptor(name)?.gaugeMode
        }
        #expect(modes == [.min, .max, .mostRecent, .liveSum])
    }

    @Test("Increments of a meter in a mode without them are reported, and it can still be set")
    func mostRecent() throws {
        let meter = Meter(label: "level", factory: backend.factory { $0.gaugeModes.general = .mostRecent })
        meter.set(3)
        meter.increment()
        meter.decrement(by: 2)
        #expect(try backend.samples() == ["level": 3])
        #expect(backend.problems.count == 1 && backend.problems[0].contains("mode mostrecent"))
    }
}
#endif
