// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetrics
import FDMetricsExposition

/// How readings become requests.
package enum PushEncoder: Sendable {
    /// - Parameter isAddition: Whether other metrics of the group are left alone.
    case pushgateway(isAddition: Bool, deletesAtEnd: Bool)
    case remoteWrite(RemoteWriteEncoder)
    case otlp(OTLPEncoder)

    /// Samples with these labels added.
    package static func remoteWrite(labels: [PushLabel], limits: BatchLimits) -> PushEncoder {
        .remoteWrite(RemoteWriteEncoder(labels: labels, limits: limits))
    }

    /// Metrics of something with these attributes.
    package static func otlp(resource: [PushLabel], limits: BatchLimits) -> PushEncoder {
        .otlp(OTLPEncoder(resource: resource, limits: limits))
    }

    /// The rules for answers.
    package var `protocol`: PushProtocol {
        switch self {
        case .pushgateway: .pushgateway
        case .remoteWrite: .remoteWrite
        case .otlp: .otlp
        }
    }

    /// The method of requests that are no deletions.
    package var method: PushEndpoint.Method {
        if case .pushgateway(let isAddition, _) = self { return isAddition ? .post : .put }
        return .post
    }

    /// What all requests carry besides what the user asks for.
    package var headers: [PushEndpoint.Header] {
        let agent = PushEndpoint.Header("User-Agent", "fdmctl/\(FDMetricsVersion.string)")
        switch self {
        case .pushgateway:
            return [agent, .init("Content-Type", ExpositionFormat.text.contentType)]
        case .remoteWrite:
            return [
                agent, .init("Content-Type", "application/x-protobuf"), .init("Content-Encoding", "snappy"),
                .init("X-Prometheus-Remote-Write-Version", "0.1.0"),
            ]
        case .otlp:
            return [agent, .init("Content-Type", "application/x-protobuf"), .init("Content-Encoding", "gzip")]
        }
    }

    /// Whether a new request makes those that wait needless: a Pushgateway has only the present.
    var replacesWaiting: Bool { self.protocol == .pushgateway }

    /// The requests of a reading.
    mutating func batches(of reading: PushReading) throws -> [PushBatch] {
        switch self {
        case .pushgateway: return []
        case .remoteWrite(var encoder):
            defer { self = .remoteWrite(encoder) }
            return try encoder.batches(of: reading)
        case .otlp(var encoder):
            defer { self = .otlp(encoder) }
            return try encoder.batches(of: reading)
        }
    }

    /// The requests that say that no series is there any more. None where none was there.
    mutating func absent(at time: UInt64) throws -> [PushBatch] {
        try batches(
            of: PushReading(snapshot: StoreSnapshot(time: 0, families: []), time: time, storeCreated: 0))
    }

    /// The requests at the end of pushing.
    mutating func end(at time: UInt64) throws -> [PushBatch] {
        if case .pushgateway(_, let deletesAtEnd) = self { return deletesAtEnd ? [.deletion] : [] }
        return try absent(at: time)
    }
}

/// Counts the samples of a scrape in the text format: its lines that are no comments.
enum TextSamples {
    static func count(_ text: [UInt8]) -> Int {
        text.split(separator: UInt8(ascii: "\n")).count { $0.first != UInt8(ascii: "#") }
    }
}
#endif
