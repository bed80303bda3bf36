// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore

/// Families, and series in each of them.
struct Shape {
    let name: String
    let counters: (families: Int, series: Int)
    let gauges: (families: Int, series: Int)
    let histograms: (families: Int, series: Int)

    static let all = [
        // That of native/text.cc.
        Shape(name: "5000_counters", counters: (50, 100), gauges: (0, 0), histograms: (0, 0)),
        Shape(name: "20000_mixed", counters: (89, 100), gauges: (60, 100), histograms: (20, 15)),
    ]

    /// How many samples the text has.
    var series: Int {
        counters.families * counters.series + gauges.families * gauges.series
            + histograms.families * histograms.series * (Workload.bounds.count + 3)
    }
}

/// A store of a shape.
final class Workload {
    static let bounds: [Double] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

    let shape: Shape
    let registry: MetricRegistry
    /// By family, with the labels' values.
    private(set) var counters: [(name: String, series: [(route: String, counter: Counter)])] = []
    private var gauges: [Gauge] = []
    private var histograms: [Histogram] = []

    init(_ shape: Shape, directory: String) throws {
        self.shape = shape
        registry = try MetricRegistry(directory: directory)
        for number in 0..<shape.counters.families {
            let family = try registry.counterFamily(
                "app_requests_\(number)", labels: ["route"], help: "Requests handled")
            var series: [(String, Counter)] = []
            for index in 0..<shape.counters.series {
                let route = "/api/v1/route_\(index)"
                let counter = try family.labels(route)
                counter.increment(by: UInt64(number + index))
                series.append((route, counter))
            }
            counters.append(("app_requests_\(number)", series))
        }
        for number in 0..<shape.gauges.families {
            let family = try registry.gaugeFamily(
                "app_queue_depth_\(number)", labels: ["queue"], mode: .liveSum, help: "Queue depth")
            for index in 0..<shape.gauges.series {
                let gauge = try family.labels("queue_\(index)")
                gauge.set(Double(number) * 1.5 + Double(index))
                gauges.append(gauge)
            }
        }
        for number in 0..<shape.histograms.families {
            let family = try registry.histogramFamily(
                "app_latency_seconds_\(number)", labels: ["route"], bounds: Self.bounds, help: "Latency")
            for index in 0..<shape.histograms.series {
                let histogram = try family.labels("/api/v1/route_\(index)")
                histogram.observe(0.01 * Double(number + index))
                histograms.append(histogram)
            }
        }
    }

    /// Updates every series.
    func touch() {
        for family in counters { for (_, counter) in family.series { counter.increment() } }
        for gauge in gauges { gauge.increment(by: 1) }
        for histogram in histograms { histogram.observe(0.25) }
    }

    /// The text has as many samples as the shape.
    func verify() throws {
        let lines = try TextExposition.render(registry).split(separator: "\n").filter { !$0.hasPrefix("#") }.count
        guard lines == shape.series else {
            throw BenchError(description: "\(shape.name): the text has \(lines) samples, not \(shape.series)")
        }
    }
}
