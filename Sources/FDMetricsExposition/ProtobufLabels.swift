// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// Label pairs as protobuf messages.
enum ProtobufLabels {
    /// Appends one pair.
    static func append(name: String, value: String, to buffer: inout TextBuffer) {
        let lengths = (UInt64(name.utf8.count), UInt64(value.utf8.count))
        let body = 2 + Varint.length(lengths.0) + name.utf8.count + Varint.length(lengths.1) + value.utf8.count
        buffer.append(byte: ProtobufTag.Metric.label)
        buffer.append(varint: body)
        buffer.append(ProtobufTag.LabelPair.name, name)
        buffer.append(ProtobufTag.LabelPair.value, value)
    }

    /// Appends pairs, as `append` has written them, and another one before that with a number.
    static func append(
        _ pairs: UnsafeRawBufferPointer, with name: String, _ value: String, at number: Int, to buffer: inout TextBuffer
    ) {
        var place = 0
        for _ in 0..<number { place = end(ofPairAt: place, in: pairs) }
        buffer.append(UnsafeRawBufferPointer(rebasing: pairs[..<place]))
        append(name: name, value: value, to: &buffer)
        buffer.append(UnsafeRawBufferPointer(rebasing: pairs[place...]))
    }

    /// Where a pair ends: it has a tag of one byte and its length before it.
    private static func end(ofPairAt start: Int, in pairs: UnsafeRawBufferPointer) -> Int {
        var (length, shift, position) = (0, 0, start + 1)
        while position < pairs.count {
            length |= Int(pairs[position] & 0x7F) << shift
            position += 1
            if pairs[position - 1] < 0x80 { break }
            shift += 7
        }
        return min(position + length, pairs.count)
    }

    /// Appends the pairs of labels that are escaped as the text formats have it, `{a="x","b.c"="y"}`, without the escapes.
    static func append(pairsOf text: UnsafeRawBufferPointer, to buffer: inout TextBuffer) {
        for pair in LabelPairs(text) {
            append(name: pair.name, value: LabelPairs.unquoted(pair.quotedValue), to: &buffer)
        }
    }
}
