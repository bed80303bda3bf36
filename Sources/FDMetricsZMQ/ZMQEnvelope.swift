// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ

/// The JSON envelope that carries a time stamp: `{"__meta": {"send_ts": seconds}, "data": payload}`.
///
/// An envelope is recognised whatever the order of its members and its white space. Other members are ignored, in it and
/// in `__meta`. Anything that only looks like one is not one: JSON that is malformed anywhere, `__meta` without `send_ts`,
/// a `send_ts` that is not a finite number, no `data`, one of the three given twice, or names spelled with escapes.
public struct ZMQEnvelope: Sendable, Equatable {
    /// When it was sent, in seconds of CLOCK_MONOTONIC.
    public let sentAt: Double
    /// Where the payload's JSON is in the envelope's bytes.
    public let payload: Range<Int>

    /// Looks into the bytes of a message; nil if they are not an envelope.
    public init?(parsing bytes: UnsafeRawBufferPointer) {
        var scanner = JSONScanner(bytes)
        var sentAt: Double?
        var payload: Range<Int>?
        guard scanner.take("{") else { return nil }
        repeat {
            guard let (name, hasEscapes) = scanner.takeName(), !hasEscapes else { return nil }
            if bytes[name].elementsEqual("__meta".utf8) {
                guard sentAt == nil, let seconds = Self.parseMeta(bytes, &scanner) else { return nil }
                sentAt = seconds
            } else {
                guard let value = scanner.takeValue() else { return nil }
                if bytes[name].elementsEqual("data".utf8) {
                    guard payload == nil else { return nil }
                    payload = value
                }
            }
        } while scanner.take(",")
        guard scanner.take("}") else { return nil }
        scanner.skipWhitespace()
        guard scanner.isAtEnd, let sentAt, let payload else { return nil }
        self.sentAt = sentAt
        self.payload = payload
    }

    /// The envelope of a payload, which must be JSON: this is not checked.
    public static func message(around payload: UnsafeRawBufferPointer, sentAt seconds: Double) -> ZMQMessage {
        var head = "{\"__meta\": {\"send_ts\": \(seconds)}, \"data\": "
        return head.withUTF8 { head in
            ZMQMessage(size: head.count + payload.count + 1) { bytes in
                bytes.copyBytes(from: head)
                UnsafeMutableRawBufferPointer(rebasing: bytes[head.count...]).copyBytes(from: payload)
                bytes[bytes.count - 1] = UInt8(ascii: "}")
            }
        }
    }

    /// Takes the value of `__meta` and gives the `send_ts` in it.
    private static func parseMeta(_ bytes: UnsafeRawBufferPointer, _ scanner: inout JSONScanner) -> Double? {
        var seconds: Double?
        guard scanner.take("{") else { return nil }
        repeat {
            guard let (name, hasEscapes) = scanner.takeName(), !hasEscapes else { return nil }
            if bytes[name].elementsEqual("send_ts".utf8) {
                guard seconds == nil, let number = scanner.takeNumber() else { return nil }
                seconds = Double(String(decoding: bytes[number], as: UTF8.self))
                guard let seconds, seconds.isFinite else { return nil }
            } else {
                guard scanner.takeValue() != nil else { return nil }
            }
        } while scanner.take(",")
        return scanner.take("}") ? seconds : nil
    }
}
#endif
