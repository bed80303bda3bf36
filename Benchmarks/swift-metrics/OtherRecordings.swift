// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics

/// The other calls of swift-metrics through the store, on one thread, for the table of times.
struct OtherRecordings {
    let factory: any MetricsFactory

    func run() {
        let floating = FloatingPointCounter(label: "bench.floating", factory: factory)
        measure("floating_point_counter_increment", 20_000) { floating.increment(by: 0.5) }
        let gauge = Gauge(label: "bench.gauge", factory: factory)
        measure("gauge_record", 20_000) { gauge.record(1.5) }
        let meter = Meter(label: "bench.meter", factory: factory)
        measure("meter_increment", 20_000) { meter.increment() }
        let timer = Timer(label: "bench.timer", factory: factory)
        measure("timer_record", 20_000) { timer.recordNanoseconds(1_500_000 as Int64) }
        measure("make_counter_and_increment", 500) {
            Counter(label: "bench.made", dimensions: [("method", "GET"), ("status", "200")], factory: factory)
                .increment()
        }
    }

    /// Prints the least of some slices: disturbances only ever add.
    private func measure(_ name: String, _ count: Int, _ body: () -> Void) {
        var least = Double.infinity
        for _ in 0..<50 {
            let start = now()
            for _ in 0..<count { body() }
            least = min(least, (now() - start) / Double(count))
        }
        print("{\"program\": \"swift-metrics\", \"op\": \"\(name)\", \"threads\": 1, \"ns\": \(least)}")
    }
}
#endif
