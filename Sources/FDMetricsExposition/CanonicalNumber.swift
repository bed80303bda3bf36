// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// The one spelling of a number in every text format.
///
/// It is byte for byte that of `floatToGoString` of the Python package prometheus_client, so that a series with a
/// number in a label (`le`, `quantile`) stays the same series when a service moves over. The rules:
///
/// - the fewest digits that read back as the same number;
/// - `+Inf`, `-Inf`, `NaN`;
/// - a number always has a point or an exponent: `1.0`, `-0.0`, `1e-05`, `1e+06`;
/// - an exponent, of two digits at least, below 1e-4 and from 1e6 on, for a negative number from -1e16 on. That a
///   negative number keeps its digits longer comes from Python, where the rule for positive ones was made for bounds.
///
/// All functions are pure and thread-safe, and allocate nothing but the buffer's room.
package enum CanonicalNumber {
    /// The most bytes that one number takes, and that `write(_:to:)` may touch: a negative number of 17 digits with its
    /// point and an exponent of three digits has 24; the rest is for whole copies.
    package static let maximumLength = 32

    /// Appends the number's spelling to the buffer.
    package static func append(_ value: Double, to buffer: inout TextBuffer) {
        guard buffer.ensure(maximumLength) else { return }
        buffer.advance(by: write(value, to: buffer.unusedBytes))
    }

    /// Writes the number's spelling to `destination`, where `maximumLength` bytes must be writable, and returns its
    /// length. Bytes after that length may have been changed. No NUL is added.
    @_optimize(speed)
    package static func write(_ value: Double, to destination: UnsafeMutablePointer<UInt8>) -> Int {
        let magnitude = value.magnitude
        // From 2^53 to 10^16 all numbers are whole and two apart, so there too no digit of the integer can be left out.
        if magnitude < 1e16 {
            let whole = UInt64(magnitude)
            if Double(whole) == magnitude {
                return write(whole: whole, isNegative: value.sign == .minus, to: destination)
            }
            // Most of the others have at most three digits behind the point. Of the decimals with up to 15 digits only
            // one reads back as a given number, so that one, without zeros at its end, has the fewest digits.
            if magnitude < 1e6 {
                let thousandths = UInt64(magnitude * 1000 + 0.5)
                if Double(thousandths) / 1000 == magnitude {
                    return write(thousandths: thousandths, isNegative: value < 0, to: destination)
                }
            }
        } else if !value.isFinite {
            return writeNonFinite(value, to: destination)
        }
        let length = writeShortest(value, to: destination)
        // Swift goes over to exponents below 1e-4, as is wanted, but at the upper end at 2^53 (older versions: 2^54).
        guard value >= 1e6 || value <= -1e16 else { return length }
        let sign = value < 0 ? 1 : 0
        return sign + moveToExponent(destination + sign, length: length - sign)
    }

    // MARK: Whole numbers

    @_optimize(speed)
    private static func write(
        whole value: UInt64, isNegative: Bool, to destination: UnsafeMutablePointer<UInt8>
    ) -> Int {
        if value >= 1_000_000, !isNegative {
            // One byte further right, so that the first digit can step to the left of the point.
            let count = write(digitsOf: value, to: destination + 1)
            destination[0] = destination[1]
            destination[1] = UInt8(ascii: ".")
            return finishExponent(count - 1, after: destination, length: count + 1)
        }
        var length = 0
        if isNegative {
            destination[0] = UInt8(ascii: "-")
            length = 1
        }
        length &+= write(digitsOf: value, to: destination + length)
        destination[length] = UInt8(ascii: ".")
        destination[length &+ 1] = UInt8(ascii: "0")
        return length &+ 2
    }

    /// Writes a number of thousandths that is not whole, below 10^6.
    @_optimize(speed)
    private static func write(
        thousandths value: UInt64, isNegative: Bool, to destination: UnsafeMutablePointer<UInt8>
    ) -> Int {
        destination[0] = UInt8(ascii: "-")
        let sign = isNegative ? 1 : 0
        let point = sign &+ write(digitsOf: value / 1000, to: destination + sign)
        let behind = value % 1000
        func digit(_ number: UInt64) -> UInt8 { UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number) }
        destination[point] = UInt8(ascii: ".")
        destination[point &+ 1] = digit(behind / 100)
        destination[point &+ 2] = digit(behind / 10 % 10)
        destination[point &+ 3] = digit(behind % 10)
        return point &+ (behind % 10 != 0 ? 4 : behind % 100 != 0 ? 3 : 2)
    }

    /// Writes the decimal digits of a number below 10^16, two at a time from the right, and returns how many there are.
    @inline(__always)
    private static func write(digitsOf value: UInt64, to destination: UnsafeMutablePointer<UInt8>) -> Int {
        let pairs: StaticString = """
            0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
            5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899
            """
        let count = digitCount(of: value)
        var rest = value
        var end = count
        while rest >= 100 {
            let pair = pairs.utf8Start + Int(truncatingIfNeeded: (rest % 100) &* 2)
            rest /= 100
            end &-= 2
            destination[end] = pair[0]
            destination[end &+ 1] = pair[1]
        }
        if rest >= 10 {
            let pair = pairs.utf8Start + Int(truncatingIfNeeded: rest &* 2)
            destination[0] = pair[0]
            destination[1] = pair[1]
        } else {
            destination[0] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest)
        }
        return count
    }

    @inline(__always)
    private static func digitCount(of value: UInt64) -> Int {
        var count = 1
        var rest = value
        while rest >= 10_000 {
            rest /= 10_000
            count &+= 4
        }
        if rest >= 1000 { return count &+ 3 }
        if rest >= 100 { return count &+ 2 }
        return rest >= 10 ? count &+ 1 : count
    }

    // MARK: Layout

    /// Turns `ddd.ddd` into `d.ddddde+xx` and leaves a text that has an exponent as it is. Returns the new length.
    private static func moveToExponent(_ text: UnsafeMutablePointer<UInt8>, length: Int) -> Int {
        var point = 1
        while point < length, text[point] != UInt8(ascii: ".") { point &+= 1 }
        guard point > 1, point < length else { return length }
        (text + 2).update(from: text + 1, count: point &- 1)
        text[1] = UInt8(ascii: ".")
        return finishExponent(point - 1, after: text, length: length)
    }

    /// Takes the zeros and the point that mean nothing off `d.ddd` and adds the exponent, which is from 0 to 99.
    @inline(__always)
    private static func finishExponent(_ exponent: Int, after text: UnsafeMutablePointer<UInt8>, length: Int) -> Int {
        var end = length
        while text[end &- 1] == UInt8(ascii: "0") { end &-= 1 }
        if text[end &- 1] == UInt8(ascii: ".") { end &-= 1 }
        text[end] = UInt8(ascii: "e")
        text[end &+ 1] = UInt8(ascii: "+")
        text[end &+ 2] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: exponent / 10)
        text[end &+ 3] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: exponent % 10)
        return end &+ 4
    }

    private static func writeNonFinite(_ value: Double, to destination: UnsafeMutablePointer<UInt8>) -> Int {
        let name: StaticString = value.isNaN ? "NaN" : value > 0 ? "+Inf" : "-Inf"
        destination.update(from: name.utf8Start, count: name.utf8CodeUnitCount)
        return name.utf8CodeUnitCount
    }

    // MARK: Shortest digits

    /// Writes what Swift's `description` of a finite number is, and returns its length.
    private static func writeShortest(_ value: Double, to destination: UnsafeMutablePointer<UInt8>) -> Int {
        var sink = ByteSink(start: destination)
        value.write(to: &sink)
        return sink.count
    }

    /// Takes the text of one number without a String, which would be allocated for more than 15 bytes.
    private struct ByteSink: TextOutputStream {
        let start: UnsafeMutablePointer<UInt8>
        var count = 0

        mutating func write(_ string: String) {
            var string = string
            string.withUTF8 { _writeASCII($0) }
        }

        /// The standard library's own way for ASCII. If it should stop to call this, `write(_:)` gets the same text.
        mutating func _writeASCII(_ buffer: UnsafeBufferPointer<UInt8>) {
            guard let source = buffer.baseAddress else { return }
            let room = CanonicalNumber.maximumLength - count
            let taken = min(buffer.count, room)
            (start + count).update(from: source, count: taken)
            count += taken
        }
    }
}
