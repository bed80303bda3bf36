// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
/// A label's name and value.
package struct PushLabel: Sendable, Hashable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// The order that remote write asks for: by the bytes of the names.
    static func precedes(_ one: PushLabel, _ other: PushLabel) -> Bool {
        one.name.utf8.lexicographicallyPrecedes(other.name.utf8)
    }
}

/// The labels of a series as the store holds them rendered: `{a="x","b.c"="y"}`, with `\\`, `\"` and `\n` escaped.
enum LabelText {
    /// The labels in their order. A text that is not of this form, which only a damaged store has, gives those before the
    /// damage.
    static func labels(of text: String) -> [PushLabel] {
        var labels: [PushLabel] = []
        var text = text
        text.withUTF8 { bytes in
            var position = 1
            while let label = nextLabel(bytes, &position) { labels.append(label) }
        }
        return labels
    }

    private static func nextLabel(_ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int) -> PushLabel? {
        guard position < bytes.count else { return nil }
        let name: String
        if bytes[position] == UInt8(ascii: "\"") {
            guard let quoted = quotation(bytes, &position) else { return nil }
            name = quoted
        } else {
            let start = position
            while position < bytes.count, bytes[position] != UInt8(ascii: "=") { position += 1 }
            name = String(decoding: bytes[start..<position], as: UTF8.self)
        }
        // The equals sign.
        position += 1
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\""),
            let value = quotation(bytes, &position)
        else { return nil }
        // The comma or brace.
        position += 1
        return PushLabel(name, value)
    }

    /// Moves behind the quotation mark that ends what begins here, and returns what stands between them.
    private static func quotation(_ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int) -> String? {
        position += 1
        var text: [UInt8] = []
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            var byte = bytes[position]
            if byte == UInt8(ascii: "\\"), position + 1 < bytes.count {
                position += 1
                byte = bytes[position] == UInt8(ascii: "n") ? UInt8(ascii: "\n") : bytes[position]
            }
            text.append(byte)
            position += 1
        }
        guard position < bytes.count else { return nil }
        position += 1
        return String(decoding: text, as: UTF8.self)
    }
}
#endif
