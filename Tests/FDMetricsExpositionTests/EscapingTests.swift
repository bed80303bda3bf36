// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsTestSupport
import Testing

/// How single names are escaped.
@Suite("Escaping of names")
struct EscapingTests {
    /// The examples of TestEscapeName in model/metric_test.go of https://github.com/prometheus/common, which the tests of
    /// prometheus_client have too, and those of the specification.
    struct Example: Sendable {
        let name: String
        let underscores: String
        let dots: String
        let values: String
    }

    static let examples = [
        Example(
            name: "mysystem.prod.west.cpu.load", underscores: "mysystem_prod_west_cpu_load",
            dots: "mysystem_dot_prod_dot_west_dot_cpu_dot_load", values: "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load"),
        Example(
            name: "mysystem.prod.west.cpu.load_total", underscores: "mysystem_prod_west_cpu_load_total",
            dots: "mysystem_dot_prod_dot_west_dot_cpu_dot_load__total",
            values: "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load__total"),
        Example(
            name: "http.status:sum", underscores: "http_status:sum", dots: "http_dot_status:sum",
            values: "U__http_2e_status:sum"),
        Example(
            name: "label with 😱", underscores: "label_with__", dots: "label__with____",
            values: "U__label_20_with_20__1f631_"),
        Example(name: "花火", underscores: "__", dots: "____", values: "U___82b1__706b_"),
        Example(
            name: "label with \u{0100}", underscores: "label_with__", dots: "label__with____",
            values: "U__label_20_with_20__100_"),
        Example(
            name: "metric.name/with/slashes", underscores: "metric_name_with_slashes",
            dots: "metric_dot_name__with__slashes", values: "U__metric_2e_name_2f_with_2f_slashes"),
        Example(
            name: "metric.name.with.dots", underscores: "metric_name_with_dots",
            dots: "metric_dot_name_dot_with_dot_dots", values: "U__metric_2e_name_2e_with_2e_dots"),
        Example(name: "2xx", underscores: "_xx", dots: "__xx", values: "U___32_xx"),
        Example(name: "a2.", underscores: "a2_", dots: "a2_dot_", values: "U__a2_2e_"),
    ]

    @Test("Names are escaped as in Prometheus's libraries", arguments: examples)
    func escaped(_ example: Example) {
        #expect(NameEscaping.underscores.escaped(metric: example.name) == example.underscores)
        #expect(NameEscaping.dots.escaped(metric: example.name) == example.dots)
        #expect(NameEscaping.values.escaped(metric: example.name) == example.values)
        #expect(NameEscaping.allowUTF8.escaped(metric: example.name) == example.name)
        for scheme in [NameEscaping.underscores, .dots, .values] {
            #expect(NameEscaping.isLegacy(metric: scheme.escaped(metric: example.name)))
            #expect(NameEscaping.isLegacy(label: scheme.escaped(label: example.name)))
        }
    }

    @Test("Legacy names stay, under every scheme", arguments: NameEscaping.allCases)
    func legacy(_ scheme: NameEscaping) {
        for name in ["a", "_", ":", "no:escaping_required", "http_requests_total", "U__x", "a_dot_b"] {
            #expect(scheme.escaped(metric: name) == name)
        }
        for name in ["a", "_a", "http_status", "A9"] { #expect(scheme.escaped(label: name) == name) }
        // An empty name is none; it is nobody's.
        #expect(!NameEscaping.isLegacy(metric: ""))
    }

    @Test("A label has no colon")
    func colon() {
        #expect(NameEscaping.underscores.escaped(label: "a:b") == "a_b")
        #expect(NameEscaping.dots.escaped(label: "a:b") == "a__b")
        #expect(NameEscaping.values.escaped(label: "a:b") == "U__a_3a_b")
    }

    @Test("What `values` writes can be read back, so that no two names become one")
    func values() throws {
        var random = SeededGenerator(for: "escaping by values")
        let alphabet = Array("ab_.:0é花😱/-\u{301}".unicodeScalars)
        for _ in 0..<2_000 {
            var name = ""
            for _ in 0..<Int.random(in: 1..<8, using: &random) {
                name.unicodeScalars.append(alphabet.randomElement(using: &random)!)
            }
            let escaped = NameEscaping.values.escaped(metric: name)
            #expect(try unescaped(escaped).unicodeScalars.elementsEqual(name.unicodeScalars), "\(name), \(escaped)")
        }
    }

    /// Prometheus's way back from `values`.
    private func unescaped(_ text: String) throws -> String {
        guard text.hasPrefix("U__") else { return text }
        var name = ""
        var rest = Array(text.unicodeScalars.dropFirst(3))[...]
        while let scalar = rest.popFirst() {
            guard scalar == "_" else {
                name.unicodeScalars.append(scalar)
                continue
            }
            let end = try #require(rest.firstIndex(of: "_"))
            let code = String(String.UnicodeScalarView(rest[..<end]))
            rest = rest[(end + 1)...]
            let scalar = code.isEmpty ? "_" : UInt32(code, radix: 16).flatMap(Unicode.Scalar.init)
            name.unicodeScalars.append(try #require(scalar))
        }
        return name
    }

    @Test("The parameter has Prometheus's words")
    func parameter() {
        #expect(NameEscaping.allCases.map(\.parameter) == ["underscores", "dots", "values", "allow-utf-8"])
        for scheme in NameEscaping.allCases { #expect(NameEscaping(parameter: scheme.parameter) == scheme) }
        for word in ["", "allow-utf8", "Dots", "none"] { #expect(NameEscaping(parameter: word) == nil) }
    }

    @Test("Two bits of the options hold it, beside the others")
    func options() {
        for scheme in NameEscaping.allCases {
            var options: RenderOptions = [.created, .selfMetrics]
            #expect(options.escaping == .underscores)
            options.escaping = scheme
            #expect(options.escaping == scheme)
            #expect(options.isSuperset(of: [.created, .selfMetrics]))
            #expect(options.rawValue & 31 == RenderOptions([.created, .selfMetrics]).rawValue)
            #expect(RenderOptions.all.isSuperset(of: options))
            options.escaping = .underscores
            #expect(options == [.created, .selfMetrics])
            #expect(RenderOptions.escaping(scheme).escaping == scheme)
        }
    }
}
