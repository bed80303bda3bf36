// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
/// What a request line asks for: a path, and what follows the "?"; and of whom, if it says so.
struct RequestTarget: Equatable {
    var path: String
    var query: String?
    /// The host, with or without a port, of "http://host:1/metrics". It goes before the header Host (RFC 9112, 3.2.2).
    var authority: String?

    /// - Parameter uri: as the client sent it: "/metrics?name[]=up", or with a scheme and a host as proxies get it.
    init(uri: String) {
        var rest = Substring(uri)
        if !rest.hasPrefix("/"), let scheme = rest.firstRange(of: "://") {
            let hostAndMore = rest[scheme.upperBound...]
            let end = hostAndMore.firstIndex { $0 == "/" || $0 == "?" } ?? hostAndMore.endIndex
            authority = String(hostAndMore[..<end])
            rest = end < hostAndMore.endIndex ? hostAndMore[end...] : "/"
            if rest.hasPrefix("?") { rest = "/" + rest }
        }
        if let mark = rest.firstIndex(of: "?") {
            path = String(rest[..<mark])
            query = String(rest[rest.index(after: mark)...])
        } else {
            path = String(rest)
        }
    }

    /// The values of name[]=..., decoded.
    var names: [String] {
        guard let query else { return [] }
        return query.split(separator: "&").compactMap { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, Self.decoded(parts[0]) == "name[]", !parts[1].isEmpty else { return nil }
            return Self.decoded(parts[1])
        }
    }

    /// Without the escapes of a query: %5B, and + for a space. What is no escape stays as it is; bytes that are no UTF-8
    /// become U+FFFD.
    static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = text.utf8
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"):
                bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                let digits = rest.prefix(2)
                guard digits.count == 2, let high = hexValue(digits.first), let low = hexValue(digits.last) else {
                    bytes.append(byte)
                    continue
                }
                bytes.append(high << 4 | low)
                rest = rest.dropFirst(2)
            default:
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexValue(_ digit: UInt8?) -> UInt8? {
        switch digit {
        case .some(let digit) where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit): digit - UInt8(ascii: "0")
        case .some(let digit) where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(digit | 0x20):
            (digit | 0x20) - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
#endif
