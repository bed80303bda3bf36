// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import FDMetricsSwiftMetrics
import FDMetricsTestSupport
import Glibc
import Testing

/// That no recording allocates: each runs in a fork child whose heap is exhausted, where an allocation ends the process.
@Suite("swift-metrics: allocations")
struct RecordingAllocationTests {
    private let backend: Backend
    private let child: HeapExhaustedChild
    init() throws {
        backend = try Backend()
        child = try HeapExhaustedChild(repetitions: 10_000)
    }

    @Test("The child does notice an allocation")
    func control() throws {
        #expect(try child.status { if malloc(1) == nil { _exit(7) } } == 7)
    }

    @Test("Counters")
    func counters() throws {
        let factory = backend.factory()
        let counter = Counter(label: "jobs", factory: factory)
        let floating = FloatingPointCounter(label: "work", factory: factory)
        let status = try child.status {
            counter.increment()
            counter.increment(by: -1)
            floating.increment(by: 0.5)
        }
        #expect(status == 0)
        #expect(try backend.samples()["jobs_total"] == Double(child.repetitions + 2))
        #expect(try backend.samples()["work_total"] == 0.5 * Double(child.repetitions + 2))
    }

    @Test("Gauges and meters")
    func gauges() throws {
        let factory = backend.factory()
        let gauge = Gauge(label: "level", factory: factory)
        let meter = Meter(label: "busy", factory: factory)
        let status = try child.status {
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
        let status = try child.status {
            recorder.record(0.5)
            timer.recordNanoseconds(5 as Int64)
            preferring.recordNanoseconds(5 as Int64)
        }
        #expect(status == 0)
        #expect(try backend.samples()["rest_milliseconds_count"] == Double(child.repetitions + 2))
    }
}
#endif
