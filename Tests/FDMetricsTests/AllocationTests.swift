// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import FDMetricsTestSupport
import FDMetricsZMQRecording
import Glibc
import Testing

/// That no update allocates: each runs in a child process whose heap is exhausted, where an allocation ends the process.
@Suite("Allocations")
struct AllocationTests {
    private let place: TestRegistry
    private let child: HeapExhaustedChild

    init() throws {
        place = try TestRegistry()
        child = try HeapExhaustedChild(repetitions: 100_000)
    }

    @Test("The child does notice an allocation")
    func control() throws {
        #expect(try child.status { if malloc(1) == nil { _exit(7) } } == 7)
    }

    @Test("Counter")
    func counter() throws {
        let counter = try place.registry.counter("jobs")
        let status = try child.status {
            counter.increment()
            counter.increment(by: 3 as UInt64)
            counter.increment(by: 2.0)
            counter.increment(by: 0.5)
            counter.increment(by: -1.0)
        }
        #expect(status == 0)
        #expect(counter.value == 6.5 * Double(child.repetitions + 2))
    }

    @Test("Gauge", arguments: GaugeMode.allCases)
    func gauge(mode: GaugeMode) throws {
        let gauge = try place.registry.gauge("level", mode: mode)
        let status = try child.status {
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
        let status = try child.status {
            histogram.observe(0.5)
            histogram.observe(1e9)
            histogram.observe(.nan)
        }
        #expect(status == 0)
        #expect(histogram.total.count == UInt64(3 * (child.repetitions + 2)))
    }

    @Test("Summary")
    func summary() throws {
        let summary = try place.registry.summary("size")
        #expect(try child.status { summary.observe(0.5) } == 0)
        #expect(summary.total == (UInt64(child.repetitions + 2), 0.5 * Double(child.repetitions + 2)))
    }

    @Test("ZeroMQ link")
    func link() throws {
        let link = try ZMQLink(registry: place.registry, address: "ipc:///run/a")
        let status = try child.status {
            link.sent(bytes: 10)
            link.sendFailed()
            link.received(bytes: 10)
            link.received(bytes: 10, sentAt: 1)
        }
        #expect(status == 0)
        #expect(link.series.latency.total.count == UInt64(child.repetitions + 2))
    }

    @Test("Instruments that record nothing")
    func inert() throws {
        let counter = try place.registry.counterFamily("jobs", labels: ["a"])[]
        let gauge = try place.registry.gaugeFamily("level", labels: ["a"], mode: .sum)[]
        let histogram = try place.registry.histogramFamily("wait", labels: ["a"])[]
        let status = try child.status {
            counter.increment()
            gauge.set(1)
            histogram.observe(1)
        }
        #expect(status == 0)
    }
}
