// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsInspection
import Testing

/// JSON as text, and quantiles.
@Suite("Inspected values")
struct ValueTests {
    private let value = JSONText.object([
        ("a", .array([.integer(1), .null, .bool(true)])), ("b\n\"", .number(0.5)), ("c", .object([])),
        ("d", .array([.number(.infinity), .number(-.infinity), .number(.nan)])), ("e", .string("\u{1}\\")),
    ])

    @Test("In one line for programs")
    func compact() {
        #expect(
            value.compactText
                == #"{"a":[1,null,true],"b\n\"":0.5,"c":{},"d":["+Inf","-Inf","NaN"],"e":"\u0001\\"}"#)
    }

    @Test("In many lines for people")
    func indented() {
        #expect(JSONText.object([("a", .array([.integer(1), .integer(2)]))]).text == "{\n \"a\": [\n  1,\n  2]}\n")
    }

    @Test(
        "Quantiles as PromQL has them",
        arguments: [
            (0.5, [10.0, 30, 9, 1], [0.1, 1, 10], 0.55), (0.99, [10, 30, 9, 1], [0.1, 1, 10], 10),
            (1, [10, 30, 9, 1], [0.1, 1, 10], 10), (0, [10, 30, 9, 1], [0.1, 1, 10], 0),
            (0.5, [4, 0, 0, 0], [0.1, 1, 10], 0.05), (0.5, [0, 0, 0, 5], [0.1, 1, 10], 10), (0.5, [3, 1], [-2], -2),
        ] as [(Double, [Double], [Double], Double)])
    func quantiles(quantile: Double, counts: [Double], bounds: [Double], expected: Double) throws {
        let value = try #require(histogramQuantile(quantile, counts: counts, bounds: bounds))
        #expect(abs(value - expected) < 1e-12)
    }

    @Test("No quantile of nothing")
    func none() {
        #expect(histogramQuantile(0.5, counts: [0, 0], bounds: [1]) == nil)
        #expect(histogramQuantile(0.5, counts: [5], bounds: []) == nil)
    }
}
