// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetrics
import FDMetricsExposition
import FDMetricsProtobuf
import FDMetricsStore
import FDMetricsTestSupport
import Foundation
import SwiftProtobuf
import Testing

/// The protobuf format as swift-protobuf reads it. No field may be there that the messages do not know.
@Suite("Protobuf format")
struct ProtobufFormatTests {
    private let exposed: ExposedStore
    private var registry: MetricRegistry { exposed.registry }

    init() throws { exposed = try ExposedStore() }

    private func messages(_ options: RenderOptions = []) throws -> ProtobufMessages {
        let messages = try ProtobufMessages(registry, options: options)
        for family in messages.families {
            #expect(family.unknownFields.data.isEmpty)
            for metric in family.metric {
                #expect(metric.unknownFields.data.isEmpty && metric.histogram.unknownFields.data.isEmpty)
            }
        }
        return messages
    }

    @Test("A store without families is nothing, and so is a family without series")
    func nothing() throws {
        #expect(try TextExposition.renderBytes(registry, as: .protobuf) == [])
        _ = try registry.counterFamily("requests", labels: ["route"])
        #expect(try TextExposition.renderBytes(registry, as: .protobuf) == [])
    }

    @Test("Families stand by name, also the count of series, which is known last")
    func seriesCount() throws {
        for name in ["a", "fdmetrics_serie", "fdmetrics_series_z", "z"] { try registry.gauge(name, mode: .sum).set(1) }
        let messages = try messages(.selfMetrics)
        let names = messages.families.map(\.name)
        #expect(names.count > 10 && names == names.sorted())
        #expect(try messages["fdmetrics_series"].metric.map(\.gauge.value) == [4])
    }

