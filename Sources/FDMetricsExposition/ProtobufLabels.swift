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

    /// Appends the pairs of labels that are escaped as the text formats have it, `{a="x","b.c"="y"}`, without the escapes.
    static func append(pairsOf text: UnsafeRawBufferPointer, to buffer: inout TextBuffer) {
        for pair in LabelPairs(text) {
            append(name: pair.name, value: LabelPairs.unquoted(pair.quotedValue), to: &buffer)
        }
    }
}
