// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// One element of a header such as Accept: `text/plain;version=0.0.4;q=0.5`.
struct HeaderClause {
    /// What stands in front of the first semicolon, in lower case.
    private(set) var name = ""
    /// The parameters but q: names in lower case, values without quotes.
    private(set) var parameters: [(name: String, value: String)] = []
    /// q in thousandths, from 0 to 1000. One that is no number counts as the least that is not 0: whoever wrote it
    /// wanted something of this kind, but did not say how much.
    private(set) var quality = 1000

    /// The value of a parameter; of several the first, as in Prometheus's own libraries.
    func value(of parameter: String) -> String? { parameters.first { $0.name == parameter }?.value }

    /// The elements of a header, in order; empty ones are left out.
    static func list(_ header: String) -> [HeaderClause] {
        var scanner = Scanner(bytes: Array(header.utf8))
        var clauses: [HeaderClause] = []
        while !scanner.isAtEnd {
            let clause = scanner.clause()
            if !clause.name.isEmpty { clauses.append(clause) }
        }
        return clauses
    }

    private mutating func take(_ name: String, _ value: String) {
        if name == "q" {
            quality = Self.thousandths(value)
        } else if !name.isEmpty {
            parameters.append((name, value))
        }
    }

    /// 0 to 1 with any number of digits behind the point; more than three only matter for whether it is 0 (RFC 9110 has
    /// three at most). What is no such number counts as least.
    private static func thousandths(_ text: String) -> Int {
        var result = 0
        // What the next digit is worth; nil before the point.
        var worth: Int?
        var (hasDigits, isZero) = (false, true)
        for byte in text.utf8 {
            if byte == UInt8(ascii: "."), worth == nil {
                worth = 100
                continue
            }
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return 1 }
            let digit = Int(byte - UInt8(ascii: "0"))
            hasDigits = true
            if digit > 0 { isZero = false }
            if let place = worth {
                result += digit * place
                worth = place / 10
            } else {
                result = min(1000, result * 10 + digit * 1000)
            }
        }
        if !hasDigits { return 1 }
        return isZero ? 0 : min(max(1, result), 1000)
    }

    private struct Scanner {
        let bytes: [UInt8]
        var position = 0

        var isAtEnd: Bool { position >= bytes.count }

        /// Reads up to and with the next comma.
        mutating func clause() -> HeaderClause {
            var clause = HeaderClause()
            clause.name = token(until: ",;", isLowercased: true)
            while !isAtEnd {
                let separator = bytes[position]
                position += 1
                if separator == UInt8(ascii: ",") { break }
                let name = token(until: ",;=", isLowercased: true)
                var value = ""
                if !isAtEnd, bytes[position] == UInt8(ascii: "=") {
                    position += 1
                    value = token(until: ",;", isLowercased: false)
                }
                clause.take(name, value)
            }
            return clause
        }

        /// The text up to one of some separators, which is not taken, without the spaces around it and without quotes.
        private mutating func token(until separators: StaticString, isLowercased: Bool) -> String {
            var taken: [UInt8] = []
            // Where the last byte that is to stay stands: spaces within quotes stay.
            var kept = 0
            var isQuoted = false
            while !isAtEnd {
                var byte = bytes[position]
                if isQuoted, byte == UInt8(ascii: "\\"), position + 1 < bytes.count {
                    position += 1
                    byte = bytes[position]
                } else if byte == UInt8(ascii: "\"") {
                    isQuoted.toggle()
                    position += 1
                    continue
                } else if !isQuoted {
                    if separators.has(byte) { break }
                    if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") {
                        position += 1
                        if !taken.isEmpty { taken.append(byte) }
                        continue
                    }
                    if isLowercased, byte >= UInt8(ascii: "A"), byte <= UInt8(ascii: "Z") { byte |= 0x20 }
                }
                taken.append(byte)
                kept = taken.count
                position += 1
            }
            return String(decoding: taken[..<kept], as: UTF8.self)
        }
    }
}

extension StaticString {
    fileprivate func has(_ byte: UInt8) -> Bool { withUTF8Buffer { $0.contains(byte) } }
}
