// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
import Glibc
import Testing

@Suite("Canonical numbers")
struct CanonicalNumberTests {
    /// What `floatToGoString` of prometheus_client 0.26.0 gives for these numbers.
    static let spellings: [(Double, String)] = [
        // Positive.
        (0.0, "0.0"), (1.0, "1.0"), (10.0, "10.0"), (0.5, "0.5"), (2.5, "2.5"), (99.99, "99.99"), (0.1, "0.1"),
        (0.30000000000000004, "0.30000000000000004"), (0.005, "0.005"), (0.0001, "0.0001"),
        (0.00012345, "0.00012345"), (1e-05, "1e-05"), (9.999999999999999e-05, "9.999999999999999e-05"),
        (1.5e-07, "1.5e-07"), (123456.0, "123456.0"), (999999.0, "999999.0"), (999999.5, "999999.5"),
        (999999.9999999999, "999999.9999999999"), (1e6, "1e+06"), (1000000.5, "1.0000005e+06"), (1.5e6, "1.5e+06"),
        (1234567.0, "1.234567e+06"), (1234567.891, "1.234567891e+06"), (1e7, "1e+07"), (1e10, "1e+10"),
        (1e11, "1e+11"), (123456789012.5, "1.234567890125e+11"), (999999999999999.9, "9.999999999999999e+14"),
        (1e15, "1e+15"), (1000000000000000.5, "1.0000000000000005e+15"),
        // Whole numbers around 2^53 and 1e16.
        (0x1p53 - 1, "9.007199254740991e+15"), (0x1p53, "9.007199254740992e+15"),
        (0x1p53 + 2, "9.007199254740994e+15"), (9999999999999998.0, "9.999999999999998e+15"), (1e16, "1e+16"),
        (1e16 + 2, "1.0000000000000002e+16"), (0x1p54 - 2, "1.8014398509481982e+16"),
        (0x1p54, "1.8014398509481984e+16"), (0x1p54 + 4, "1.8014398509481988e+16"), (1e17, "1e+17"),
        (1e21, "1e+21"), (1e22, "1e+22"), (1.5e22, "1.5e+22"), (1e23, "1e+23"),
        // Far ends.
        (1e100, "1e+100"), (1e300, "1e+300"), (0x1p-44, "5.684341886080802e-14"), (.leastNonzeroMagnitude, "5e-324"),
        (.leastNormalMagnitude, "2.2250738585072014e-308"), (.leastNormalMagnitude.nextDown, "2.225073858507201e-308"),
        (.greatestFiniteMagnitude, "1.7976931348623157e+308"),
        // Negative: Python's own form, exponents from -1e16 only.
        (-0.0, "-0.0"), (-1.0, "-1.0"), (-2.5, "-2.5"), (-0.0001, "-0.0001"), (-1e-05, "-1e-05"),
        (-999999.0, "-999999.0"), (-1e6, "-1000000.0"), (-1234567.5, "-1234567.5"), (-1e15, "-1000000000000000.0"),
        (-0x1p53, "-9007199254740992.0"), (-0x1p53 - 2, "-9007199254740994.0"),
        (-9999999999999998.0, "-9999999999999998.0"), (-1e16, "-1e+16"),
        (-12345678901234568.0, "-1.2345678901234568e+16"), (-0x1p54, "-1.8014398509481984e+16"), (-1e22, "-1e+22"),
        (-1e300, "-1e+300"), (-.leastNonzeroMagnitude, "-5e-324"),
        (-.greatestFiniteMagnitude, "-1.7976931348623157e+308"),
        // Not finite.
        (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"), (-.nan, "NaN"), (.signalingNaN, "NaN"),
    ]

    @Test("Spelled as prometheus_client does", arguments: spellings)
    func spelling(value: Double, expected: String) {
        #expect(text(of: value) == expected)
    }

    @Test("Stays within the greatest length", arguments: spellings)
    func bounds(value: Double, expected: String) {
        let guarded: UInt8 = 0xA5
        var bytes = [UInt8](repeating: guarded, count: CanonicalNumber.maximumLength + 32)
        let length = bytes.withUnsafeMutableBufferPointer { CanonicalNumber.write(value, to: $0.baseAddress!) }
        #expect(String(decoding: bytes[..<length], as: UTF8.self) == expected)
        #expect(bytes[CanonicalNumber.maximumLength...].allSatisfy { $0 == guarded })
    }

    @Test("Random bit patterns read back as the same number")
    func roundTrip() {
        var random = SplitMix64(named: "roundTrip")
        var longest = 0
        for _ in 0..<200_000 {
            let value = Double(bitPattern: random.next())
            let text = text(of: value)
            longest = max(longest, text.utf8.count)
            guard value.isFinite else {
                #expect(text == (value.isNaN ? "NaN" : value > 0 ? "+Inf" : "-Inf"))
                continue
            }
            // An #expect for each would be most of the time.
            if strtod(text, nil).bitPattern != value.bitPattern {
                Issue.record("\(text) does not read back as \(String(value.bitPattern, radix: 16))")
            }
        }
        #expect(longest <= CanonicalNumber.maximumLength)
    }

    @Test("Random numbers of all sizes have the fewest digits and the right layout")
    func shortestDigits() {
        var random = SplitMix64(named: "shortestDigits")
        for _ in 0..<20_000 {
            let sign = Bool.random(using: &random) ? 1.0 : -1.0
            let value = sign * exp(Double.random(in: -20...45, using: &random))
            let text = text(of: value)
            let mantissa = text.prefix { $0 != "e" }
            let hasExponent = mantissa.count < text.count
            let mayHaveExponent = value >= 1e6 || value <= -1e16 || value.magnitude < 1e-4
            if hasExponent != mayHaveExponent { Issue.record("\(text) is laid out wrongly") }
            if !hasExponent, !mantissa.contains(".") { Issue.record("\(text) has neither point nor exponent") }

            let digits = mantissa.filter(\.isNumber).drop { $0 == "0" }.reversed().drop { $0 == "0" }.count
            if strtod(text, nil) != value { Issue.record("\(text) does not read back") }
            if digits > 1, strtod(rounded(value, toDigits: digits - 1), nil) == value {
                Issue.record("\(text) has more digits than are needed")
            }
        }
    }

    @Test("Thousandths and the numbers beside them are spelled as the standard library does")
    func thousandths() {
        var random = SplitMix64(named: "thousandths")
        var numbers = (1...20_000).map { $0 } + (999_990_000...999_999_999)
        for _ in 0..<50_000 { numbers.append(Int.random(in: 1...999_999_999, using: &random)) }
        for number in numbers {
            let value = Double(number) / 1000
            for value in [value, value.nextUp, value.nextDown, -value, -value.nextUp] {
                if value >= 1e6 { continue }
                let (ours, theirs) = (text(of: value), "\(value)")
                if ours != theirs { Issue.record("\(ours) instead of \(theirs)") }
            }
        }
    }

    private func text(of value: Double) -> String {
        var buffer = TextBuffer()
        CanonicalNumber.append(value, to: &buffer)
        return buffer.text
    }

    /// The C library's rounding to a number of significant digits.
    private func rounded(_ value: Double, toDigits digits: Int) -> String {
        var text = [CChar](repeating: 0, count: 64)
        _ = withVaList([Int32(digits - 1), value]) { vsnprintf(&text, text.count, "%.*e", $0) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

@Suite("Text buffer")
struct TextBufferTests {
    @Test("Keeps what was appended while it grows")
    func growth() {
        var buffer = TextBuffer()
        var expected: [UInt8] = []
        for line in 0..<3000 {
            buffer.append("line ")
            expected += Array("line ".utf8)
            let number = Array(String(line).utf8)
            number.withUnsafeBytes { buffer.append($0) }
            expected += number
            buffer.append(byte: UInt8(ascii: "\n"))
            expected.append(UInt8(ascii: "\n"))
        }
        let count = buffer.count
        let isEqual = buffer.withUnsafeBytes { $0.elementsEqual(expected) }
        #expect(count == expected.count)
        #expect(isEqual)
    }

    @Test("Takes unchecked appends into the room that was made")
    func unchecked() throws {
        var buffer = TextBuffer(capacity: 1)
        let hasRoom = buffer.ensure(10_000)
        try #require(hasRoom)
        buffer.appendUnchecked("a=")
        buffer.advance(by: CanonicalNumber.write(0.25, to: buffer.unusedBytes))
        buffer.appendUnchecked(byte: UInt8(ascii: ";"))
        [UInt8](repeating: UInt8(ascii: "z"), count: 9000).withUnsafeBytes { buffer.appendUnchecked($0) }
        buffer.appendUnchecked(UnsafeRawBufferPointer(start: nil, count: 0))
        let text = buffer.text
        #expect(text == "a=0.25;" + String(repeating: "z", count: 9000))
    }

    @Test("Releases a block that ends with a NUL, at every size around the first block's end")
    func release() {
        for size in [0, 1, 4094, 4095, 4096, 4097] {
            var buffer = TextBuffer()
            for _ in 0..<size { buffer.append(byte: UInt8(ascii: "x")) }
            guard let (text, count) = buffer.release() else {
                Issue.record("no text of \(size) bytes")
                continue
            }
            #expect(count == size)
            #expect(strlen(text) == size)
            free(text)
        }
    }

    /// The first size has no room for the NUL in an Int, the second is one that malloc refuses. (Under AddressSanitizer
    /// the second needs allocator_may_return_null=1.)
    @Test("Drops further appends and gives no text when memory runs out", arguments: [Int.max, Int.max / 2])
    func failure(size: Int) {
        var buffer = TextBuffer()
        buffer.append("before")
        let hadFailed = buffer.hasFailed
        let hasRoom = buffer.ensure(size)
        let hasFailed = buffer.hasFailed
        #expect(!hadFailed && !hasRoom && hasFailed)
        buffer.append("dropped")
        buffer.append(byte: 0)
        CanonicalNumber.append(1, to: &buffer)
        let text = buffer.text
        #expect(text == "before")
        let isReleased = buffer.release() != nil
        #expect(!isReleased)
    }
}

extension TextBuffer {
    /// A copy of what was written; #expect itself takes no noncopyable value.
    fileprivate var text: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

/// A generator whose seed is printed. FDMETRICS_TEST_SEED repeats a run.
private struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(named name: String) {
        var seed = UInt64.random(in: .min ... .max)
        if let wanted = getenv("FDMETRICS_TEST_SEED"), let number = UInt64(String(cString: wanted)) { seed = number }
        print("\(name): FDMETRICS_TEST_SEED=\(seed)")
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
