// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import Foundation
import Synchronization
import Testing

/// Texts that are rendered while threads record.
@Suite("Snapshots under writers")
struct SnapshotTests {
    private let exposed: ExposedStore

    init() throws { exposed = try ExposedStore() }

    /// What threads share.
    private final class Run: Sendable {
        let isOver = Atomic<Bool>(false)
        let running: Atomic<Int>
        let updates = Atomic<Int>(0)
        init(_ count: Int) { running = Atomic(count) }
    }

    private final class Broken: Sendable {
        let texts = Atomic<Int>(0)
    }

    /// Runs a body again and again in threads while another one runs. Returns how often it ran.
    private func repeating(
        in threads: Int, _ update: @escaping @Sendable () -> Void, while body: () throws -> Void
    ) rethrows -> Int {
        let run = Run(threads)
        for _ in 0..<threads {
            Thread.detachNewThread {
                var count = 0
                while !run.isOver.load(ordering: .relaxed) {
                    update()
                    count += 1
                }
                run.updates.wrappingAdd(count, ordering: .relaxed)
                run.running.wrappingSubtract(1, ordering: .releasing)
            }
        }
        func stop() {
            run.isOver.store(true, ordering: .relaxed)
            while run.running.load(ordering: .acquiring) > 0 { sched_yield() }
        }
        do {
            try body()
        } catch {
            stop()
            throw error
        }
        stop()
        return run.updates.load(ordering: .relaxed)
    }

    private func value(_ sample: String, in samples: [String]) throws -> Double {
        let line = try #require(samples.first { $0.hasPrefix(sample + " ") })
        return try #require(Double(line.dropFirst(sample.count + 1)))
    }

    @Test("Sum, count and the +Inf bucket agree in every text, and never decrease")
    func consistent() throws {
        let own = try exposed.registry.histogram("wait", bounds: [0.5, 1, 2])
        let other = try exposed.join().histogram("wait", bounds: [0.5, 1, 2])
        let summary = try exposed.registry.summary("size")
        var last = 0.0
        var lastSummary = 0.0
        let updates = try repeating(in: 4) {
            own.observe(1)
            other.observe(1)
            summary.observe(1)
        } while: {
            for _ in 0..<1_000 {
                let samples = try exposed.samples()
                let count = try value("wait_count", in: samples)
                try #require(value("wait_sum", in: samples) == count)
                try #require(value("wait_bucket{le=\"+Inf\"}", in: samples) == count)
                try #require(value("wait_bucket{le=\"2.0\"}", in: samples) == count)
                try #require(value("wait_bucket{le=\"1.0\"}", in: samples) == count)
                try #require(value("wait_bucket{le=\"0.5\"}", in: samples) == 0)
                try #require(count >= last)
                last = count
                let summaries = try value("size_count", in: samples)
                try #require(value("size_sum", in: samples) == summaries)
                try #require(summaries >= lastSummary)
                lastSummary = summaries
            }
        }
        #expect(own.total == (UInt64(2 * updates), Double(2 * updates)))
        #expect(summary.total == (UInt64(updates), Double(updates)))
        #expect(last > 0)
    }

    @Test("Threads that render at once, while series are registered and removed, get whole texts")
    func concurrentTexts() throws {
        let jobs = try exposed.registry.counterFamily("jobs", labels: ["id"], help: "Jobs.")
        let kept = jobs["kept"]
        kept.increment()
        let exposed = exposed
        let broken = Broken()
        let texts = try repeating(in: 3) {
            guard let text = try? exposed.text(),
                text.hasPrefix("# HELP jobs_total Jobs.\n# TYPE jobs_total counter\n"),
                text.hasSuffix("\n"),
                text.split(separator: "\n").count(where: { $0 == "jobs_total{id=\"kept\"} 1.0" }) == 1
            else {
                broken.texts.wrappingAdd(1, ordering: .relaxed)
                return
            }
        } while: {
            for index in 0..<1_000 {
                try jobs.labels("\(index)").increment()
                if index % 3 == 0 { try jobs.remove("\(index)") }
            }
        }
        #expect(texts > 0)
        #expect(broken.texts.load(ordering: .relaxed) == 0)
        #expect(try exposed.samples().count == 1 + 666)
    }
}
