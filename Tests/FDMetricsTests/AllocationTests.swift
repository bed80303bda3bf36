// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import FDMetricsZMQRecording
import Glibc
import Testing

/// That no update allocates: each runs in a child process whose heap is exhausted, where an allocation ends the process.
@Suite("Allocations")
struct AllocationTests {
    private let place: TestRegistry
    private let fork: @convention(c) () -> pid_t

    init() throws {
        place = try TestRegistry()
        // Swift imports no fork. The child here calls what a fork child may: the library, malloc and _exit.
        let address = try #require(dlsym(nil, "fork"))
        fork = unsafeBitCast(address, to: (@convention(c) () -> pid_t).self)
    }

    private static let repetitions = 100_000

    /// Takes all memory that malloc can still give, down to the smallest piece.
    private static func exhaustHeap() {
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
        var size = 1 << 20
        while size > 0 {
            while malloc(size) != nil {}
            size = size > 4096 ? size / 2 : size - 8
        }
    }

    /// The exit status of a child process that runs a body with memory, then many times without. A signal is negative.
    private func status(_ body: () -> Void) throws -> Int32 {
        // What is made at the first use, by the language or the library, is made here; what a child makes, in the child.
        body()
        let child = fork()
        if child == 0 {
            body()
            Self.exhaustHeap()
            for _ in 0..<Self.repetitions { body() }
            _exit(0)
        }
        try #require(child > 0)
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 { try #require(errno == EINTR) }
        return status & 0x7F == 0 ? status >> 8 : -(status & 0x7F)
    }

    @Test("The child does notice an allocation")
    func control() throws {
        #expect(try status { if malloc(1) == nil { _exit(7) } } == 7)
    }

    @Test("Counter")
    func counter() throws {
        let counter = try place.registry.counter("jobs")
        let status = try status {
            counter.increment()
            counter.increment(by: 3 as UInt64)
            counter.increment(by: 2.0)
            counter.increment(by: 0.5)
            counter.increment(by: -1.0)
        }
        #expect(status == 0)
        #expect(counter.value == 6.5 * Double(Self.repetitions + 2))
    }

    @Test("Gauge", arguments: GaugeMode.allCases)
    func gauge(mode: GaugeMode) throws {
        let gauge = try place.registry.gauge("level", mode: mode)
        let status = try status {
            gauge.set(1)
            gauge.set(2, at: 1e9)
            gauge.increment()
            gauge.decrement(by: 0.5)
        }
        #expect(status == 0)
    }

    @Test("Histogram", arguments: [1, 9, 17, 100])
    func histogram(boundCount: Int) throws {
        let histogram = try place.registry.histogram("wait", bounds: (0..<boundCount).map(Double.init))
        let status = try status {
            histogram.observe(0.5)
            histogram.observe(1e9)
            histogram.observe(.nan)
        }
        #expect(status == 0)
        #expect(histogram.total.count == UInt64(3 * (Self.repetitions + 2)))
    }

    @Test("Summary")
    func summary() throws {
        let summary = try place.registry.summary("size")
        #expect(try status { summary.observe(0.5) } == 0)
        #expect(summary.total == (UInt64(Self.repetitions + 2), 0.5 * Double(Self.repetitions + 2)))
    }

    @Test("ZeroMQ link")
    func link() throws {
        let link = try ZMQLink(registry: place.registry, address: "ipc:///run/a")
        let status = try status {
            link.sent(bytes: 10)
            link.sendFailed()
            link.received(bytes: 10)
            link.received(bytes: 10, sentAt: 1)
        }
        #expect(status == 0)
        #expect(link.series.latency.total.count == UInt64(Self.repetitions + 2))
    }

    @Test("Instruments that record nothing")
    func inert() throws {
        let counter = try place.registry.counterFamily("jobs", labels: ["a"])[]
        let gauge = try place.registry.gaugeFamily("level", labels: ["a"], mode: .sum)[]
        let histogram = try place.registry.histogramFamily("wait", labels: ["a"])[]
        let status = try status {
            counter.increment()
            gauge.set(1)
            histogram.observe(1)
        }
        #expect(status == 0)
    }
}
