// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
/// Names of Prometheus made of swift-metrics' labels and dimension names, which may be any text.
enum PrometheusName {
    /// A metric name: what is not [a-zA-Z0-9_:] becomes "_"; a digit at the beginning gets one before it.
    static func metric(_ label: String) -> String { sanitized(label, allowsColon: true) }

    /// A label name: what is not [a-zA-Z0-9_] becomes "_". Names that Prometheus keeps for itself are moved out of its way:
    /// "__x" becomes "_x", and `reserved`, a label of the family's own samples, "exported_" and itself.
    static func label(_ dimension: String, reserved: String?) -> String {
        var name = sanitized(dimension, allowsColon: false)
        while name.hasPrefix("__") { name.removeFirst() }
        return name == reserved ? "exported_" + name : name
    }

    private static func sanitized(_ text: String, allowsColon: Bool) -> String {
        if isValid(text, allowsColon: allowsColon) { return text }
        var name = ""
        if let first = text.utf8.first, isDigit(first) { name = "_" }
        // By scalars, not by characters: a flag is two.
        for scalar in text.unicodeScalars {
            let isKept = scalar.isASCII && isValid(UInt8(scalar.value), allowsColon: allowsColon)
            name.unicodeScalars.append(isKept ? scalar : "_")
        }
        return name.isEmpty ? "_" : name
    }

    private static func isValid(_ text: String, allowsColon: Bool) -> Bool {
        guard let first = text.utf8.first, !isDigit(first) else { return false }
        return text.utf8.allSatisfy { isValid($0, allowsColon: allowsColon) }
    }

    private static func isValid(_ byte: UInt8, allowsColon: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
        case UInt8(ascii: ":"): allowsColon
        default: isDigit(byte)
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
#endif
