// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// The tags of io.prometheus.client's messages
/// (https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto): field << 3 | wire type.
/// Wire types: 0 a varint, 1 eight bytes, 2 a varint's number of bytes.
enum ProtobufTag {
    enum MetricFamily {
        static let name: UInt8 = 1 << 3 | 2
        static let help: UInt8 = 2 << 3 | 2
        static let type: UInt8 = 3 << 3 | 0
        static let metric: UInt8 = 4 << 3 | 2
        static let unit: UInt8 = 5 << 3 | 2
    }

    enum Metric {
        static let label: UInt8 = 1 << 3 | 2
        static let gauge: UInt8 = 2 << 3 | 2
        static let counter: UInt8 = 3 << 3 | 2
        static let summary: UInt8 = 4 << 3 | 2
        static let histogram: UInt8 = 7 << 3 | 2
    }

    enum LabelPair {
        static let name: UInt8 = 1 << 3 | 2
        static let value: UInt8 = 2 << 3 | 2
    }

    /// Gauge and Counter alike.
    enum Single {
        static let value: UInt8 = 1 << 3 | 1
    }

    /// Summary and Histogram alike.
    enum Distribution {
        static let sampleCount: UInt8 = 1 << 3 | 0
        static let sampleSum: UInt8 = 2 << 3 | 1
        static let bucket: UInt8 = 3 << 3 | 2
    }

    enum Bucket {
        static let cumulativeCount: UInt8 = 1 << 3 | 0
        static let upperBound: UInt8 = 2 << 3 | 1
    }

    /// created_timestamp of each message.
    enum Created {
        static let counter: UInt8 = 3 << 3 | 2
        static let summary: UInt8 = 4 << 3 | 2
        static let histogram: UInt8 = 15 << 3 | 2
    }

    enum Timestamp {
        static let seconds: UInt8 = 1 << 3 | 0
        static let nanoseconds: UInt8 = 2 << 3 | 0
    }
}

/// A varint: seven bits in each byte, the least first; all bytes but the last have the highest bit set.
enum Varint {
    /// The most bytes of one.
    static let maximumLength = 10

    /// How many bytes a number takes.
    @inline(__always)
    static func length(_ value: UInt64) -> Int {
        // One byte for each seven bits; zero takes one as well.
        (70 &- (value | 1).leadingZeroBitCount) / 7
    }

    /// Writes a number and returns its length.
    @inline(__always)
    static func write(_ value: UInt64, to destination: UnsafeMutablePointer<UInt8>) -> Int {
        var rest = value
        var count = 0
        while rest >= 0x80 {
            destination[count] = UInt8(truncatingIfNeeded: rest) | 0x80
            rest >>= 7
            count &+= 1
        }
        destination[count] = UInt8(truncatingIfNeeded: rest)
        return count &+ 1
    }
}

extension TextBuffer {
    /// Appends a varint; `ensure(_:)` must have made room for `Varint.maximumLength` bytes.
    @inline(__always)
    mutating func appendUnchecked(varint value: UInt64) {
        advance(by: Varint.write(value, to: unusedBytes))
    }

    /// Appends a number of bytes as a varint.
    mutating func append(varint value: Int) {
        if ensure(Varint.maximumLength) { appendUnchecked(varint: UInt64(value)) }
    }

    /// Appends eight bytes, the least first; `ensure(_:)` must have made room for them.
    @inline(__always)
    mutating func appendUnchecked(fixed64 value: Double) {
        UnsafeMutableRawPointer(unusedBytes).storeBytes(of: value.bitPattern.littleEndian, as: UInt64.self)
        advance(by: 8)
    }

    /// Appends a tag, the number of bytes, and the bytes.
    mutating func append(_ tag: UInt8, _ bytes: UnsafeRawBufferPointer) {
        guard ensure(1 + Varint.maximumLength + bytes.count) else { return }
        appendUnchecked(byte: tag)
        appendUnchecked(varint: UInt64(bytes.count))
        appendUnchecked(bytes)
    }

    /// Appends a tag and a string.
    mutating func append(_ tag: UInt8, _ string: String) {
        var string = string
        string.withUTF8 { append(tag, UnsafeRawBufferPointer($0)) }
    }

    /// Begins what stands after its number of bytes. `estimate` is a guess of that number: where it has as many digits as
    /// the number, nothing is moved at the end.
    mutating func beginDelimited(estimate: Int) -> DelimitedStart {
        let digits = Varint.length(UInt64(max(0, estimate)))
        let start = DelimitedStart(offset: count, digits: digits)
        if ensure(digits) { advance(by: digits) }
        return start
    }

    /// Ends what `beginDelimited` began, and returns its number of bytes.
    @discardableResult
    mutating func endDelimited(_ start: DelimitedStart) -> Int {
        let body = start.offset + start.digits
        // Memory ran out: there may not even be the room for the number.
        guard !hasFailed, count >= body else { return 0 }
        let length = count - body
        let digits = Varint.length(UInt64(length))
        if digits != start.digits { moveTail(from: body, to: start.offset + digits) }
        if let place = address(start.offset) { _ = Varint.write(UInt64(length), to: place) }
        return length
    }
}

/// Where a number of bytes will stand, and how much room it has.
struct DelimitedStart {
    let offset: Int
    let digits: Int
}
