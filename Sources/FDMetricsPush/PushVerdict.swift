// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import Glibc

/// What a request came to.
package enum PushOutcome: Sendable, Equatable {
    /// The receiver answered. The text is the beginning of its body.
    case answered(status: Int, retryAfter: String?, body: [UInt8])
    /// There was no answer: no connection, a connection that broke, or one that took too long.
    case failed(String)
}

/// What to do after a request.
package enum PushVerdict: Sendable, Equatable {
    /// It was taken. A remark, if any, is for the log: what of it the receiver says it did not take.
    case accepted(remark: String?)
    /// It is tried again: at the earliest after the time that the receiver asked for.
    case retry(reason: String, after: Duration?)
    /// It would be refused again.
    case refused(reason: String)
}

/// How a protocol wants answers to be understood.
package enum PushProtocol: Sendable, Equatable {
    /// Prometheus remote write 1.0: 5xx and 429 are tried again, other statuses never.
    case remoteWrite
    /// OTLP/HTTP: 429, 502, 503 and 504 are tried again.
    case otlp
    /// The Pushgateway: as remote write.
    case pushgateway

    private func mayRetry(_ status: Int) -> Bool {
        switch self {
        case .remoteWrite, .pushgateway: status == 429 || status >= 500
        case .otlp: [429, 502, 503, 504].contains(status)
        }
    }

    /// What to do after a request.
    /// - Parameter now: Seconds since the epoch, for a Retry-After that is a date.
    package func verdict(on outcome: PushOutcome, now: Int = time(nil)) -> PushVerdict {
        switch outcome {
        case .failed(let reason): return .retry(reason: reason, after: nil)
        case .answered(let status, let retryAfter, let body):
            if (200..<300).contains(status) {
                return .accepted(remark: self == .otlp ? OTLPAnswer.remark(body) : nil)
            }
            let text = self == .otlp ? OTLPAnswer.message(body) ?? Self.text(body) : Self.text(body)
            let reason = text.isEmpty ? "status \(status)" : "status \(status): \(text)"
            if !mayRetry(status) { return .refused(reason: reason) }
            return .retry(reason: reason, after: retryAfter.flatMap { Self.delay($0, now: now) })
        }
    }

    /// Seconds, or a date as HTTP spells it.
    static func delay(_ text: String, now: Int) -> Duration? {
        if let seconds = Int(text) { return seconds < 0 ? nil : .seconds(seconds) }
        return seconds(ofDate: text).map { .seconds(max(0, $0 - now)) }
    }

    /// Seconds since the epoch of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that may be sent (RFC 9110,
    /// 5.6.7). Neither the C library as Swift sees it nor FoundationEssentials reads it.
    private static func seconds(ofDate text: String) -> Int? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = text.split { $0 == " " || $0 == ":" }
        guard parts.count == 8, parts[7] == "GMT", let month = months.firstIndex(of: String(parts[2])),
            let day = Int32(parts[1]), let year = Int32(parts[3]), let hour = Int32(parts[4]),
            let minute = Int32(parts[5]), let second = Int32(parts[6]), (1970...9999).contains(year),
            (1...31).contains(day), (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        var date = tm()
        (date.tm_year, date.tm_mon, date.tm_mday) = (year - 1900, Int32(month), day)
        (date.tm_hour, date.tm_min, date.tm_sec) = (hour, minute, second)
        return timegm(&date)
    }

    /// The beginning of an answer's body as one line.
    static func text(_ body: [UInt8]) -> String {
        let text = String(decoding: body.prefix(300), as: UTF8.self)
        let line = String(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
        return line.split(separator: " ").joined(separator: " ")
    }
}
#endif
