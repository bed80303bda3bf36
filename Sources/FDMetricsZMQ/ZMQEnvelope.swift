// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ

/// The JSON envelope that carries a time stamp: `{"__meta": {"send_ts": seconds}, "data": payload}`.
///
/// An envelope is recognised whatever the order of its members and its white space. Other members are ignored, in it and
/// in `__meta`. Anything that only looks like one is not one: text that is no JSON, `__meta` without `send_ts`, a `send_ts`
/// that is not a finite number, no `data`, one of the three given twice, or names spelled with escapes.
public struct ZMQEnvelope: Sendable, Equatable {
    /// When it was sent, in seconds of CLOCK_MONOTONIC.
    public let sentAt: Double
    /// Where the payload's JSON is in the envelope's bytes.
    public let payload: Range<Int>

    init(sentAt: Double, payload: Range<Int>) {
        self.sentAt = sentAt
        self.payload = payload
    }

    /// Looks into the bytes of a message; nil if they are not an envelope.
    public init?(parsing bytes: UnsafeRawBufferPointer) {
        guard case .envelope(let envelope) = JSONContent(of: bytes) else { return nil }
        self = envelope
    }

    /// The envelope of a payload, which must be JSON: this is not checked. Errors: ENOMEM.
    public static func message(
        around payload: UnsafeRawBufferPointer, sentAt seconds: Double
    ) throws(ZMQError) -> ZMQMessage {
        let head = "{\"__meta\": {\"send_ts\": \(seconds)}, \"data\": ".utf8
        return try ZMQMessage(size: head.count + payload.count + 1) { bytes in
            bytes.copyBytes(from: head)
            UnsafeMutableRawBufferPointer(rebasing: bytes[head.count...]).copyBytes(from: payload)
            bytes[bytes.count - 1] = UInt8(ascii: "}")
        }
    }

    /// The envelope of a payload, as above.
    static func message(around payload: [UInt8], sentAt seconds: Double) throws(ZMQError) -> ZMQMessage {
        let made = payload.withUnsafeBytes { payload in
            Result { () throws(ZMQError) in try message(around: payload, sentAt: seconds) }
        }
        return try made.get()
    }
}

/// What the bytes of a message are to who expects JSON.
enum JSONContent: Equatable {
    /// An envelope.
    case envelope(ZMQEnvelope)
    /// An object with a member `__meta` that is no envelope.
    case lookAlike
    /// Any other JSON.
    case plain
    /// No JSON, or not in UTF-8.
    case undecodable

    init(of bytes: UnsafeRawBufferPointer) {
        self = .undecodable
        guard (try? UTF8Span(validating: Span(_unsafeElements: bytes.assumingMemoryBound(to: UInt8.self)))) != nil
        else { return }
        var scanner = JSONScanner(bytes)
        var members = Members()
        guard members.take(from: bytes, &scanner) else { return }
        scanner.skipWhitespace()
        guard scanner.isAtEnd else { return }
        guard let meta = members.meta else {
            self = .plain
            return
        }
        if members.isPlain, let payload = members.data, let sentAt = Self.sendTime(in: bytes, meta) {
            self = .envelope(ZMQEnvelope(sentAt: sentAt, payload: payload))
        } else {
            self = .lookAlike
        }
    }

    /// The members of an object that matter.
    private struct Members {
        var meta: Range<Int>?
        var data: Range<Int>?
        /// Whether each is there once at most, and no name is spelled with escapes.
        var isPlain = true

        /// Takes one whole value, which may be an object; false if there is none.
        mutating func take(from bytes: UnsafeRawBufferPointer, _ scanner: inout JSONScanner) -> Bool {
            scanner.skipWhitespace()
            guard scanner.next == UInt8(ascii: "{") else { return scanner.takeValue() != nil }
            guard scanner.take("{") else { return false }
            if scanner.take("}") { return true }
            repeat {
                guard let (name, hasEscapes) = scanner.takeName(), let value = scanner.takeValue() else { return false }
                if hasEscapes {
                    isPlain = false
                } else if bytes[name].elementsEqual("__meta".utf8) {
                    isPlain = isPlain && meta == nil
                    meta = value
                } else if bytes[name].elementsEqual("data".utf8) {
                    isPlain = isPlain && data == nil
                    data = value
                }
            } while scanner.take(",")
            return scanner.take("}")
        }
    }

    /// The `send_ts` in the value of `__meta`, which is JSON; nil if there is none that can be used.
    private static func sendTime(in bytes: UnsafeRawBufferPointer, _ meta: Range<Int>) -> Double? {
        let bytes = UnsafeRawBufferPointer(rebasing: bytes[meta])
        var scanner = JSONScanner(bytes)
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
