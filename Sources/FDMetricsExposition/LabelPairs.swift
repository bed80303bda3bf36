// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore

/// Goes through the labels of a series as the store has them: {a="x","b.c"="y"}. A text that is cut off ends early.
package struct LabelPairs: Sequence, IteratorProtocol {
    /// One label.
    package struct Pair {
        /// The name as it was registered.
        package let name: String
        /// The value as it stands there, quotation marks and escapes included.
        let quotedValue: UnsafeRawBufferPointer
        /// Whether the value has both its quotation marks; only a damaged store has others.
        package let isWhole: Bool

        /// The value as it was given.
        package var value: String { LabelPairs.unquoted(quotedValue) }
    }

    private let text: UnsafeRawBufferPointer
    /// Behind the opening brace or a comma.
    private var position = 1

    package init(_ text: UnsafeRawBufferPointer) { self.text = text }

    package mutating func next() -> Pair? {
        guard position < text.count else { return nil }
        let isQuoted = text[position] == UInt8(ascii: "\"")
        let name: String
        if isQuoted {
            name = Self.unquoted(quotation().text)
        } else {
            let start = position
            while position < text.count, text[position] != UInt8(ascii: "=") { position += 1 }
            name = String(decoding: text[start..<position], as: UTF8.self)
        }
        position += 1
        guard position < text.count else { return nil }
        let isValue = text[position] == UInt8(ascii: "\"")
        let value = quotation()
        position += 1
        return Pair(name: name, quotedValue: value.text, isWhole: isValue && value.isEnded)
    }

    /// Whether some name is in quotation marks.
    static func hasQuotedName(_ text: UnsafeRawBufferPointer) -> Bool {
        var pairs = LabelPairs(text)
        while pairs.position < text.count {
            if text[pairs.position] == UInt8(ascii: "\"") { return true }
            if pairs.next() == nil { return false }
        }
        return false
    }

    /// Labels with one more, which stands in its place in the order of names.
    package static func adding(_ name: String, _ value: String, to labels: String) -> String {
        var labels = labels
        return labels.withUTF8 { text in
            let text = UnsafeRawBufferPointer(text)
            let place = LabelPlace(of: name, among: LabelPairs(text).map { $0.name }).offset(in: text)
            let before = String(decoding: text[..<place], as: UTF8.self), label = "\(name)=\"\(value)\""
            if text.isEmpty { return "{\(label)}" }
            let behind = String(decoding: text[place...], as: UTF8.self)
            if place <= 1 { return "{\(label),\(behind)" }
            return behind == "}" ? "\(before),\(label)}" : "\(before)\(label),\(behind)"
        }
    }

    /// Where the pair with a number begins, counted from 0; where there are no more, the closing brace.
    static func start(of number: Int, in text: UnsafeRawBufferPointer) -> Int {
        var pairs = LabelPairs(text)
        for _ in 0..<number where pairs.next() == nil { break }
        return Swift.min(pairs.position, Swift.max(0, text.count - 1))
    }

    /// Moves behind the quotation mark that ends what begins here, and returns all of it, and whether there is such a mark.
    private mutating func quotation() -> (text: UnsafeRawBufferPointer, isEnded: Bool) {
        let start = position
        position += 1
        while position < text.count, text[position] != UInt8(ascii: "\"") {
            position += text[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        let isEnded = position < text.count
        position = Swift.min(position + 1, text.count)
        return (UnsafeRawBufferPointer(rebasing: text[start..<position]), isEnded)
    }

    /// What stands between quotation marks, given with them, without its escapes.
    static func unquoted(_ quotation: UnsafeRawBufferPointer) -> String {
        var bytes: [UInt8] = []
        var isEscaped = false
        for byte in quotation.dropFirst().dropLast() {
            if isEscaped {
                bytes.append(byte == UInt8(ascii: "n") ? UInt8(ascii: "\n") : byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Where a label that a sample has besides those of its series stands among them, which are in the order of their names.
struct LabelPlace {
    /// How many of the series' labels are before it.
    let index: Int
    /// Whether it is the last one.
    private let isLast: Bool

    /// - Parameter names: the labels of a series' family, as it was declared.
    init(of name: String, among names: [String]) {
        index = names.count { LabelOrder.precedes($0, name) }
        isLast = index == names.count
    }

    /// The offset in a series' labels, {a="x",b="y"}, where it is to be put: of the pair behind it, or of the closing brace.
    @inline(__always)
    func offset(in text: UnsafeRawBufferPointer) -> Int {
        if isLast { return Swift.max(0, text.count - 1) }
        return index == 0 ? Swift.min(1, text.count) : LabelPairs.start(of: index, in: text)
    }
}
