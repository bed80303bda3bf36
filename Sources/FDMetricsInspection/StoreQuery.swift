// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import FDMetricsStore
import Glibc

/// Which part of a store the page asks for, and in which order: the query of its request. What makes no sense is taken as
/// not given, and every number is bounded, so that no request makes an answer of any size.
package struct StoreQuery: Sendable, Equatable {
    package enum Order: String, Sendable {
        case name, value, rate, series
    }

    /// A family whose series are wanted, and how many of them.
    package struct Opened: Sendable, Equatable {
        package let family: String
        package let series: Int

        package init(family: String, series: Int) {
            self.family = family
            self.series = series
        }
    }

    /// `filter`: words that must all be in a series' text, such as `requests{path=/,code=200}`; one that begins with "-"
    /// must not be in it. Without quotes, in lower case (of ASCII letters).
    package var words: [[UInt8]] = []
    package var excludedWords: [[UInt8]] = []
    /// `type`: families of one type.
    package var type: MetricType?
    /// `order` of the families, and of the series in each.
    package var order = Order.name
    /// `reverse=1`.
    package var isReversed = false
    /// `families`: how many at most.
    package var familyLimit = 100
    /// `open=COUNT:NAME`, as often as there are such families.
    package var opened: [Opened] = []
    /// `unfold`: the series of all families are wanted where a filter leaves no more than this many.
    package var unfoldLimit = 0
    /// `processes`: how many at most.
    package var processLimit = 100

    /// How many series, families and processes an answer has at most, whatever is asked.
    package static let greatestCount = 2_000

    /// Everything in order of its name.
    package init() {}

    /// A query as it stands in a URL, without the question mark.
    package init(_ text: String) {
        for pair in text.utf8.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            set(Self.decoded(parts[0]), Self.decoded(parts[1]))
        }
    }

    private mutating func set(_ name: String, _ value: String) {
        func count(_ current: Int) -> Int { Int(value).map { min(max(0, $0), Self.greatestCount) } ?? current }
        switch name {
        case "filter":
            for word in value.utf8.split(whereSeparator: { $0 <= 32 }) {
                let isExcluded = word.count > 1 && word.first == UInt8(ascii: "-")
                let plain = Self.plain(word.dropFirst(isExcluded ? 1 : 0))
                if isExcluded { excludedWords.append(plain) } else { words.append(plain) }
            }
        case "type": type = MetricType.allCases.first { $0.name == value }
        case "order": order = Order(rawValue: value) ?? order
        case "reverse": isReversed = value == "1"
        case "families": familyLimit = count(familyLimit)
        case "unfold": unfoldLimit = count(unfoldLimit)
        case "processes": processLimit = count(processLimit)
        case "open":
            let parts = value.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let number = Int(parts[0]), number > 0, opened.count < Self.greatestCount else {
                return
            }
            opened.append(Opened(family: String(parts[1]), series: min(number, Self.greatestCount)))
        default: break
        }
    }

    /// Whether everything is shown.
    package var hasFilter: Bool { !words.isEmpty || !excludedWords.isEmpty }

    /// Whether a series, given by its text, is shown.
    package func accepts(_ text: String) -> Bool {
        if !hasFilter { return true }
        let plain = Self.plain(text.utf8)
        func contains(_ word: [UInt8]) -> Bool { Self.contains(word, in: plain) }
        return words.allSatisfy(contains) && !excludedWords.contains(where: contains)
    }

    private static func contains(_ word: [UInt8], in text: [UInt8]) -> Bool {
        guard let first = word.first, text.count >= word.count else { return word.isEmpty }
        return text.withUnsafeBufferPointer { text in
            word.withUnsafeBufferPointer { word in
                (0...(text.count - word.count)).contains { start in
                    text[start] == first && memcmp(text.baseAddress! + start, word.baseAddress!, word.count) == 0
                }
            }
        }
    }

    /// Without quotes and in lower case.
    private static func plain(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        bytes.compactMap { byte in
            switch byte {
            case UInt8(ascii: "\""): nil
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
            default: byte
            }
        }
    }

    /// A name or value without its percent and plus signs. A percent sign that begins no escape stands for itself.
    private static func decoded(_ bytes: some Sequence<UInt8>) -> String {
        var result: [UInt8] = []
        var rest = Array(bytes)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+") {
                result.append(32)
            } else if byte == UInt8(ascii: "%"), rest.count >= 2,
                let escaped = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                result.append(escaped)
                rest = rest.dropFirst(2)
            } else {
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
