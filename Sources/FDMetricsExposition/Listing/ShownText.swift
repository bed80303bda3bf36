// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore

/// How a text that others chose (a name, a label value, a command) is written.
enum ShownForm {
    /// Without what a terminal would obey: see `isObeyed`.
    case plain
    /// The same, in quotes.
    case quoted
    /// As a JSON string.
    case json
}

/// Whether a terminal obeys a character, or shows the text in another order than it stands. It is written as its escape, such
/// as \u{1B}.
package func isObeyed(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // Control characters, and those of the upper half: U+009B begins a sequence as ESC [ does.
    case ..<0x20, 0x7F..<0xA0: true
    // What ends a line, or turns the direction of writing.
    case 0x2028...0x202E, 0x2066...0x2069, 0x200E...0x200F, 0x061C: true
    default: false
    }
}

// Parts of lines. Each is a call, since there are many places that add one and none of them is in a hurry.
extension TextBuffer {
    @inline(never)
    mutating func add(_ literal: StaticString) { append(literal) }

    @inline(never)
    mutating func add(_ number: UInt64) { add(ascii: number.description) }

    @inline(never)
    mutating func add(_ number: Int) { add(ascii: number.description) }

    /// As the text formats spell a number, with Swift's digits: 1.0, +Inf, NaN.
    @inline(never)
    mutating func add(_ number: Double) {
        if number.isFinite { return add(ascii: number.description) }
        add(number.isNaN ? "NaN" : number > 0 ? "+Inf" : "-Inf")
    }

    /// A number in at least so many digits.
    @inline(never)
    mutating func add(_ number: UInt64, radix: Int = 10, digits: Int) {
        let text = String(number, radix: radix)
        for _ in 0..<max(0, digits - text.utf8.count) { append(byte: UInt8(ascii: "0")) }
        add(ascii: text)
    }

    @inline(never)
    private mutating func add(ascii text: String) {
        for byte in text.utf8 { append(byte: byte) }
    }

    @inline(never)
    mutating func add(_ bytes: UnsafeRawBufferPointer, as form: ShownForm) {
        add(String(decoding: bytes, as: UTF8.self), as: form)
    }

    /// A text of others.
    @inline(never)
    mutating func add(_ text: String, as form: ShownForm) {
        if form != .plain { append(byte: UInt8(ascii: "\"")) }
        for scalar in text.unicodeScalars {
            if scalar == "\"", form != .plain {
                add("\\\"")
            } else if form == .json {
                addToJSON(scalar)
            } else if isObeyed(scalar) {
                add("\\u{")
                add(ascii: String(scalar.value, radix: 16, uppercase: true))
                add("}")
            } else {
                for byte in scalar.utf8 { append(byte: byte) }
            }
        }
        if form != .plain { append(byte: UInt8(ascii: "\"")) }
    }

    private mutating func addToJSON(_ scalar: Unicode.Scalar) {
        switch scalar.value {
        case 0x5C: add("\\\\")
        case 0x0A: add("\\n")
        // Those of the upper half, too: a terminal may obey them.
        case ..<0x20, 0x7F..<0xA0:
            add("\\u")
            add(UInt64(scalar.value), radix: 16, digits: 4)
        default: for byte in scalar.utf8 { append(byte: byte) }
        }
    }

    mutating func addStoreID(_ store: StoreListing) {
        for offset in [0, 8] { add(store.constant(HeaderLayout.storeID + offset), radix: 16, digits: 16) }
    }

    /// ns since the epoch as UTC, such as 2025-01-31T12:00:00.123Z.
    @inline(never)
    mutating func add(time nanoseconds: UInt64) {
        let milliseconds = nanoseconds / 1_000_000
        let (days, time) = (milliseconds / 86_400_000, milliseconds % 86_400_000)
        // The Gregorian calendar repeats after 400 years of 146,097 days. In years that begin in March the leap day is the
        // last one: https://howardhinnant.github.io/date_algorithms.html#civil_from_days
        let (era, day) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097)
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        let month = (5 * dayOfYear + 2) / 153
        add(era * 400 + year + (month >= 10 ? 1 : 0), digits: 4)
        add("-")
        add(month >= 10 ? month - 9 : month + 3, digits: 2)
        add("-")
        add(dayOfYear - (153 * month + 2) / 5 + 1, digits: 2)
        add("T")
        add(time / 3_600_000, digits: 2)
        add(":")
        add(time / 60_000 % 60, digits: 2)
        add(":")
        add(time / 1000 % 60, digits: 2)
        add(".")
        add(time % 1000, digits: 3)
        add("Z")
    }
}
