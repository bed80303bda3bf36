// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
/// A number of 64 bits that stands for the bytes of an answer, for its ETag: equal for equal bytes, and different for
/// different ones but once in 2^64. Of the kind of wyhash (https://github.com/wangyi-fudan/wyhash): four independent
/// chains of multiplications, so that it costs a small part of the render. Not for keeping secrets.
enum ContentHash {
    static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var lanes = (seed ^ keys.0, seed ^ keys.1, seed ^ keys.2, seed ^ keys.3)
        let whole = bytes.count & ~63
        var offset = 0
        while offset < whole {
            absorb(UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset &+ 64)]), into: &lanes)
            offset &+= 64
        }
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { last in
            last.initializeMemory(as: UInt8.self, repeating: 0)
            last.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[whole...]))
            absorb(UnsafeRawBufferPointer(last), into: &lanes)
        }
        // The length tells a text from the same one with zeros at its end.
        let length = UInt64(truncatingIfNeeded: bytes.count)
        return fold(fold(lanes.0 ^ length, lanes.1 ^ keys.0), fold(lanes.2 ^ keys.1, lanes.3 ^ keys.2) ^ keys.3)
    }

    private typealias Lanes = (UInt64, UInt64, UInt64, UInt64)

    /// wyhash's odd constants, half of whose bits are set.
    private static var keys: Lanes {
        (0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3)
    }

    @inline(__always)
    private static func absorb(_ block: UnsafeRawBufferPointer, into lanes: inout Lanes) {
        guard let start = block.baseAddress else { return }
        @inline(__always)
        func word(_ index: Int) -> UInt64 { start.loadUnaligned(fromByteOffset: index &* 8, as: UInt64.self) }
        lanes.0 = fold(word(0) ^ keys.0, word(1) ^ lanes.0)
        lanes.1 = fold(word(2) ^ keys.1, word(3) ^ lanes.1)
        lanes.2 = fold(word(4) ^ keys.2, word(5) ^ lanes.2)
        lanes.3 = fold(word(6) ^ keys.3, word(7) ^ lanes.3)
    }

    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}
#endif
