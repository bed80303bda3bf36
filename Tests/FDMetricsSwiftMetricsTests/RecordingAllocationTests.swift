// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import FDMetricsSwiftMetrics
import Glibc
import Testing

/// That no recording allocates: each runs in a fork child whose heap is exhausted, where an allocation ends the process.
@Suite("swift-metrics: allocations")
struct RecordingAllocationTests {
    private let backend: Backend
    private let fork: @convention(c) () -> pid_t
    private static let repetitions = 10_000

    init() throws {
        backend = try Backend()
        // Swift imports no fork. The child here calls what a fork child may: the library, malloc and _exit.
        let address = try #require(dlsym(nil, "fork"))
        fork = unsafeBitCast(address, to: (@convention(c) () -> pid_t).self)
    }

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

    @Test("Counters")
    func counters() throws {
        let factory = backend.factory()
        let counter = Counter(label: "jobs", factory: factory)
        let floating = FloatingPointCounter(label: "work", factory: factory)
        let status = try status {
            counter.increment()
            counter.increment(by: -1)
            floating.increment(by: 0.5)
        }
        #expect(status == 0)
        #expect(try backend.samples()["jobs_total"] == Double(Self.repetitions + 2))
        #expect(try backend.samples()["work_total"] == 0.5 * Double(Self.repetitions + 2))
    }

    @Test("Gauges and meters")
    func gauges() throws {
        let factory = backend.factory()
        let gauge = Gauge(label: "level", factory: factory)
        let meter = Meter(label: "busy", factory: factory)
        let status = try status {
            gauge.record(1)
            meter.increment()
            meter.decrement(by: 0.5)
            meter.set(7)
        }
        #expect(status == 0)
    }

    @Test("Recorders and timers, of a preferred unit too")
    func histograms() throws {
        let recorder = Recorder(label: "size", factory: backend.factory())
        let timer = Timer(label: "wait", factory: backend.factory())
        let preferring = Timer(
            label: "rest", preferredDisplayUnit: .milliseconds, factory: backend.factory { $0.timerUnit = .preferred })
        let status = try status {
            recorder.record(0.5)
            timer.recordNanoseconds(5 as Int64)
            preferring.recordNanoseconds(5 as Int64)
        }
        #expect(status == 0)
        #expect(try backend.samples()["rest_milliseconds_count"] == Double(Self.repetitions + 2))
    }
}
#endif
