// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition

// Texts that others chose (names, label values, commands), on a terminal.

/// A text without control characters, which a terminal would obey, and without marks that make it show a text in another order
/// than it stands: each is written as its escape, such as \u{1B}.
package func sanitized(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
    var result = ""
    for scalar in text.unicodeScalars {
        if isObeyed(scalar) {
            result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}

/// A sanitized text in exactly so many columns: padded with spaces, or cut with a mark at its end.
package func fitted(_ text: String, _ width: Int, alignedRight: Bool = false) -> String {
    let taken = columns(text)
    if taken <= width {
        let padding = String(repeating: " ", count: width - taken)
        return alignedRight ? padding + text : text + padding
    }
    if width <= 0 { return "" }
    var result = ""
    var count = 0
    for character in text {
        let next = columns(character)
        if count + next > width - 1 { break }
        result.append(character)
        count += next
    }
    return result + "…" + String(repeating: " ", count: width - 1 - count)
}

/// What is left of a sanitized text without its first columns, with a mark in their place, where it is wider than so many
/// columns; else the text.
package func shifted(_ text: String, by shift: Int, width: Int) -> String {
    if shift <= 0 || columns(text) <= width { return text }
    var dropped = 0
    let rest = text.drop { character in
        if dropped > shift { return false }
        dropped += columns(character)
        return true
    }
    return "…" + rest
}
