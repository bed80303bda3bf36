// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsInspection

/// One sample of a scrape, under a name that is the same however the text spelled it: labels sorted by name, bounds as
/// numbers.
struct ExpositionSample {
    let name: String
    /// By name.
    let labels: [(name: String, value: String)]
    let value: Double

    /// name{a="x",b="y"}, escaped.
    let text: String
    /// For sorting: a histogram's buckets stand together, by their bounds as numbers.
    let order: (group: String, bound: Double)

    init(name: String, labels: [(name: String, value: String)], value: Double) {
        let labels = labels.map { label in
            // "1" and "1.0" are one bound.
            guard label.name == "le" || label.name == "quantile", let bound = number(label.value) else { return label }
            return (name: label.name, value: numberText(bound))
        }.sorted { $0.name < $1.name }
        self.name = name
        self.labels = labels
        self.value = value
        text = name + Self.labelText(labels)
        let others = labels.filter { $0.name != "le" && $0.name != "quantile" }
        let bound = labels.first { $0.name == "le" || $0.name == "quantile" }.flatMap { number($0.value) }
        order = bound.map { (name + Self.labelText(others), $0) } ?? (text, 0)
    }

    private static func labelText(_ labels: [(name: String, value: String)]) -> String {
        if labels.isEmpty { return "" }
        return "{" + labels.map { "\($0.name)=\"\(escaped($0.value))\"" }.joined(separator: ",") + "}"
    }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

/// What is wrong with a text, and in which line.
struct ExpositionError: Error {
    let line: Int
    let message: String
}

/// Reads the samples of a scrape: Prometheus' text format 0.0.4 and 1.0, and OpenMetrics 1.0. Comments, time stamps and
/// exemplars are passed over.
struct ExpositionReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int
    private let line: Int

    /// The samples of a text, in its order.
    static func samples(_ text: [UInt8]) throws(ExpositionError) -> [ExpositionSample] {
        var samples: [ExpositionSample] = []
        var seen: Set<String> = []
        for (index, line) in text.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            var reader = ExpositionReader(line, index + 1)
            reader.skipBlanks()
            if reader.isAtEnd || reader.peek == UInt8(ascii: "#") { continue }
            let sample = try reader.sample()
            if !seen.insert(sample.text).inserted {
                throw ExpositionError(line: index + 1, message: "\(sample.text) is there a second time")
            }
            samples.append(sample)
        }
        return samples
    }

    private init(_ bytes: ArraySlice<UInt8>, _ line: Int) {
        self.bytes = bytes
        self.line = line
        position = bytes.startIndex
    }

    private var isAtEnd: Bool { position >= bytes.endIndex }
    private var peek: UInt8? { isAtEnd ? nil : bytes[position] }

    private func wrong(_ message: String) -> ExpositionError { ExpositionError(line: line, message: message) }

    private mutating func skipBlanks() {
        while let byte = peek, byte == UInt8(ascii: " ") || byte == 9 || byte == 13 { position += 1 }
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard peek == UInt8(ascii: byte) else { return false }
        position += 1
        return true
    }

    private mutating func word(until end: (UInt8) -> Bool) -> String {
        let start = position
        while let byte = peek, !end(byte), byte != UInt8(ascii: " "), byte != 9, byte != 13 { position += 1 }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func sample() throws(ExpositionError) -> ExpositionSample {
        var name = word { $0 == UInt8(ascii: "{") }
        var labels: [(name: String, value: String)] = []
        if take("{") {
            while !take("}") {
                let isQuoted = peek == UInt8(ascii: "\"")
                let label = isQuoted ? try quoted() : word { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: "}") }
                if take("=") {
                    skipBlanks()
                    labels.append((label, try quoted()))
                } else if isQuoted && name.isEmpty {
                    // Format 1.0: {"a name of any letters",label="x"}.
                    name = label
                } else {
                    throw wrong("expected '=' after the label name \"\(label)\"")
                }
                if !take(","), peek != UInt8(ascii: "}") { throw wrong("expected ',' or '}' after a label") }
            }
        }
        if name.isEmpty { throw wrong("expected the name of a metric") }
        skipBlanks()
        let text = word { _ in false }
        guard let value = number(text) else { throw wrong("expected a number after \(name), found \"\(text)\"") }
        return ExpositionSample(name: name, labels: labels, value: value)
    }

    private mutating func quoted() throws(ExpositionError) -> String {
        guard take("\"") else { throw wrong("expected a text in quotes") }
        var text: [UInt8] = []
        while let byte = peek {
            position += 1
            if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
            guard byte == UInt8(ascii: "\\"), let next = peek else {
                text.append(byte)
                continue
            }
            position += 1
            switch next {
            case UInt8(ascii: "n"): text.append(10)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text.append(next)
            default: text += [byte, next]
            }
        }
        throw wrong("a text in quotes has no end")
    }
}

/// A number as the text formats spell it.
private func number(_ text: String) -> Double? {
    switch text {
    case "+Inf": .infinity
    case "-Inf": -.infinity
    case "NaN": .nan
    default: Double(text)
    }
}
