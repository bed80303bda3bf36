// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import FDMetrics

/// What a look-up costs that the limit of series refuses, by the Swift API.
struct RefusedLookUp {
    private static let limit = 100
    private let family: MetricFamily<Counter>

    init(directory: String) throws {
        let registry = try MetricRegistry(directory: directory, seriesLimit: Self.limit)
        family = try registry.counterFamily("limited", labels: ["id"])
        for number in 0..<Self.limit { try family.labels("\(number)").increment() }
    }

    func run() throws {
        var least = Double.infinity
        for _ in 0..<20 {
            let start = now()
            for _ in 0..<5_000 { family["beyond"].increment() }
            least = min(least, (now() - start) / 5_000)
        }
        guard (try? family.labels("beyond")) == nil else {
            throw BenchError(description: "a series beyond the limit was not refused")
        }
        print("{\"program\": \"swift-metrics\", \"op\": \"refused_labels\", \"threads\": 1, \"ns\": \(least)}")
    }
}
#endif
