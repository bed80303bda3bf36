// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import FDMetricsTestSupport
import Testing

@Suite("Histogram")
struct HistogramTests {
    private let place: TestRegistry

    init() throws { place = try TestRegistry() }

    /// The counts of the buckets, each alone, +Inf last.
    private func buckets(_ handle: UnsafeMutablePointer<SeriesHandle>) -> [UInt64] {
        guard let cell = handle.pointee.cell else { return [] }
        return (0...Int(handle.pointee.count)).map {
            pairTotal(cell + $0 * 16, laneMask: handle.pointee.laneMask).count
        }
    }

    /// The first bucket whose bound is not below the value: what buckets with inclusive upper bounds mean.
    private func naiveBucket(_ value: Double, _ bounds: [Double]) -> Int {
        bounds.firstIndex { value <= $0 } ?? bounds.count
    }

    @Test("An observation on a bound belongs to that bound's bucket, the next double to the next one")
    func inclusive() throws {
        let family = try place.registry.histogramFamily("size", labels: [], bounds: [1, 2, 4])
        let histogram = try family.labels()
        for value in [1.0, 1.0.nextUp, 2.0, 2.0.nextDown, 4.0, 4.0.nextUp, 0, -5] { histogram.observe(value) }
        #expect(try buckets(family.handle()) == [3, 3, 1, 1])
        #expect(
            try place.samples() == [
                "size_bucket{le=\"1.0\"} 3.0", "size_bucket{le=\"2.0\"} 6.0", "size_bucket{le=\"4.0\"} 7.0",
                "size_bucket{le=\"+Inf\"} 8.0", "size_count 8.0", "size_sum 9.0",
            ])
    }

    @Test(
        "Finds the bucket that a naive search finds",
        arguments: [1, 2, 3, 7, 8, 9, 15, 16, 17, 18, 23, 24, 25, 31, 32, 33, 99, 100, 1000])
    func search(boundCount: Int) throws {
        var random = SeededGenerator(for: "HistogramTests.search of \(boundCount) bounds")
        var choice: Set<Double> = []
        while choice.count < boundCount {
            choice.insert(
                Bool.random(using: &random)
                    ? Double(Int.random(in: -500...500, using: &random)) : .random(in: -1e3...1e3, using: &random))
        }
        let bounds = choice.sorted()
        var values: [Double] = bounds.flatMap { [$0, $0.nextUp, $0.nextDown] }
        values += [0, -0.0, .infinity, -.infinity, .nan, -.nan, .greatestFiniteMagnitude, -.greatestFiniteMagnitude]
        for _ in 0..<500 { values.append(.random(in: -1.1e3...1.1e3, using: &random)) }
        values.shuffle(using: &random)

        let family = try place.registry.histogramFamily("size", labels: [], bounds: bounds)
        let histogram = try family.labels()
        let handle = try family.handle()
        let cell = try #require(handle.pointee.cell)
        var expected = Array(repeating: UInt64(0), count: boundCount + 1)
        for value in values {
            let bucket = naiveBucket(value, bounds)
            expected[bucket] += 1
            histogram.observe(value)
            let found = pairTotal(cell + bucket * 16, laneMask: handle.pointee.laneMask).count
            // One wrong one is enough to know of.
            try #require(
                found == expected[bucket],
                "\(value) is not in bucket \(bucket), up to \(bounds[min(bucket, boundCount - 1)])")
        }
        #expect(buckets(handle) == expected)
        #expect(histogram.total.count == UInt64(values.count))
    }

    @Test("Numbers that are not finite go where they belong, and into the sum")
    func notFinite() throws {
        let family = try place.registry.histogramFamily("size", labels: ["kind"], bounds: [0, 1])
        let cases: [(String, Double, [UInt64])] = [
            ("nan", .nan, [0, 0, 1]), ("up", .infinity, [0, 0, 1]), ("down", -.infinity, [1, 0, 0]),
        ]
        for (kind, value, counts) in cases {
            try family.labels(kind).observe(value)
            #expect(try buckets(family.handle(kind)) == counts)
            let total = try family.labels(kind).total
            #expect(total.count == 1)
            #expect(value.isNaN ? total.sum.isNaN : total.sum == value)
        }
    }

    @Test("Has prometheus_client's bounds when none are given")
    func defaultBounds() throws {
        try place.registry.histogram("wait").observe(0.3)
        let bounds = [
            "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1.0", "2.5", "5.0", "7.5", "10.0",
            "+Inf",
        ]
        let lines = bounds.enumerated().map { "wait_bucket{le=\"\($1)\"} \($0 < 7 ? "0.0" : "1.0")" }
        #expect(try place.samples() == lines + ["wait_count 1.0", "wait_sum 0.3"])
    }

    @Test("A last bound of +Inf is the same as none")
    func infiniteBound() throws {
        try place.registry.histogram("wait", bounds: [1, 2]).observe(3)
        let same = try place.registry.histogram("wait", bounds: [1, 2, .infinity])
        #expect(same.total == (1, 3))
    }

    @Test("Counts and sums what all threads and processes observe")
    func threads() throws {
        let own = try place.registry.histogram("wait", bounds: [1, 2, 3])
        let other = try place.join().histogram("wait", bounds: [1, 2, 3])
        inThreads(8) { thread in
            let histogram = thread < 4 ? own : other
            for index in 0..<4_000 { histogram.observe(Double(index % 4) + 0.5) }
        }
        #expect(own.total == (32_000, 64_000))
        #expect(other.total == (32_000, 64_000))
        #expect(
            try place.samples() == [
                "wait_bucket{le=\"1.0\"} 8000.0", "wait_bucket{le=\"2.0\"} 16000.0", "wait_bucket{le=\"3.0\"} 24000.0",
                "wait_bucket{le=\"+Inf\"} 32000.0", "wait_count 32000.0", "wait_sum 64000.0",
            ])
    }
}
