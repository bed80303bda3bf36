// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import CSnappy
import CZlib
import FDMetrics
import FDMetricsExposition
import FDMetricsProtobuf
import FDMetricsStore
import FDMetricsTestSupport
import SwiftProtobuf
import Testing

@testable import FDMetricsPush

/// Families become requests.
@Suite("Conversion")
struct EncoderTests {
    private func reading(_ families: [StoreSnapshot.Family], at time: UInt64 = 5_000_000_000) -> PushReading {
        PushReading(snapshot: StoreSnapshot(time: 0, families: families), time: time, storeCreated: 7)
    }

    private func counter(_ name: String, _ series: [(labels: String, value: Double)]) -> StoreSnapshot.Family {
        StoreSnapshot.Family(
            FamilyDescriptor(type: .counter, name: name),
            series.map { StoreSnapshot.Series(labels: $0.labels, values: [$0.value], created: 3) })
    }

    /// Samples as text: name{label=value,...} value@ms.
    private func samples(_ batch: PushBatch) throws -> [String] {
        var length = 0
        return try batch.body.withUnsafeBytes { input in
            let start = input.baseAddress?.assumingMemoryBound(to: CChar.self)
            #expect(snappy_uncompressed_length(start, input.count, &length) == SNAPPY_OK)
            let bytes = [UInt8](unsafeUninitializedCapacity: length) { output, count in
                count = output.count
                let target = UnsafeMutableRawPointer(output.baseAddress!).assumingMemoryBound(to: CChar.self)
                #expect(snappy_uncompress(start, input.count, target, &count) == SNAPPY_OK)
            }
            return try Prometheus_WriteRequest(serializedBytes: bytes).timeseries.map { series in
                let labels = series.labels.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
                let sample = series.samples[0]
                let value =
                    switch sample.value.bitPattern {
                    case 0x7FF0_0000_0000_0002: "stale"
                    case 0x7FF8_0000_0000_0001: "NaN"
                    default: "\(sample.value)"
                    }
                return "{\(labels)} \(value)@\(sample.timestamp)"
            }
        }
    }

