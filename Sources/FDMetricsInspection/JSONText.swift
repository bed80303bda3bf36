// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// A JSON value to be printed. Members of an object keep their order.
package enum JSONText {
    case null
    case bool(Bool)
    case integer(UInt64)
    case signed(Int64)
    /// JSON has no numbers for these: infinities and NaN become the strings "+Inf", "-Inf" and "NaN".
    case number(Double)
    case string(String)
    case array([JSONText])
    case object([(String, JSONText)])

    package static func integer(_ value: Int) -> JSONText { .signed(Int64(value)) }
    package static func number(_ value: Double?) -> JSONText { value.map { .number($0) } ?? .null }

    /// The value as one line for each member of the outer objects, ending with a newline.
    package var text: String {
        var output = ""
        write(to: &output, indentation: 0)
        return output + "\n"
    }

    /// The value without any white space: for programs.
    package var compactText: String {
        var output = ""
        write(to: &output, indentation: nil)
        return output
    }

    /// - Parameter indentation: of the members of an object; nil: all stands in one line.
    private func write(to output: inout String, indentation: Int?) {
        let inner = indentation.map { $0 + 1 }
        switch self {
        case .null: output += "null"
        case .bool(let value): output += value ? "true" : "false"
        case .integer(let value): output += "\(value)"
        case .signed(let value): output += "\(value)"
        case .number(let value):
            output += value.isFinite ? "\(value)" : "\"\(numberText(value))\""
        case .string(let value): Self.write(value, to: &output)
        case .array(let values):
            Self.write(values, "[", "]", to: &output, indentation) { $0.write(to: &$1, indentation: inner) }
        case .object(let members):
            Self.write(members, "{", "}", to: &output, indentation) { member, output in
                Self.write(member.0, to: &output)
                output += indentation == nil ? ":" : ": "
                member.1.write(to: &output, indentation: inner)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element], _ open: String, _ close: String, to output: inout String, _ indentation: Int?,
        _ body: (Element, inout String) -> Void
    ) {
        output += open
        for (index, element) in elements.enumerated() {
            if index > 0 { output += "," }
            if let indentation { output += "\n" + String(repeating: " ", count: indentation + 1) }
            body(element, &output)
        }
        output += close
    }

    private static func write(_ string: String, to output: inout String) {
        output += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            // Those of the upper half, too: a terminal may obey them.
            case let control where control.value < 0x20 || (0x7F..<0xA0).contains(control.value):
                let digits = String(control.value, radix: 16)
                output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: output.unicodeScalars.append(scalar)
            }
        }
        output += "\""
    }
}

/// A number as the text formats spell it: 1.0, +Inf, NaN.
package func numberText(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    return value.isFinite ? "\(value)" : value > 0 ? "+Inf" : "-Inf"
}
