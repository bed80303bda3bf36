// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// A 64-bit hash of byte strings: multiply two words to 128 bits and fold the halves, as wyhash does. Keyed with the
/// store's random seed, so that label values that come from outside cannot be chosen to collide.
package struct KeyHash {
    @usableFromInline var state: UInt64

    @inlinable @inline(__always)
    package init(seed: UInt64) { state = seed ^ 0xA076_1D64_78BD_642F }

    @inlinable @inline(__always)
    static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    /// Mixes in one string; its length counts, so ("ab", "c") and ("a", "bc") differ.
    @inlinable @inline(__always)
    package mutating func combine(_ bytes: UnsafeRawPointer?, count: Int) {
        var hash = KeyHash.fold(state ^ UInt64(truncatingIfNeeded: count), 0xE703_7ED1_A0B4_28DB)
        if let bytes {
            var offset = 0
            while count &- offset >= 16 {
                let a = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                let b = bytes.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self)
                hash = KeyHash.fold(a ^ 0x8EBC_6AF0_9C88_C6E3, b ^ hash)
                offset = offset &+ 16
            }
            let rest = count &- offset
            if rest > 0 {
                let tail = bytes + offset
                var a: UInt64 = 0
                var b: UInt64 = 0
                // The tail is read in two overlapping halves; no byte beyond the string is touched.
                if rest >= 8 {
                    a = tail.loadUnaligned(as: UInt64.self)
                    b = tail.loadUnaligned(fromByteOffset: rest &- 8, as: UInt64.self)
                } else if rest >= 4 {
                    a = UInt64(tail.loadUnaligned(as: UInt32.self))
                    b = UInt64(tail.loadUnaligned(fromByteOffset: rest &- 4, as: UInt32.self))
                } else {
                    a = UInt64(tail.loadUnaligned(as: UInt8.self))
                    b =
                        UInt64(tail.loadUnaligned(fromByteOffset: rest &>> 1, as: UInt8.self)) &<< 8
                        | UInt64(tail.loadUnaligned(fromByteOffset: rest &- 1, as: UInt8.self))
                }
                hash = KeyHash.fold(a ^ 0x5899_65CC_7537_4CC3, b ^ hash)
            }
        }
        state = hash
    }

    /// Mixes in a number.
    @inlinable @inline(__always)
    package mutating func combine(_ value: UInt64) { state = KeyHash.fold(state ^ value, 0x1D8E_4E27_C47D_124F) }

    /// The hash; its upper half is never 0, which would be an empty index slot.
    @inlinable @inline(__always)
    package var value: UInt64 {
        let hash = KeyHash.fold(state ^ 0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93)
        return hash >> 32 == 0 ? hash | 1 << 32 : hash
    }

    /// The checksum of header and records: the same function with a fixed seed.
    package static func checksum(_ parts: UnsafeRawBufferPointer...) -> UInt64 {
        var hash = KeyHash(seed: 0x6664_6D65_7472_6963)
        for part in parts { hash.combine(part.baseAddress, count: part.count) }
        return hash.value
    }
}
