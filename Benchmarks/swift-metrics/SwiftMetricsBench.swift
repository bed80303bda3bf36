// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import Glibc

#if SwiftMetrics
import CoreMetrics
import FDMetricsSwiftMetrics
#endif

/// `swift-metrics-bench DIRECTORY`: what a `Counter.increment()` of swift-metrics costs through the store, beside the
/// yardstick, on one and on two threads. Prints a JSON line for each.
@main
enum SwiftMetricsBench {
    static func main() {
        do {
            guard CommandLine.arguments.count == 2 else {
                throw BenchError(description: "usage: swift-metrics-bench DIRECTORY")
            }
            #if SwiftMetrics
            try run(directory: CommandLine.arguments[1])
            #else
            throw BenchError(description: "built without the trait SwiftMetrics: swift build --traits SwiftMetrics")
            #endif
        } catch {
            var text = "swift-metrics-bench: \(error)\n"
            _ = text.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            exit(1)
        }
    }

    #if SwiftMetrics
    private static func run(directory: String) throws {
        let registry = try MetricRegistry(directory: directory)
        let factory = FDMetricsFactory(registry: registry)
        let counter = CoreMetrics.Counter(label: "bench.increments", dimensions: [("way", "a")], factory: factory)
        let yardstick = CoreMetrics.Counter(label: "bench.yardstick", factory: YardstickFactory())
        let calls = try CounterTurns(counter: counter, yardstick: yardstick).run()
        let family = try registry.counterFamily("bench_increments", labels: ["way"])
        let total = try family.labels("a").value
        guard total == Double(calls) else {
            throw BenchError(description: "\(total) increments were recorded, \(calls) were made")
        }
        OtherRecordings(factory: factory).run()
        try RefusedLookUp(directory: "\(directory)/limited").run()
    }
    #endif
}

/// What went wrong.
struct BenchError: Error, CustomStringConvertible {
    let description: String
}
