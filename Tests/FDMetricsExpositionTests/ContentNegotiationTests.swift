// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
import FDMetricsTestSupport
import Testing

@Suite("Content negotiation")
struct ContentNegotiationTests {
    @Test("Real headers get what they ask for", arguments: AcceptHeader.all)
    func accept(_ example: AcceptHeader) {
        let request = ScrapeRequest(accept: example.header, acceptEncoding: nil)
        #expect(request.contentType == example.contentType)
        // What is rendered is what is said.
        let format: ExpositionFormat =
            request.contentType.hasPrefix("text/plain")
            ? .text
            : request.contentType.hasPrefix("application/openmetrics") ? .openMetrics : .protobuf
        #expect(request.format == format)
        let escaping = request.contentType.split(separator: "; escaping=").dropFirst().first
        #expect(request.escaping.parameter == escaping.map(String.init) ?? "underscores")
        #expect(!request.isGzipped)
    }

    @Test("The table has more than forty headers, of each kind of answer")
    func table() {
        #expect(AcceptHeader.all.count >= 40)
        #expect(Set(AcceptHeader.all.map(\.contentType)).count >= 10)
    }

    @Test(
        "gzip where it is allowed and not liked less than nothing",
        arguments: [
            ("gzip", true),  // Prometheus, Go
            ("gzip, deflate, br, zstd", true),  // browsers
            ("gzip, deflate", true),  // python-requests
            ("x-gzip", true), ("GZip", true), ("deflate,gzip;q=1.0, *;q=0.5", true), ("*", true), ("*;q=0.1", true),
            ("identity;q=0", true), ("identity;q=0, *;q=0.5", true), ("identity;q=0.5, gzip;q=0.5", true),
            ("gzip;q=0.001", true), ("br, gzip ; q = 0.8", true), ("gzip;q=0, x-gzip", true),
            ("", false), ("identity", false), ("gzip;q=0", false), ("gzip;q=0.0", false), ("*;q=0", false),
            ("gzip;q=0, *", false), ("identity;q=1, gzip;q=0.5", false), ("identity, *;q=0.5", false),
            ("deflate, br", false), ("notgzip", false), ("gzip;q=0, identity;q=0", false), (",;=", false),
        ])
    func gzip(_ header: String, _ expected: Bool) {
        #expect(ScrapeRequest(accept: nil, acceptEncoding: header).isGzipped == expected)
    }

    @Test("Requests that get the same bytes are equal")
    func equality() {
        let one = ScrapeRequest(accept: "text/plain", acceptEncoding: "gzip", names: ["b", "a", "b"])
        let other = ScrapeRequest(accept: "*/*;q=0.3", acceptEncoding: "br, gzip", names: ["a", "b"])
        #expect(one == other)
        #expect(one.names == ["a", "b"])
        #expect(one.hashValue == other.hashValue)
        for different in [
            ScrapeRequest(accept: "text/plain", acceptEncoding: nil, names: ["a", "b"]),
            ScrapeRequest(accept: "text/plain", acceptEncoding: "gzip"),
            ScrapeRequest(accept: "application/openmetrics-text", acceptEncoding: "gzip", names: ["a", "b"]),
            ScrapeRequest(accept: "text/plain;version=1.0.0", acceptEncoding: "gzip", names: ["a", "b"]),
        ] {
            #expect(one != different)
        }
    }

    @Test("Any header gets one of the content types")
    func anything() {
        var random = SeededGenerator(for: "Accept headers")
        let parts = [
            "text/plain", "application/openmetrics-text", "*/*", "application/vnd.google.protobuf", ";", ",", "=", "q",
            "0",
            ".", "\"", "\\", " ", "version", "1.0.0", "0.0.4", "escaping", "dots", "proto", "\t", "\u{FFFD}", "é", "-",
            "nan",
            "inf", "1e999", "encoding=delimited",
        ]
        let known = Set(
            ContentNegotiation.Offer.allCases.flatMap { offer in
                NameEscaping.allCases.flatMap { escaping in
                    [true, false].map {
                        ContentNegotiation.ContentType(offer: offer, escaping: escaping, saysEscaping: $0).description
                    }
                }
            })
        for _ in 0..<5_000 {
            let header = (0..<Int.random(in: 0..<20, using: &random)).map { _ in parts.randomElement(using: &random)! }
                .joined()
            let request = ScrapeRequest(accept: header, acceptEncoding: header)
            #expect(known.contains(request.contentType), "for \(header)")
        }
    }
}
