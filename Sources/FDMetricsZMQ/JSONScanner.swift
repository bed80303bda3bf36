// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ

/// Walks over JSON bytes without building anything: enough to find where a value begins and ends.
///
/// Strict: what RFC 8259 does not allow is refused, but for the numbers NaN, Infinity and -Infinity, which Python's `json`
/// writes. The encoding of strings is not checked. Nesting costs one byte a level and no stack.
struct JSONScanner {
    private let bytes: UnsafeRawBufferPointer
    /// The next byte to look at.
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// Whether all bytes were taken.
    var isAtEnd: Bool { position == bytes.count }

    /// The next byte, which is not taken; nil at the end.
    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipWhitespace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    /// Takes white space and then this character, if it is there.
    mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipWhitespace()
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// Takes white space and a string, and gives the range between its quotes and whether that has escapes.
    mutating func takeString() -> (content: Range<Int>, hasEscapes: Bool)? {
        guard take("\"") else { return nil }
        let start = position
        var hasEscapes = false
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                return (start..<position - 1, hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                guard takeEscape() else { return nil }
            case 0..<0x20:
                return nil
            default:
                break
            }
        }
        return nil
    }

    /// Takes white space, a member's name and the colon after it.
    mutating func takeName() -> (content: Range<Int>, hasEscapes: Bool)? {
        guard let name = takeString(), take(":") else { return nil }
        return name
    }

    /// Takes white space and a number, and gives its range.
    mutating func takeNumber() -> Range<Int>? {
        skipWhitespace()
        let start = position
        if next == UInt8(ascii: "-") { position += 1 }
        if next == UInt8(ascii: "0") {
            position += 1
        } else {
            guard takeDigits() else { return nil }
        }
        if next == UInt8(ascii: ".") {
            position += 1
            guard takeDigits() else { return nil }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            guard takeDigits() else { return nil }
        }
        return start..<position
    }

    /// Takes white space and one whole value of any kind, and gives its range.
    mutating func takeValue() -> Range<Int>? {
        skipWhitespace()
        let start = position
        // The brackets that close what is open.
        var open: [Unicode.Scalar] = []
        while true {
            skipWhitespace()
            switch next {
            case UInt8(ascii: "{"):
                position += 1
                if !take("}") {
                    guard takeName() != nil else { return nil }
                    open.append("}")
                    continue
                }
            case UInt8(ascii: "["):
                position += 1
                if !take("]") {
                    open.append("]")
                    continue
                }
            default:
                guard takeScalar() else { return nil }
            }
            // A value has ended: close what it ends, too, up to a comma that begins another one.
            while let bracket = open.last {
                if take(",") {
                    if bracket == "}" && takeName() == nil { return nil }
                    break
                }
                guard take(bracket) else { return nil }
                open.removeLast()
            }
            if open.isEmpty { return start..<position }
        }
    }

    private mutating func takeScalar() -> Bool {
        switch next {
        case UInt8(ascii: "\""): takeString() != nil
        case UInt8(ascii: "t"): takeWord("true")
        case UInt8(ascii: "f"): takeWord("false")
        case UInt8(ascii: "n"): takeWord("null")
        case UInt8(ascii: "N"): takeWord("NaN")
        case UInt8(ascii: "I"): takeWord("Infinity")
        case UInt8(ascii: "-"): takeWord("-Infinity") || takeNumber() != nil
        default: takeNumber() != nil
        }
    }

    private mutating func takeWord(_ word: StaticString) -> Bool {
        let end = position + word.utf8CodeUnitCount
        guard end <= bytes.count else { return false }
        let expected = UnsafeRawBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard bytes[position..<end].elementsEqual(expected) else { return false }
        position = end
        return true
    }

    private mutating func takeDigits() -> Bool {
        let start = position
        while let byte = next, byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") { position += 1 }
        return position > start
    }

    /// Takes what follows a backslash.
    private mutating func takeEscape() -> Bool {
        guard let byte = next else { return false }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return true
        case UInt8(ascii: "u"):
            for _ in 0..<4 {
                guard let digit = next, Character(Unicode.Scalar(digit)).isHexDigit else { return false }
                position += 1
            }
            return true
        default:
            return false
        }
    }
}
#endif
