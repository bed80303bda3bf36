// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import FDMetricsExposition

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
        var text = text
        return text.withUTF8 { bytes in
            LabelPairs(UnsafeRawBufferPointer(bytes)).prefix { $0.isWhole }.map { PushLabel($0.name, $0.value) }
        }
    }
}
#endif
