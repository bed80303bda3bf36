// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// What of the offered formats and encodings suits a scraper's headers best
/// (https://prometheus.io/docs/instrumenting/content_negotiation/, RFC 9110 §12.5). All functions are pure, take any
/// text, and time in proportion to its length.
package enum ContentNegotiation {
    /// A content type that is offered.
    package enum Offer: CaseIterable, Sendable {
        // In the order in which they are chosen when the header does not care.
        case text004, openMetrics100, openMetrics001, text100, protobuf

        /// The format behind it. Both versions of a text format have the same bytes.
        package var format: ExpositionFormat {
            switch self {
            case .text004, .text100: .text
            case .openMetrics100, .openMetrics001: .openMetrics
            case .protobuf: .protobuf
            }
        }
    }

    /// A content type as it was negotiated.
    package struct ContentType: Hashable, Sendable {
        /// The content type without what it says of escaping.
        package let offer: Offer
        /// How names are escaped.
        package let escaping: NameEscaping
        /// Whether the answer says so.
        package let saysEscaping: Bool

        package init(offer: Offer, escaping: NameEscaping, saysEscaping: Bool) {
            self.offer = offer
            self.escaping = escaping
            self.saysEscaping = saysEscaping
        }

        /// The format to render.
        package var format: ExpositionFormat { offer.format }
    }

    /// The content type for a header Accept.
    ///
    /// Each offer has the quality of the clause that describes it most closely. The best quality wins; of equal ones the
    /// offer whose clause is closer, then stands first, then the order of `Offer`. A clause with q=0 forbids what it
    /// describes. If nothing is left it is `text004`: every scraper can read that, and an error helps nobody.
    package static func contentType(accept: String) -> ContentType {
        let clauses = HeaderClause.list(accept)
        var best: (offer: Offer, match: Match)?
        for offer in Offer.allCases {
            guard let match = closest(clauses, to: offer), match.quality > 0 else { continue }
            if best.map({ match.isBetter(than: $0.match) }) ?? true { best = (offer, match) }
        }
        guard let best else { return ContentType(offer: .text004, escaping: .underscores, saysEscaping: false) }
        let clause = clauses[best.match.position]
        let asked = clause.value(of: "escaping")
        // Version 1.0.0 and protobuf are answered as client_golang and prometheus_client do: with the scheme that is
        // used, also where it was not asked for. The older versions did not know the parameter.
        let isNew = best.offer == .text100 || best.offer == .protobuf || clause.value(of: "version") == "1.0.0"
        let escaping = asked.flatMap(NameEscaping.init(parameter:))
        return ContentType(
            offer: best.offer, escaping: escaping ?? .underscores, saysEscaping: isNew || escaping != nil)
    }

    /// Whether a header Accept-Encoding wants gzip: it is allowed, and not liked less than no compression is.
    package static func acceptsGzip(_ header: String) -> Bool {
        var gzip: Int?
        var identity: Int?
        var others: Int?
        for clause in HeaderClause.list(header) {
            switch clause.name {
            case "gzip", "x-gzip": gzip = max(gzip ?? 0, clause.quality)
            case "identity": identity = clause.quality
            case "*": others = clause.quality
            default: break
            }
        }
        // Who forbids to send it as it is must be able to read something else.
        let isAllowed = gzip ?? others ?? (identity == 0 ? 1 : 0)
        return isAllowed > 0 && isAllowed >= identity ?? 0
    }

    // MARK: - Matching

    /// How a clause describes an offer.
    private struct Match {
        let quality: Int
        /// 0: */*, 1: type/*, 2: a type, 3: with its version.
        let closeness: Int
        /// Where the clause stands in the header.
        let position: Int

        func isBetter(than other: Match) -> Bool {
            if quality != other.quality { return quality > other.quality }
            if closeness > 1, other.closeness > 1 { return position < other.position }
            return closeness > other.closeness
        }
    }

    private static func closest(_ clauses: [HeaderClause], to offer: Offer) -> Match? {
        var found: Match?
        for (position, clause) in clauses.enumerated() {
            guard let closeness = closeness(of: clause, to: offer), closeness > found?.closeness ?? -1 else { continue }
            found = Match(quality: clause.quality, closeness: closeness, position: position)
        }
        return found
    }

    private static func closeness(of clause: HeaderClause, to offer: Offer) -> Int? {
        switch (clause.name, offer) {
        case ("*/*", _), ("*", _): return 0
        case ("text/*", .text004), ("text/*", .text100): return 1
        case ("application/*", .openMetrics100), ("application/*", .openMetrics001), ("application/*", .protobuf):
            return 1
        case ("text/plain", .text004): return closeness(of: clause, toVersion: "0.0.4")
        case ("text/plain", .text100): return closeness(of: clause, toVersion: "1.0.0")
        case ("application/openmetrics-text", .openMetrics100): return closeness(of: clause, toVersion: "1.0.0")
        case ("application/openmetrics-text", .openMetrics001): return closeness(of: clause, toVersion: "0.0.1")
        case ("application/vnd.google.protobuf", .protobuf):
            // The type alone says nothing of which messages are wanted, or how one ends.
            let isFamily = clause.value(of: "proto") == "io.prometheus.client.MetricFamily"
            return isFamily && clause.value(of: "encoding") == "delimited" ? 3 : nil
        default: return nil
        }
    }

    private static func closeness(of clause: HeaderClause, toVersion version: String) -> Int? {
        guard let asked = clause.value(of: "version"), !asked.isEmpty else { return 2 }
        return asked == version ? 3 : nil
    }
}

extension ContentNegotiation.ContentType: CustomStringConvertible {
    /// The header Content-Type, with a zero at its end.
    package var text: StaticString {
        switch (offer, saysEscaping ? escaping : nil) {
        case (.text004, nil): "text/plain; version=0.0.4; charset=utf-8"
        case (.text004, .underscores): "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
        case (.text004, .dots): "text/plain; version=0.0.4; charset=utf-8; escaping=dots"
        case (.text004, .values): "text/plain; version=0.0.4; charset=utf-8; escaping=values"
        case (.text004, .allowUTF8): "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"
        case (.text100, nil), (.text100, .underscores): "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
        case (.text100, .dots): "text/plain; version=1.0.0; charset=utf-8; escaping=dots"
        case (.text100, .values): "text/plain; version=1.0.0; charset=utf-8; escaping=values"
        case (.text100, .allowUTF8): "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        case (.openMetrics100, nil): "application/openmetrics-text; version=1.0.0; charset=utf-8"
        case (.openMetrics100, .underscores):
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
        case (.openMetrics100, .dots): "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots"
        case (.openMetrics100, .values): "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values"
        case (.openMetrics100, .allowUTF8):
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        case (.openMetrics001, nil): "application/openmetrics-text; version=0.0.1; charset=utf-8"
        case (.openMetrics001, .underscores):
            "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores"
        case (.openMetrics001, .dots): "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=dots"
        case (.openMetrics001, .values): "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=values"
        case (.openMetrics001, .allowUTF8):
            "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=allow-utf-8"
        case (.protobuf, nil), (.protobuf, .underscores):
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores"
        case (.protobuf, .dots):
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=dots"
        case (.protobuf, .values):
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=values"
        case (.protobuf, .allowUTF8):
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=allow-utf-8"
        }
    }

    package var description: String { "\(text)" }
}
