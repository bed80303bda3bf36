// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsZMQRecording

/// A whole message that was received as JSON: any frames, and the JSON in the last one.
public struct ZMQJSONMessage: Sendable {
    /// The frames before the last one: routing ids, the empty delimiter, a topic.
    public let leading: [ZMQMessage]
    /// The last frame as it came.
    public let frame: ZMQMessage
    /// What the last frame says about itself; nil if it is no envelope.
    public let envelope: ZMQEnvelope?
    /// Whether the last frame is JSON. If not, it is handed over all the same, and was counted as undecodable.
    public let isJSON: Bool

    /// The payload's JSON where it is: what is in the envelope, or the whole last frame if it is none. The pointer is valid
    /// during the call only.
    public func withPayload<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try frame.withUnsafeBytes { (bytes) throws(Failure) -> Result in
            guard let envelope else { return try body(bytes) }
            return try body(UnsafeRawBufferPointer(rebasing: bytes[envelope.payload]))
        }
    }

    /// A copy of the payload's JSON.
    public var payload: [UInt8] { withPayload { [UInt8]($0) } }
}

// Messages that are JSON, which an envelope may carry. The JSON stays as it is: taking it apart is the caller's.
extension ZMQSocket {
    /// Sends JSON as the last frame after these, in an envelope if that is the socket's carrier. The payload must be JSON:
    /// this is not checked. Errors: as `send`.
    public func sendJSON(
        _ payload: UnsafeRawBufferPointer, after leading: [ZMQMessage] = [], flags: SendFlags = []
    ) throws(ZMQError) {
        if carrier == .envelope { return try sendEnvelope(payload, after: leading, flags: flags) }
        for frame in leading { try send(frame, flags: flags.union(.more)) }
        try send(payload, flags: flags)
    }

    /// Sends JSON as the last frame after these, in an envelope if that is the socket's carrier. Errors: as above.
    public func sendJSON(
        _ payload: [UInt8], after leading: [ZMQMessage] = [], flags: SendFlags = []
    ) throws(ZMQError) {
        if carrier == .envelope { return try sendEnvelope(payload, after: leading, flags: flags) }
        for frame in leading { try send(frame, flags: flags.union(.more)) }
        try send(payload, flags: flags)
    }

    /// Sends JSON in an envelope whatever the socket's carrier is, as the last frame after these. The payload must be JSON:
    /// this is not checked. Errors: as `send`.
    public func sendEnvelope(
        _ payload: UnsafeRawBufferPointer, after leading: [ZMQMessage] = [], flags: SendFlags = []
    ) throws(ZMQError) {
        let message = try outgoing { () throws(ZMQError) in
            try ZMQEnvelope.message(around: payload, sentAt: ZMQLink.now())
        }
        try send(message, after: leading, flags)
    }

    /// Sends JSON in an envelope whatever the socket's carrier is, as the last frame after these. Errors: as above.
    public func sendEnvelope(
        _ payload: [UInt8], after leading: [ZMQMessage] = [], flags: SendFlags = []
    ) throws(ZMQError) {
        let message = try outgoing { () throws(ZMQError) in
            try ZMQEnvelope.message(around: payload, sentAt: ZMQLink.now())
        }
        try send(message, after: leading, flags)
    }

    private func send(_ message: ZMQMessage, after leading: [ZMQMessage], _ flags: SendFlags) throws(ZMQError) {
        for frame in leading { try send(frame, flags: flags.union(.more)) }
        try send(message, flags: flags)
    }

    /// Receives a whole message and takes the JSON in its last frame out of its envelope, if it is in one. The time since
    /// it was sent is recorded as the link's latency. Anything else is handed over as it came: what only looks like an
    /// envelope, and one from the future, whose clock is not ours, are counted as stamps that gave no latency; what is no
    /// JSON is counted as undecodable. Errors: as `receive`.
    public func receiveJSON(flags: ReceiveFlags = []) throws(ZMQError) -> ZMQJSONMessage {
        var leading: [ZMQMessage] = []
        var frame = try take(flags)
        while frame.hasMore {
            leading.append(frame)
            frame = try take(flags)
        }
        var content = frame.withUnsafeBytes { JSONContent(of: $0) }
        if case .envelope(let envelope) = content, !ZMQLink.isPast(envelope.sentAt) { content = .lookAlike }
        recordReceived(content)
        guard case .envelope(let envelope) = content else {
            return ZMQJSONMessage(leading: leading, frame: frame, envelope: nil, isJSON: content != .undecodable)
        }
        return ZMQJSONMessage(leading: leading, frame: frame, envelope: envelope, isJSON: true)
    }

    /// Counts a message that was received, and that the caller could not decode: its JSON is not what was agreed on.
    public func countUndecodable() {
        state.pointee.withLink { $0.receiveFailed() }
    }

    /// Counts the message that was received last. A trailer says more precisely than an envelope when it was sent.
    private func recordReceived(_ content: JSONContent) {
        let bytes = state.pointee.incoming.bytes
        if state.pointee.incoming.continuation == .trailer {
            state.pointee.recordReceived()
        } else {
            switch content {
            case .envelope(let envelope):
                state.pointee.withLink { $0.received(bytes: bytes, sentAt: envelope.sentAt) }
            case .lookAlike: state.pointee.withLink { $0.receivedUnusableStamp(bytes: bytes) }
            case .plain, .undecodable: state.pointee.recordReceived()
            }
        }
        if content == .undecodable && !state.pointee.incoming.isMade { countUndecodable() }
    }
}
#endif
