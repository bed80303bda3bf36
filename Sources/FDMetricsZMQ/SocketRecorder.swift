// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetrics
import FDMetricsZMQRecording

/// What one socket records: its link, and the frames of messages that are not complete yet.
///
/// A socket has no link until it is bound or connected, and then at most one: that of the first endpoint, or of the name
/// that the caller gave. Once that endpoint is given up, the next one takes over.
struct SocketRecorder {
    private let recording: ZMQRecording
    private let name: String?
    private var link: ZMQLink?
    private var isEndpointGone = false
    private var unfinishedSend = 0
    private var unfinishedReceive = 0

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
            link = try ZMQLink(registry: registry, prefix: prefix, address: name ?? endpoint)
        } catch {
            failure = error
        }
    }

    /// The socket gave up an endpoint. What is still in its queues counts for the old link.
    mutating func detach(from endpoint: String) {
        if endpoint == self.endpoint { isEndpointGone = true }
    }

    /// libzmq took a frame.
    mutating func sent(bytes: Int, more: Bool) {
        unfinishedSend += bytes
        if more { return }
        link?.sent(bytes: unfinishedSend)
        unfinishedSend = 0
    }

    /// libzmq refused a frame, and with it the message.
    mutating func sendFailed() {
        link?.sendFailed()
        unfinishedSend = 0
    }

    /// A frame arrived.
    mutating func received(bytes: Int, more: Bool) {
        unfinishedReceive += bytes
        if more { return }
        link?.received(bytes: unfinishedReceive)
        unfinishedReceive = 0
    }

    /// The last frame of a message arrived, with the time at which it was sent.
    mutating func received(bytes: Int, sentAt seconds: Double) {
        link?.received(bytes: unfinishedReceive + bytes, sentAt: seconds)
        unfinishedReceive = 0
    }
}
#endif
