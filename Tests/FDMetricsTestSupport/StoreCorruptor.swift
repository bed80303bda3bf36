// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Glibc

/// Reads and damages the bytes of a file. A failing system call ends the test run: the test itself is broken then.
public struct StoreCorruptor: Sendable {
    /// The file.
    public let path: String

    /// Damages a file that exists.
    public init(_ path: String) { self.path = path }

    private func withDescriptor<Result>(_ body: (Int32) -> Result) -> Result {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        precondition(descriptor >= 0, "cannot open \(path): \(errorText(errno))")
        defer { close(descriptor) }
        return body(descriptor)
    }

    /// The file's size in bytes.
    public var size: Int {
        var info = stat()
        precondition(stat(path, &info) == 0, "cannot stat \(path): \(errorText(errno))")
        return Int(info.st_size)
    }

    /// Bytes of the file; fewer at its end.
    public func bytes(_ offset: Int, _ count: Int) -> [UInt8] {
        withDescriptor { descriptor in
            [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                let got = pread(descriptor, buffer.baseAddress, count, off_t(offset))
                precondition(got >= 0, "cannot read \(path): \(errorText(errno))")
                initialized = got
            }
        }
    }

    /// Writes bytes at an offset.
    public func write(_ offset: Int, _ bytes: [UInt8]) {
        let count = withDescriptor { descriptor in
            bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
        }
        precondition(count == bytes.count, "cannot write \(path): \(errorText(errno))")
    }

    /// A number of the file.
    public func number<Number: FixedWidthInteger>(_ offset: Int, as type: Number.Type = UInt64.self) -> Number {
        bytes(offset, MemoryLayout<Number>.size).withUnsafeBytes {
            Number(littleEndian: $0.loadUnaligned(as: Number.self))
        }
    }

    /// Replaces a number of the file.
    public func set<Number: FixedWidthInteger>(_ offset: Int, _ number: Number) {
        write(offset, withUnsafeBytes(of: number.littleEndian) { Array($0) })
    }

    /// Inverts bits of one byte.
    public func flip(_ offset: Int, mask: UInt8 = 0xFF) { write(offset, [bytes(offset, 1)[0] ^ mask]) }

    /// Cuts the file, or makes it longer with zeros.
    public func resize(_ size: Int) {
        precondition(truncate(path, off_t(size)) == 0, "cannot resize \(path): \(errorText(errno))")
    }

    /// Makes the checksum of a segment's header match, so that the checks behind it are reached.
    public func mendHeaderChecksum() {
        let sum = bytes(0, HeaderLayout.checksum).withUnsafeBytes { KeyHash.checksum($0) }
        set(HeaderLayout.checksum, sum)
    }

    /// Does something with the file damaged, and puts what was between the offsets back.
    public func damaged<Result>(_ offset: Int, _ count: Int, by change: () -> Void, _ body: () throws -> Result)
        rethrows -> Result
    {
        let before = bytes(offset, count)
        defer { write(offset, before) }
        change()
        return try body()
    }
}
