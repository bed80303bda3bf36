// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetrics
import FDMetricsZMQRecording

/// A link that stays where it is: using it copies nothing.
final class RecordedLink {
    let link: ZMQLink

    init(_ link: ZMQLink) { self.link = link }
}

/// Where one socket records: its link.
///
/// A socket has no link until it is bound or connected, and then at most one: that of the first endpoint, or of the name
/// that the caller gave. Once that endpoint is given up, the next one takes over.
struct SocketRecorder {
    private let recording: ZMQRecording
    private let name: String?
    private(set) var link: RecordedLink?
    private var isEndpointGone = false

    /// The endpoint that the link was opened for, as libzmq resolved it.
    private(set) var endpoint: String?
    /// Why there is no link although there should be one.
    private(set) var failure: (any Error)?

    init(_ recording: ZMQRecording, name: String?) {
        self.recording = recording
        self.name = name
    }

    /// The socket was bound or connected. A store that is not available is no reason to fail: then nothing is recorded.
    mutating func attach(to endpoint: String) {
        guard self.endpoint == nil || isEndpointGone || failure != nil else { return }
        self.endpoint = endpoint
        isEndpointGone = false
        failure = nil
        link = nil
        guard case .on(let chosen, let prefix) = recording else { return }
        do {
            let registry = if let chosen { chosen } else { try MetricRegistry.default() }
            link = RecordedLink(try ZMQLink(registry: registry, prefix: prefix, address: name ?? endpoint))
        } catch {
            failure = error
        }
    }

    /// The socket gave up an endpoint. What is still in its queues counts for the old link.
    mutating func detach(from endpoint: String) {
        if endpoint == self.endpoint { isEndpointGone = true }
    }

    /// The series of the link's connections; nil without a link, and where they could not be made.
    mutating func watchConnections() -> ZMQConnectionRecorder? {
        do {
            return try link?.link.watchConnections()
        } catch {
            failure = error
            return nil
        }
    }
}
#endif
