// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import FDMetricsSwiftMetrics
import Testing

/// The whole text of one metric of each kind, which docs/swift-metrics.md compares with swift-prometheus.
@Suite("swift-metrics: exposition")
struct SwiftMetricsExpositionTests {
    private let backend: Backend

    init() throws { backend = try Backend() }

    @Test("One metric of each kind")
    func text() throws {
        let factory = backend.factory {
            $0.help = ["http.requests": "Requests handled"]
            $0.timerBuckets.general = [0.1, 1]
            $0.recorderBuckets.general = [100]
        }
        Counter(label: "http.requests", dimensions: [("method", "GET")], factory: factory).increment()
        FloatingPointCounter(label: "http.cpu.seconds", factory: factory).increment(by: 0.25)
        Gauge(label: "http.connections", factory: factory).record(3)
        Meter(label: "http.queue", factory: factory).increment(by: 2.0)
        Recorder(label: "http.response.size", factory: factory).record(512)
        Timer(label: "http.duration", factory: factory).recordMilliseconds(50)
        #expect(
            try backend.text() == """
                # HELP http_connections\u{20}
                # TYPE http_connections gauge
                http_connections 3.0
                # HELP http_cpu_seconds_total\u{20}
                # TYPE http_cpu_seconds_total counter
                http_cpu_seconds_total 0.25
                # HELP http_duration_seconds\u{20}
                # TYPE http_duration_seconds histogram
                http_duration_seconds_bucket{le="0.1"} 1.0
                http_duration_seconds_bucket{le="1.0"} 1.0
                http_duration_seconds_bucket{le="+Inf"} 1.0
                http_duration_seconds_count 1.0
                http_duration_seconds_sum 0.05
                # HELP http_queue\u{20}
                # TYPE http_queue gauge
                http_queue 2.0
                # HELP http_requests_total Requests handled
                # TYPE http_requests_total counter
                http_requests_total{method="GET"} 1.0
                # HELP http_response_size\u{20}
                # TYPE http_response_size histogram
                http_response_size_bucket{le="100.0"} 0.0
                http_response_size_bucket{le="+Inf"} 1.0
                http_response_size_count 1.0
                http_response_size_sum 512.0

                """)
    }
}
#endif