    @Test("Labels are unescaped, sorted by bytes, completed and never empty")
    func labels() throws {
        var encoder = RemoteWriteEncoder(
            labels: [PushLabel("instance", "i"), PushLabel("b", "added"), PushLabel("Z", "z"), PushLabel("none", "")],
            limits: BatchLimits())
        let family = counter("c", [(#"{b="\\ \" \n , } ä",a="",z="="}"#, 1.5)])
        let batches = try encoder.batches(of: reading([family]))
        #expect(batches.count == 2, "samples, and a request of metadata")
        #expect(batches.map(\.samples) == [1, 0])
        #expect(
            try samples(batches[0])
                == ["{Z=z,__name__=c_total,b=\\ \" \n , } ä,instance=i,z==} 1.5@5000"])
    }

    @Test("Names of any UTF-8 are escaped, and none is there twice")
    func names() throws {
        var encoder = RemoteWriteEncoder(labels: [PushLabel("a_b", "added")], limits: BatchLimits())
        let family = counter("http.größe", [(#"{"a.b"="x","a=\"b"="y",c="z"}"#, 1)])
        #expect(
            try samples(try encoder.batches(of: reading([family]))[0])
                == ["{__name__=http_gr__e_total,a__b=y,a_b=x,c=z} 1.0@5000"])
    }

    @Test("Each type has the samples of a scrape")
    func types() throws {
        var encoder = RemoteWriteEncoder(labels: [], limits: BatchLimits())
        let families = [
            StoreSnapshot.Family(
                FamilyDescriptor(type: .gauge, name: "g", labelNames: ["worker"], gaugeMode: .all),
                [StoreSnapshot.Series(labels: #"{worker="x"}"#, worker: 3, values: [-0.5])]),
            StoreSnapshot.Family(
                FamilyDescriptor(type: .histogram, name: "h", bounds: [0.5, 10]),
                [StoreSnapshot.Series(labels: "", values: [1, 2, 3, 44])]),
            StoreSnapshot.Family(
                FamilyDescriptor(type: .info, name: "i"), [StoreSnapshot.Series(labels: #"{v="1"}"#, values: [1])]),
            StoreSnapshot.Family(
                FamilyDescriptor(type: .stateSet, name: "a:s", states: ["on", "off"]),
                [StoreSnapshot.Series(labels: "", values: [1])]),
            StoreSnapshot.Family(
                FamilyDescriptor(type: .summary, name: "y"), [StoreSnapshot.Series(labels: "", values: [2, .nan])]),
        ]
        #expect(
            try samples(try encoder.batches(of: reading(families))[0]) == [
                "{__name__=g,worker=x,worker_=3} -0.5@5000",
                "{__name__=h_bucket,le=0.5} 1.0@5000",
                "{__name__=h_bucket,le=10.0} 3.0@5000",
                "{__name__=h_bucket,le=+Inf} 6.0@5000",
                "{__name__=h_count} 6.0@5000",
                "{__name__=h_sum} 44.0@5000",
                "{__name__=i_info,v=1} 1.0@5000",
                "{__name__=a:s,a_s=on} 0.0@5000",
                "{__name__=a:s,a_s=off} 1.0@5000",
                "{__name__=y_count} 2.0@5000",
                "{__name__=y_sum} NaN@5000",
            ])
    }

    @Test("A number that is none is never a stale marker by chance")
    func notANumber() throws {
        var encoder = RemoteWriteEncoder(labels: [], limits: BatchLimits())
        let chance = counter("c", [("", RemoteWriteEncoder.staleMarker)])
        #expect(try samples(try encoder.batches(of: reading([chance]))[0]) == ["{__name__=c_total} NaN@5000"])
    }

    @Test("What is gone is marked once, a millisecond before what came")
    func departures() throws {
        var encoder = RemoteWriteEncoder(labels: [], limits: BatchLimits())
        _ = try encoder.batches(
            of: reading([counter("a", [(#"{x="1"}"#, 1), (#"{x="2"}"#, 2)]), counter("b", [("", 1)])]))
        // b comes back as something else, which has one of the same samples.
        let other = StoreSnapshot.Family(
            FamilyDescriptor(type: .gauge, name: "b", gaugeMode: .max), [StoreSnapshot.Series(labels: "", values: [9])])
        let second = try encoder.batches(of: reading([counter("a", [(#"{x="2"}"#, 3)]), other], at: 6_000_000_000))
        #expect(
            try samples(second[0]) == [
                "{__name__=a_total,x=1} stale@5999",
                "{__name__=b_total} stale@5999",
                "{__name__=a_total,x=2} 3.0@6000",
                "{__name__=b} 9.0@6000",
            ])
        let third = try encoder.batches(of: reading([], at: 7_000_000_000))
        #expect(try samples(third[0]) == ["{__name__=a_total,x=2} stale@6999", "{__name__=b} stale@6999"])
        #expect(try encoder.batches(of: reading([], at: 8_000_000_000)).isEmpty)
    }

    @Test("Requests hold as many samples as allowed, and all of them")
    func batches() throws {
        var random = SeededGenerator(for: "EncoderTests.batches")
        for _ in 0..<20 {
            let count = Int.random(in: 1...300, using: &random)
            let limits = BatchLimits(
                samples: .random(in: 1...50, using: &random), bytes: .random(in: 200...20_000, using: &random))
            let family = counter("c", (0..<count).map { (#"{x="\#($0)"}"#, Double($0)) })
            var write = RemoteWriteEncoder(labels: [], limits: limits)
            let written = try write.batches(of: reading([family])).dropLast()
            #expect(written.allSatisfy { $0.samples <= limits.samples && $0.samples > 0 })
            let values = try written.flatMap(samples)
            #expect(values == (0..<count).map { "{__name__=c_total,x=\($0)} \(Double($0))@5000" })

            var otlp = OTLPEncoder(resource: [], limits: limits)
            let sent = try otlp.batches(of: reading([family]))
            #expect(sent.allSatisfy { $0.samples <= limits.samples })
            let points = try sent.flatMap { try metrics($0).flatMap(\.sum.dataPoints) }
            #expect(points.map(\.asDouble) == (0..<count).map { Double($0) })
        }
    }

    @Test("OTLP: starts, flags and sums")
    func otlp() throws {
        var encoder = OTLPEncoder(resource: [PushLabel("service.name", "s")], limits: BatchLimits())
        func histogram(_ bounds: [Double], _ sum: Double, created: UInt64) -> StoreSnapshot.Family {
            StoreSnapshot.Family(
                FamilyDescriptor(type: .histogram, name: "h\(bounds[0])", unit: "seconds", bounds: bounds),
                [StoreSnapshot.Series(labels: "", values: [1, 2, sum], created: created)])
        }
        let batch = try encoder.batches(
            of: reading([counter("c", [("", 1)]), histogram([1], 5, created: 0), histogram([-1], 5, created: 4)]))[0]
        let found = try metrics(batch)
        #expect(found[0].sum.dataPoints[0].startTimeUnixNano == 3)
        #expect(found[1].histogram.dataPoints[0].startTimeUnixNano == 7, "that of the store where no other is known")
        #expect(found[1].histogram.dataPoints[0].hasSum && found[1].unit == "s")
        #expect(!found[2].histogram.dataPoints[0].hasSum, "observations may be negative")
        let gone = try metrics(try encoder.batches(of: reading([], at: 6_000_000_000))[0])
        #expect(gone.map(\.name) == ["c", "h-1.0", "h1.0"])
        #expect(gone[0].sum.dataPoints[0].flags == 1 && gone[0].sum.dataPoints[0].value == nil)
    }

    private func metrics(_ batch: PushBatch) throws -> [OTLPMetric] {
        let request = try OTLPExportMetricsServiceRequest(serializedBytes: gunzipped(batch.body))
        return request.resourceMetrics.flatMap { $0.scopeMetrics.flatMap(\.metrics) }
    }

    private func gunzipped(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        #expect(inflateInit2_(&stream, 31, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK)
        defer { inflateEnd(&stream) }
        var input = bytes
        return [UInt8](unsafeUninitializedCapacity: 1 << 20) { output, count in
            input.withUnsafeMutableBufferPointer { source in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                #expect(inflate(&stream, Z_FINISH) == Z_STREAM_END)
            }
            count = Int(stream.total_out)
        }
    }

    @Test(
        "Damaged label texts give what is sound of them", arguments: ["", "{", "{a", "{a=", #"{a=""#, #"{a="\"#, "x"])
    func damagedLabels(_ text: String) { #expect(LabelText.labels(of: text).isEmpty) }
}
#endif
