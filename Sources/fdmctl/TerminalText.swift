// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// Texts that others chose (names, label values, commands), on a terminal.

/// A text without control characters, which a terminal would obey: each is written as its escape, such as \u{1B}.
func sanitized(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
    var result = ""
    for scalar in text.unicodeScalars {
        if scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) || isBidirectional(scalar) {
            result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}

/// How many columns a sanitized text takes.
func columns(_ text: String) -> Int { text.unicodeScalars.reduce(0) { $0 + columns($1) } }

/// A sanitized text in exactly so many columns: padded with spaces, or cut with a mark at its end.
func fitted(_ text: String, _ width: Int, alignedRight: Bool = false) -> String {
    let taken = columns(text)
    if taken <= width {
        let padding = String(repeating: " ", count: width - taken)
        return alignedRight ? padding + text : text + padding
    }
    if width <= 0 { return "" }
    var result = ""
    var count = 0
    for scalar in text.unicodeScalars {
        let next = columns(scalar)
        if count + next > width - 1 { break }
        result.unicodeScalars.append(scalar)
        count += next
    }
    return result + "…" + String(repeating: " ", count: width - 1 - count)
}

/// What is left of a sanitized text without its first columns, with a mark in their place, where it is wider than so many
/// columns; else the text.
func shifted(_ text: String, by shift: Int, width: Int) -> String {
    if shift <= 0 || columns(text) <= width { return text }
    var dropped = 0
    let rest = text.unicodeScalars.drop { scalar in
        if dropped > shift { return false }
        dropped += columns(scalar)
        return true
    }
    return "…" + String(String.UnicodeScalarView(rest))
}

/// Marks that make a terminal show a text in another order than it stands.
private func isBidirectional(_ scalar: Unicode.Scalar) -> Bool {
    (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
}

/// 2 for what East Asian Width calls wide and for pictures, 0 for marks on another letter, else 1.
private func columns(_ scalar: Unicode.Scalar) -> Int {
    if scalar.value < 0x300 { return 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: break
    }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
        0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
        return 2
    default: return 1
    }
}
