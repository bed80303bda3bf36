// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import FDMetricsTestSupport
import Foundation
import Synchronization
import Testing

@Suite("A store that is deleted in use", .serialized)
struct StoreMovesTests {
    private let exposed: TestRegistry
    private let one: MetricRegistry
    private let other: MetricRegistry

    init() throws {
        exposed = try TestRegistry()
        one = exposed.registry
        other = try exposed.join()
    }

    @Test("Instruments of every type lead to the new store, which counts from zero; gauges keep their values")
    func instruments() throws {
        let counter = try one.counterFamily("requests", labels: ["method"]).labels("GET")
        let histogram = try one.histogram("latency", bounds: [1, 2])
        let summary = try one.summary("size")
        let gauge = try one.gauge("depth", mode: .liveSum)
        let recent = try one.gauge("version", mode: .mostRecent)
        let info = try one.info("build")
        let states = try one.stateSet("phase", states: ["starting", "ready"])
        counter.increment(by: 5 as UInt64)
        histogram.observe(1.5)
        summary.observe(3)
        gauge.increment(by: 2)
        recent.set(7, at: 1_000)
        try info.set([("version", "1")])
        try states.set("ready")
        exposed.deleteStore()

        // The render notices. What was counted before is gone with the files.
        #expect(
            try exposed.samples(by: one) == [
                "build_info{version=\"1\"} 1.0", "depth 2.0", "latency_bucket{le=\"1.0\"} 0.0",
                "latency_bucket{le=\"2.0\"} 0.0", "latency_bucket{le=\"+Inf\"} 0.0", "latency_count 0.0",
                "latency_sum 0.0", "phase{phase=\"starting\"} 0.0", "phase{phase=\"ready\"} 1.0",
                "requests_total{method=\"GET\"} 0.0", "size_count 0.0", "size_sum 0.0", "version 7.0",
            ])
        counter.increment()
        counter.increment(by: 0.5)
        histogram.observe(0.5)
        summary.observe(4)
        gauge.decrement()
        recent.set(8, at: 2_000)
        try info.set([("version", "2")])
        try states.set("starting")
        let expected = [
            "build_info{version=\"2\"} 1.0", "depth 1.0", "latency_bucket{le=\"1.0\"} 1.0",
            "latency_bucket{le=\"2.0\"} 1.0", "latency_bucket{le=\"+Inf\"} 1.0", "latency_count 1.0",
            "latency_sum 0.5", "phase{phase=\"starting\"} 1.0", "phase{phase=\"ready\"} 0.0",
            "requests_total{method=\"GET\"} 1.5", "size_count 1.0", "size_sum 4.0", "version 8.0",
        ]
        #expect(try exposed.samples(by: one) == expected)
        #expect(try exposed.samples(by: other) == expected)
        #expect(counter.value == 1.5 && gauge.value == 1)
        #expect(StoreStatistics(one.store.current).damagedRecords == 0)
    }

    @Test("All who had the store end in one, with what they have of it, however often it is deleted")
    func allInOne() throws {
        let mine = try one.counter("jobs"), theirs = try other.counter("jobs")
        let family = try one.counterFamily("labelled", labels: ["id"])
        for round in 1...3 {
            _ = try family.labels("kept").value
            exposed.deleteStore()
            // One registers, the other renders.
            _ = try other.counter("round_\(round)")
            _ = try exposed.samples(by: one)
            #expect(one.store.current.directory == other.store.current.directory)
            mine.increment()
            theirs.increment(by: 2 as UInt64)
            try family.labels("kept").increment()
            try family.labels("new_\(round)").increment()
            let newcomer = try exposed.join()
            for member in [one, other, newcomer] {
                let samples = try exposed.samples(by: member)
                #expect(samples.contains("jobs_total 3.0"))
                #expect(samples.contains("labelled_total{id=\"kept\"} 1.0"))
                #expect(samples.contains("labelled_total{id=\"new_\(round)\"} 1.0"))
            }
            #expect(StoreStatistics(one.store.current).liveProcesses == 3)
            exposed.leave(newcomer)
        }
    }

    @Test("A removal in the new store, a limit and a conflict there are seen through what is of the old one")
    func oldFamilies() throws {
        let family = try one.counterFamily("requests", labels: ["id"])
        try family.labels("a").increment()
        exposed.deleteStore()
        _ = try exposed.samples(by: one)
        try family.labels("a").increment()
        try family.remove("a")
        #expect(try exposed.samples(by: one) == [])
        try family.labels("a").increment(by: 3 as UInt64)
        try family.labels("b").increment()
        #expect(try exposed.samples(by: one) == ["requests_total{id=\"a\"} 3.0", "requests_total{id=\"b\"} 1.0"])
        try family.clear()
        #expect(try exposed.samples(by: one) == [])
        #expect(refusal { _ = try one.gauge("requests", mode: .sum) }?.code == .conflict)
        #expect(refusal { _ = try family.labels("a", "b") }?.code == .labels)
    }

    @Test("Logical workers go with the process that has their handles")
    func workers() throws {
        let family = try one.gaugeFamily("load", labels: [], mode: .liveAll)
        let gauge = Gauge(handle: SeriesAddress(try LogicalWorkers.gauge(family.handle(), worker: 3)))
        gauge.set(5)
        exposed.deleteStore()
        #expect(try exposed.samples(by: one) == ["load 5.0"])
        gauge.set(6)
        #expect(try exposed.samples(by: other) == ["load 6.0"])
        try LogicalWorkers.end(3, in: one.store.current)
        #expect(try exposed.samples(by: other) == [])
    }

    @Test("Threads that update all the while never stop, and count exactly once all have moved")
    func underLoad() throws {
        let counter = try one.counter("updates"), gauge = try one.gauge("level", mode: .sum)
        let histogram = try one.histogram("spread", bounds: [1])
        let isOver = Atomic<Bool>(false)
        let done = DispatchGroup()
        for _ in 0..<4 {
            done.enter()
            Thread.detachNewThread {
                while !isOver.load(ordering: .relaxed) {
                    counter.increment()
                    gauge.increment()
                    gauge.decrement()
                    histogram.observe(0.5)
                }
                done.leave()
            }
        }
        for _ in 0..<20 {
            exposed.deleteStore()
            _ = try exposed.samples(by: one)
        }
        isOver.store(true, ordering: .relaxed)
        done.wait()
        let before = counter.value
        counter.increment(by: 10 as UInt64)
        #expect(counter.value == before + 10)
        #expect(try exposed.samples(by: other).contains("updates_total \(before + 10)"))
        #expect(histogram.total.sum == 0.5 * Double(histogram.total.count))
    }
}
