// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
import FDMetricsTestSupport
import Glibc
import Testing

/// Numbers as the text formats write them, read by the C library. Whole expositions go through the parsers of others in
/// Tests/exposition/test_round_trip.py.
@Suite("Round trip")
struct RoundTripTests {
    @Test("A million random numbers come back bit for bit")
    func numbers() {
        var choices = SeededGenerator(for: "round trip of numbers")
        let room = UnsafeMutablePointer<UInt8>.allocate(capacity: CanonicalNumber.maximumLength + 1)
        defer { room.deallocate() }
        var broken: [UInt64] = []
        for index in 0..<1_000_000 {
            let value = Self.number(index % 8, &choices)
            room[CanonicalNumber.write(value, to: room)] = 0
            let read = UnsafeRawPointer(room).withMemoryRebound(to: CChar.self, capacity: 1) { strtod($0, nil) }
            // The text has one NaN: its sign and payload are not told.
            if read.bitPattern != value.bitPattern, !(read.isNaN && value.isNaN) { broken.append(value.bitPattern) }
        }
        #expect(broken == [], "of these bit patterns")
    }

    /// A number of a class: any bits, subnormal, near 2^53, near a power of ten, short decimals, whole, special.
    private static func number(_ kind: Int, _ choices: inout SeededGenerator) -> Double {
        let bits = choices.next()
        let sign: Double = bits & 1 == 0 ? 1 : -1
        switch kind {
        case 0, 1: return Double(bitPattern: bits)
        case 2: return sign * Double(bitPattern: bits >> 12)
        case 3: return sign * (0x1p53 + Double(Int64(bits >> 40) - (1 << 23)) / 4)
        case 4:
            let power = pow(10, Double(Int(bits >> 32) % 330 - 165))
            return sign * Double(bitPattern: power.bitPattern &+ (bits >> 62))
        case 5: return sign * Double(bits >> 44) / 1000
        case 6: return sign * Double(bits >> (bits >> 58))
        default:
            let special: [Double] = [
                0, -0.0, .infinity, -.infinity, .nan, -.nan, .leastNonzeroMagnitude, .leastNormalMagnitude,
                .greatestFiniteMagnitude, 1e-4, 1e6, 1e16, 0x1p53, 0x1p63, 0x1p64,
            ]
            return special[Int(bits >> 32) % special.count]
        }
    }
}
