// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import Glibc

#if CommandLineTool
import FDMetricsProtobuf
import SwiftProtobuf
#endif

/// A rendering.
struct Rendered {
    let count: Int
    let free: () -> Void
}

/// One way to render a workload's store.
struct Way {
    let name: String
    let render: () throws -> Rendered

    /// The formats of this library.
    static func formats(_ workload: Workload) -> [Way] {
        [
            format(.text, "text", workload), format(.openMetrics, "openmetrics", workload),
            format(.protobuf, "protobuf", workload),
        ]
    }

    /// The yardstick; nil without swift-protobuf, and for what is not of counters alone, whose values can be read without a
    /// snapshot.
    static func messages(_ workload: Workload) -> Way? {
        #if CommandLineTool
        if workload.shape.gauges.families + workload.shape.histograms.families == 0 {
            let messages = KeptMessages(workload)
            return Way(name: "messages") { try messages.render() }
        }
        #endif
        return nil
    }

    private static func format(_ format: ExpositionFormat, _ name: String, _ workload: Workload) -> Way {
        let store = workload.registry.store
        return Way(name: name) {
            let text = try Renderer.render(store, as: format, options: [])
            return Rendered(count: text.count) { free(text.start) }
        }
    }
}

#if CommandLineTool
/// Messages of swift-protobuf with all names and labels, into which only the values are put for each rendering.
final class KeptMessages {
    private let workload: Workload
    private var families: [Io_Prometheus_Client_MetricFamily]

    init(_ workload: Workload) {
        self.workload = workload
        families = workload.counters.map { family in
            var message = Io_Prometheus_Client_MetricFamily()
            message.name = "\(family.name)_total"
            message.help = "Requests handled"
            message.type = .counter
            message.metric = family.series.map { series in
                var label = Io_Prometheus_Client_LabelPair()
                label.name = "route"
                label.value = series.route
                var metric = Io_Prometheus_Client_Metric()
                metric.label = [label]
                metric.counter.value = 0
                metric.counter.createdTimestamp.seconds = 1_700_000_000
                metric.counter.createdTimestamp.nanos = 123_456_789
                return metric
            }
            return message
        }
    }

    func render() throws -> Rendered {
        let buffer = OutputBuffer()
        for (index, family) in workload.counters.enumerated() {
            for (place, series) in family.series.enumerated() {
                families[index].metric[place].counter.value = series.counter.value
            }
            let bytes: [UInt8] = try families[index].serializedBytes()
            buffer.append(length: bytes.count)
            buffer.bytes += bytes
        }
        return Rendered(count: buffer.bytes.count) {}
    }
}

/// Bytes that messages are put into, one after the other.
private final class OutputBuffer {
    var bytes: [UInt8] = []

    func append(length: Int) {
        var rest = length
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
#endif
