// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// The messages of a conversation: a function of seed and number, the same as in payload.h.
struct Payload {
    private static let sizes = [0, 1, 23, 24, 25, 33, 34, 255, 1000, 5000]
    private var state: UInt32

    /// Message `number` of a conversation: one to three frames of bytes, or one that is a JSON string.
    static func frames(seed: UInt32, number: UInt32, isJSON: Bool) -> [[UInt8]] {
        let start = seed &* 2_654_435_761 &+ number &* 40503 &+ 1
        var payload = Payload(state: start == 0 ? 1 : start)
        let count = 1 + payload.next() % 3
        return (0..<(isJSON ? 1 : count)).map { _ in payload.frame(isJSON: isJSON) }
    }

    private mutating func next() -> UInt32 {
        state ^= state << 13
        state ^= state >> 17
        state ^= state << 5
        return state
    }

    private mutating func frame(isJSON: Bool) -> [UInt8] {
        let size = Self.sizes[Int(next()) % Self.sizes.count]
        let block = (0..<4).flatMap { _ in withUnsafeBytes(of: next().littleEndian) { [UInt8]($0) } }
        let bytes = (0..<size).map { isJSON ? UInt8(ascii: "a") + block[$0 % 16] % 26 : block[$0 % 16] }
        return isJSON ? [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")] : bytes
    }
}
