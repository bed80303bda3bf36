// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsZMQRecording

/// A message whose last frame may be a JSON envelope.
public struct ZMQEnvelopedMessage: Sendable {
    /// The frames before the last one: routing ids, the empty delimiter, a topic.
    public let leading: [ZMQMessage]
    /// The last frame as it came.
    public let frame: ZMQMessage
    /// What the last frame says about itself; nil if it is no envelope.
    public let envelope: ZMQEnvelope?

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

// The JSON envelope: how the latency of a link is measured where peers speak JSON.
extension ZMQSocket {
    /// Sends JSON in an envelope that says when, as the last frame after these. The payload must be JSON: this is not
    /// checked. Errors: as `send`.
    public func sendEnvelope(
        _ payload: UnsafeRawBufferPointer, after leading: [ZMQMessage] = [], flags: SendFlags = []
    ) throws(ZMQError) {
        try send(ZMQEnvelope.message(around: payload, sentAt: ZMQLink.now()), after: leading, flags)
    }

    /// Sends JSON in an envelope that says when, as the last frame after these. Errors: as above.
    public func sendEnvelope(
        _ payload: [UInt8], after leading: [ZMQMessage] = [], flags: SendFlags = []
    ) throws(ZMQError) {
        let message = payload.withUnsafeBytes { ZMQEnvelope.message(around: $0, sentAt: ZMQLink.now()) }
        try send(message, after: leading, flags)
    }

    private func send(_ message: ZMQMessage, after leading: [ZMQMessage], _ flags: SendFlags) throws(ZMQError) {
        for frame in leading { try send(frame, flags: flags.union(.more)) }
        try send(message, flags: flags)
    }

    /// Receives a whole message and takes its last frame out of its envelope, if it is in one. The time since it was sent
    /// is recorded as the link's latency. Anything else is handed over as it came, an envelope from the future too: its
    /// clock is not ours. Errors: as `receive`.
    public func receiveEnvelope(flags: ReceiveFlags = []) throws(ZMQError) -> ZMQEnvelopedMessage {
        var leading: [ZMQMessage] = []
        var frame = try receiveUnrecorded(flags: flags)
        while frame.hasMore {
            recorder.received(bytes: frame.count, more: true)
            leading.append(frame)
            frame = try receiveUnrecorded(flags: flags)
        }
        let now = ZMQLink.now()
        guard let envelope = frame.withUnsafeBytes({ ZMQEnvelope(parsing: $0) }), envelope.sentAt <= now else {
            recorder.received(bytes: frame.count, more: false)
            return ZMQEnvelopedMessage(leading: leading, frame: frame, envelope: nil)
        }
        recorder.received(bytes: frame.count, sentAt: envelope.sentAt)
        return ZMQEnvelopedMessage(leading: leading, frame: frame, envelope: envelope)
    }
}
#endif
