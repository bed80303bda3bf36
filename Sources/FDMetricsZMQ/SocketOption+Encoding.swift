// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
// How the values of socket options are laid out for zmq_getsockopt and zmq_setsockopt.

extension SocketOption where Value == Int {
    static func integer<Wire: FixedWidthInteger & BitwiseCopyable & Sendable>(
        _ code: Int32, _ name: String, as wire: Wire.Type
    ) -> Self {
        Self(
            code: code, name: name, capacity: MemoryLayout<Wire>.size,
            decode: { Int(clamping: $0.loadUnaligned(as: Wire.self)) },
            encode: { wireBytes(of: Wire(clamping: $0)) })
    }

    static func int32(_ code: Int32, _ name: String) -> Self {
        integer(code, name, as: Int32.self)
    }
}

extension SocketOption where Value == Bool {
    static func flag(_ code: Int32, _ name: String) -> Self {
        Self(
            code: code, name: name, capacity: MemoryLayout<Int32>.size,
            decode: { $0.loadUnaligned(as: Int32.self) != 0 },
            encode: { wireBytes(of: Int32($0 ? 1 : 0)) })
    }
}

extension SocketOption where Value == Duration {
    static func plainMilliseconds(_ code: Int32, _ name: String) -> Self {
        Self(
            code: code, name: name, capacity: MemoryLayout<Int32>.size,
            decode: { .milliseconds($0.loadUnaligned(as: Int32.self)) },
            encode: { wireBytes(of: Int32(clamping: $0.wholeMilliseconds)) })
    }
}

extension SocketOption where Value == Duration? {
    static func milliseconds(_ code: Int32, _ name: String) -> Self {
        Self(
            code: code, name: name, capacity: MemoryLayout<Int32>.size,
            decode: { bytes in
                let value = bytes.loadUnaligned(as: Int32.self)
                return value < 0 ? nil : .milliseconds(value)
            },
            encode: { wireBytes(of: $0.map { Int32(clamping: $0.wholeMilliseconds) } ?? -1) })
    }
}

extension SocketOption where Value == [UInt8] {
    static func bytes(_ code: Int32, _ name: String) -> Self {
        Self(code: code, name: name, capacity: 256, decode: { [UInt8]($0) }, encode: { $0 })
    }
}

extension SocketOption where Value == String {
    static func text(_ code: Int32, _ name: String, capacity: Int = 4096) -> Self {
        Self(
            code: code, name: name, capacity: capacity,
            // libzmq counts the terminating zero when it gives a text, and not when it takes one.
            decode: { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) },
            encode: { [UInt8]($0.utf8) })
    }
}

func wireBytes<Wire: BitwiseCopyable>(of value: Wire) -> [UInt8] {
    withUnsafeBytes(of: value) { [UInt8]($0) }
}

extension Duration {
    /// Milliseconds, a part of one rounded up, so that a short wait does not become none; negative ones are none.
    var wholeMilliseconds: Int64 {
        guard self > .zero else { return 0 }
        let (seconds, attoseconds) = components
        let (milliseconds, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        if overflow { return .max }
        let part = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        let (sum, carry) = milliseconds.addingReportingOverflow(part)
        return carry ? .max : sum
    }
}
#endif
