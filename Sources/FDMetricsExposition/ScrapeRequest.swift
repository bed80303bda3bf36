// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// What one scraper asks for, from its headers and its query. Two requests that are equal get the same bytes, so this is
/// the key under which renders can be shared.
public struct ScrapeRequest: Hashable, Sendable {
    /// The format to render.
    public var format: ExpositionFormat
    /// How names that are not legacy are written.
    public var escaping: NameEscaping
    /// The answer's header Content-Type, with version and escaping as negotiated.
    public var contentType: String
    /// Names of families or samples that alone are wanted, of `name[]=...`; sorted, each once. Empty: all.
    public var names: [String]
    /// Whether the answer is to be compressed, with Content-Encoding: gzip.
    public var isGzipped: Bool

    /// Chooses what is nearest to what the headers ask for. There is always an answer, whatever they hold: text format
    /// 0.0.4, not compressed, where nothing that is offered matches.
    /// - Parameters:
    ///   - accept: the header Accept, several of them joined by a comma; nil: there is none.
    ///   - acceptEncoding: the header Accept-Encoding, likewise.
    ///   - names: the values of `name[]` in the query, decoded.
    public init(accept: String?, acceptEncoding: String?, names: [String] = []) {
        let content = ContentNegotiation.contentType(accept: accept ?? "")
        format = content.format
        escaping = content.escaping
        contentType = content.description
        self.names = Set(names).sorted()
        isGzipped = ContentNegotiation.acceptsGzip(acceptEncoding ?? "")
    }
}
