// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import FDMetrics
import FDMetricsSwiftMetrics
import Glibc
import Testing

/// Processes of one service: each is this program started once more.
@Suite("swift-metrics: several processes")
struct SeveralProcessesTests {
    private let backend: Backend

    init() throws { backend = try Backend() }

    @Test("The same label and dimensions are one series in all processes, also of those that have ended")
    func totals() async throws {
        let directory = backend.directory
        for number in 1...3 {
            await #expect(processExitsWith: .success) { [directory = directory as String, number = number as Int] in
                try MetricsSystem.bootstrap(FDMetricsFactory(registry: MetricRegistry(directory: directory)))
                // In another order in each process.
                let dimensions = [("method", "GET"), ("status", "200")]
                let ordered = number == 2 ? dimensions.reversed() : dimensions
                CoreMetrics.Counter(label: "http.requests", dimensions: ordered).increment(by: number)
                FloatingPointCounter(label: "http.work").increment(by: 0.5)
                Timer(label: "http.wait").recordSeconds(number)
                CoreMetrics.Gauge(label: "http.open").record(number)
                Meter(label: "http.busy").increment(by: 2.0)
            }
        }
        CoreMetrics.Gauge(label: "http.open", factory: backend.factory()).record(10)
        let samples = try backend.samples()
        #expect(samples[#"http_requests_total{method="GET",status="200"}"#] == 6)
        #expect(samples["http_work_total"] == 1.5)
        #expect(samples["http_wait_seconds_sum"] == 6)
        #expect(samples["http_wait_seconds_count"] == 3)
        // Gauges are of the live processes alone.
        #expect(samples["http_open"] == 10)
        #expect(samples["http_busy"] == 0)
    }

    @Test("A killed process loses nothing of what it counted")
    func killed() async throws {
        await #expect(processExitsWith: .signal(SIGKILL)) { [directory = backend.directory as String] in
            let factory = FDMetricsFactory(registry: try MetricRegistry(directory: directory))
            let counter = CoreMetrics.Counter(label: "jobs", factory: factory)
            for _ in 0..<1_000 { counter.increment() }
            raise(SIGKILL)
        }
        #expect(try backend.samples() == ["jobs_total": 1_000])
    }

    @Test("What one process destroys or resets takes nothing from the others")
    func destroyed() async throws {
        let factory = backend.factory()
        let counter = CoreMetrics.Counter(label: "jobs", factory: factory)
        let gauge = CoreMetrics.Gauge(label: "level", factory: factory)
        counter.increment(by: 5)
        gauge.record(3)
        await #expect(processExitsWith: .success) { [directory = backend.directory as String] in
            var configuration = FDMetricsFactory.Configuration()
            configuration.onProblem = { _ in }
            let factory = FDMetricsFactory(
                registry: try MetricRegistry(directory: directory), configuration: configuration)
            let counter = CoreMetrics.Counter(label: "jobs", factory: factory)
            let gauge = CoreMetrics.Gauge(label: "level", factory: factory)
            counter.increment(by: 2)
            gauge.record(100)
            counter.reset()
            counter.destroy()
            gauge.destroy()
        }
        counter.increment()
        #expect(try backend.samples() == ["jobs_total": 8, "level": 3])
    }

    @Test("One line at start-up takes the service's default store")
    func defaultStore() async throws {
        await #expect(processExitsWith: .success) { [directory = backend.directory as String] in
            setenv("FDMETRICS_DIR", directory, 1)
            MetricsSystem.bootstrap(FDMetricsFactory())
            CoreMetrics.Counter(label: "jobs").increment(by: 3)
        }
        #expect(try backend.samples() == ["jobs_total": 3])
    }

    @Test("Without a store the program works, records nothing, and says why")
    func noStore() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            setenv("FDMETRICS_DIR", "/proc/no/such/directory", 1)
            // Nor is there an automatic one in its place.
            setenv("FDMETRICS_AUTO_DIR", "/proc/no/fdmetrics-00000000-0000-4000-8000-000000000000", 1)
            let factory = FDMetricsFactory()
            let counter = CoreMetrics.Counter(label: "jobs", factory: factory)
            counter.increment()
            counter.reset()
            counter.destroy()
            FloatingPointCounter(label: "work", factory: factory).increment(by: 0.5)
            CoreMetrics.Gauge(label: "level", factory: factory).record(1)
            Meter(label: "level", factory: factory).decrement()
            Recorder(label: "size", factory: factory).record(1)
            Timer(label: "wait", factory: factory).recordSeconds(1)
        }
        let lines = try #require(result).standardErrorContent.split(separator: UInt8(ascii: "\n"))
        let said = lines.map { String(decoding: $0, as: UTF8.self) }.filter { $0.hasPrefix("fdmetrics: ") }
        #expect(said.count == 1 && said[0].contains("metrics are off: ") && said[0].contains("/proc/no"), "\(said)")
    }

    @Test("Processes that begin at once agree on one family")
    func together() async throws {
        let directory = backend.directory
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<3 {
                group.addTask {
                    await #expect(processExitsWith: .success) {
                        [directory = directory as String, number = number as Int] in
                        var configuration = FDMetricsFactory.Configuration()
                        configuration.onProblem = { _ in }
                        let factory = FDMetricsFactory(
                            registry: try MetricRegistry(directory: directory), configuration: configuration)
                        for index in 0..<200 {
                            // Each process has a dimension that the others have not.
                            let dimensions = [("shared", "\(index % 10)"), ("own\(number)", "x")]
                            CoreMetrics.Counter(label: "jobs.\(index)", dimensions: dimensions, factory: factory)
                                .increment()
                        }
                    }
                }
            }
        }
        #expect(try backend.samples().values.reduce(0, +) == 600)
    }
}
#endif
