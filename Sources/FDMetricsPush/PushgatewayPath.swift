// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FoundationEssentials

/// How the Pushgateway's addresses name a group of metrics
/// (https://github.com/prometheus/pushgateway/blob/master/README.md#url): `/metrics/job/JOB{/LABEL/VALUE}`.
package enum PushgatewayPath {
    /// The path of a group.
    /// - Parameter labels: What tells the group from others of the job, in this order.
    package static func path(job: String, labels: [PushLabel]) -> String {
        "/metrics" + ([PushLabel("job", job)] + labels).map(segment).joined()
    }

    /// A value that is empty, has a slash, or is a step in a path cannot stand in one: it is spelled in base64, which a suffix
    /// of the name says.
    private static func segment(_ label: PushLabel) -> String {
        if label.value.isEmpty { return "/\(label.name)@base64/=" }
        if label.value.contains("/") || [".", ".."].contains(label.value) {
            return "/\(label.name)@base64/\(base64(label.value))"
        }
        return "/\(label.name)/\(percentEncoded(label.value))"
    }

    /// With the alphabet for addresses, without padding.
    private static func base64(_ value: String) -> String {
        String(
            Data(value.utf8).base64EncodedString().compactMap { character -> Character? in
                switch character {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: character
                }
            })
    }

    /// All but what RFC 3986 calls unreserved as %XX.
    private static func percentEncoded(_ value: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                text.append(byte)
            default:
                text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
#endif