    @Test("It is no text")
    func noText() throws {
        #expect(throws: MetricError.self) { try TextExposition.render(registry, as: .protobuf) }
        #expect(throws: MetricError.self) {
            try TextExposition.render(directory: exposed.place.directory, as: .protobuf)
        }
    }

    @Test("Counters have _total in their name, and the time of their registration")
    func counters() throws {
        let before = Date().timeIntervalSince1970
        let requests = try registry.counterFamily(
            "http_request_bytes", labels: ["route", "method"], help: "Bytes of requests.", unit: "bytes")
        requests["/", "GET"].increment(by: 3 as UInt64)
        requests["/a", "PUT"].increment(by: 0.1)
        let family = try messages()["http_request_bytes_total"]
        #expect(family.type == .counter && family.help == "Bytes of requests." && family.unit == "bytes")
        #expect(family.metric.map(\.labels).sorted() == ["method=GET route=/", "method=PUT route=/a"])
        #expect(family.metric.map(\.counter.value).sorted() == [0.1, 3])
        for metric in family.metric {
            let created = metric.counter.createdTimestamp
            #expect(metric.hasCounter && !metric.hasGauge && !metric.hasTimestampMs)
            #expect(abs(Double(created.seconds) + Double(created.nanos) / 1e9 - before) < 60)
        }
    }

    @Test("Gauges, with a label for the process where each has its own")
    func gauges() throws {
        try registry.gauge("depth", mode: .sum).set(-2.5)
        let memory = try registry.gaugeFamily("memory_bytes", labels: ["kind"], mode: .all)
        memory["heap"].set(1)
        try exposed.join().gaugeFamily("memory_bytes", labels: ["kind"], mode: .all).labels("heap").set(2)
        let own = try registry.gaugeFamily("own", labels: ["worker"], mode: .liveAll)
        own["w"].set(3)
        #expect(try messages()["depth"].metric.map(\.gauge.value) == [-2.5])
        #expect(try messages()["depth"].type == .gauge)
        let shown = try messages()["memory_bytes"].metric
        #expect(shown.map(\.labels) == ["kind=heap worker=0", "kind=heap worker=1"])
        #expect(shown.map(\.gauge.value) == [1, 2])
        #expect(try messages()["own"].metric.map(\.labels) == ["worker=w"])
        #expect(try messages(.labelsByPid)["own"].metric.map(\.labels) == ["pid=\(getpid()) worker=w"])
    }

    @Test("Labels are in the order of their names, also those that a sample has besides")
    func labelOrder() throws {
        let gauge = try registry.gaugeFamily("g", labels: ["x", "a"], mode: .all)
        gauge["\",x", "}"].set(1)
        try exposed.join().gaugeFamily("g", labels: ["x", "a"], mode: .all).labels("y", "b").set(2)
        try registry.stateSet("s", states: ["on"], labels: ["t", "r"]).set("on", labels: ["1", "2"])
        #expect(try messages()["g"].metric.map(\.labels) == ["a=} worker=0 x=\",x", "a=b worker=1 x=y"])
        #expect(try messages()["s"].metric.map(\.labels) == ["r=2 s=on t=1"])
    }

    @Test("Histograms have cumulative counts up to +Inf, summaries count and sum")
    func distributions() throws {
        let waits = try registry.histogramFamily("wait_seconds", labels: ["queue"], bounds: [-1, 0.5, 1e9], help: "H")
        let wait = waits["a"]
        for value in [-2, 0.25, 0.5, 3, 1e10] { wait.observe(value) }
        _ = waits["b"]
        let sizes = try registry.summary("size")
        for _ in 0..<300 { sizes.observe(0.5) }

        let family = try messages()["wait_seconds"]
        #expect(family.type == .histogram)
        let histogram = family.metric[0].histogram
        #expect(family.metric.map(\.labels) == ["queue=a", "queue=b"])
        #expect(histogram.bucket.map(\.upperBound) == [-1, 0.5, 1e9, .infinity])
        #expect(histogram.bucket.map(\.cumulativeCount) == [1, 3, 4, 5])
        #expect(histogram.sampleCount == 5 && histogram.sampleSum == 1e10 + 1.75)
        #expect(histogram.hasCreatedTimestamp)
        #expect(family.metric[1].histogram.bucket.map(\.cumulativeCount) == [0, 0, 0, 0])
        let summary = try messages()["size"]
        #expect(summary.type == .summary)
        #expect(summary.metric[0].summary.sampleCount == 300 && summary.metric[0].summary.sampleSum == 150)
        #expect(summary.metric[0].summary.hasCreatedTimestamp && summary.metric[0].summary.quantile.isEmpty)
    }

    @Test("Info and state sets are gauges, as in the text format")
    func infoAndStates() throws {
        try registry.info("build", help: "What runs.").set([("version", "1.2\"3\\"), ("note", "a\nb")])
        let phase = try registry.stateSet("app:phase", states: ["a\"b", "ready"], labels: ["node"])
        try phase.set("ready", labels: ["n"])
        let build = try messages()["build_info"]
        #expect(build.type == .gauge && build.metric.map(\.labels) == ["note=a\nb version=1.2\"3\\"])
        #expect(build.metric[0].gauge.value == 1)
        let states = try messages()["app:phase"]
        #expect(states.metric.map(\.labels) == ["app_phase=a\"b node=n", "app_phase=ready node=n"])
        #expect(states.metric.map(\.gauge.value) == [0, 1])
    }

    @Test("Families stand in the order of their names, those of processes and of the store with them")
    func order() throws {
        try registry.counter("zebra").increment()
        try registry.counter("a").increment()
        let names = try messages([.processMetrics, .selfMetrics]).families.map(\.name)
        #expect(names.first == "a_total" && names.last == "zebra_total")
        #expect(names.contains("process_cpu_seconds_total") && names.contains("fdmetrics_build_info"))
        let reasons = try messages(.selfMetrics)["fdmetrics_dropped_registrations_total"].metric.map(\.labels)
        #expect(reasons == ["reason=conflict", "reason=no_space", "reason=series_limit"])
        let workers = try messages(.processMetricsByWorker)["process_threads"].metric.map(\.labels)
        #expect(workers == ["worker=0"])
    }

    @Test("A scrape shows series that came, and none that was removed, since the one before")
    func changes() throws {
        let family = try registry.counterFamily("c", labels: ["n"])
        for number in 0..<300 {
            family["\(number)"].increment(by: UInt64(number))
            if number % 3 == 0 { try family.remove("\(number / 2)") }
            guard number % 50 == 49 else { continue }
            let text = try TextExposition.render(registry).split(separator: "\n").filter { !$0.hasPrefix("#") }
            let metrics = try messages()["c_total"].metric
            #expect(text == metrics.map { "c_total{n=\"\($0.label[0].value)\"} \(spelled($0.counter.value))" })
        }
    }

    @Test("It is the same to who only reads, and to who renders with a fresh plan")
    func reader() throws {
        let family = try registry.counterFamily("c", labels: ["n"])
        for number in 0..<100 { family["\(number)"].increment() }
        try registry.histogram("h").observe(1)
        let own = try TextExposition.renderBytes(registry, as: .protobuf)
        #expect(try TextExposition.renderBytes(registry, as: .protobuf) == own)
        #expect(try TextExposition.renderBytes(directory: exposed.place.directory, as: .protobuf) == own)
    }

    @Test("Messages of every size, where their length takes one byte more")
    func lengths() throws {
        let family = try registry.counterFamily("c", labels: ["n"])
        for length in [0, 60, 80, 100, 127, 128, 129, 16_000, 16_384, 100_000] {
            family[String(repeating: "x", count: length)].increment()
            #expect(try messages()["c_total"].metric.last?.label[0].value.utf8.count == length)
        }
    }

    @Test("Counts take as many bytes as they have")
    func counts() throws {
        let histogram = try registry.histogram("h", bounds: [1])
        for total in [1, 127, 128, 16_383, 16_384] {
            let done = try messages()["h"].metric[0].histogram.sampleCount
            for _ in 0..<(UInt64(total) - done) { histogram.observe(2) }
            let shown = try messages()["h"].metric[0].histogram
            #expect(shown.sampleCount == UInt64(total) && shown.bucket.map(\.cumulativeCount) == [0, UInt64(total)])
        }
    }
}

/// The number as the text formats spell it.
private func spelled(_ value: Double) -> String {
    var buffer = TextBuffer()
    CanonicalNumber.append(value, to: &buffer)
    return buffer.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}
#endif
