// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
package import FDMetricsStore
package import NIOCore
package import NIOHTTP1

/// An answer that is there as a whole: a page, a file of it, JSON, an error's text.
package struct Response: Sendable {
    package var status: HTTPResponseStatus
    package var contentType: String
    /// Headers besides those that the server adds: Content-Type, Content-Length, Connection, and those that keep a
    /// browser from doing more with an answer than show it. One that is given here replaces the server's.
    package var headers: [(name: String, value: String)]
    package var body: ByteBuffer

    package init(
        status: HTTPResponseStatus = .ok, contentType: String, headers: [(name: String, value: String)] = [],
        body: ByteBuffer
    ) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
    }

    /// A short text for a person who asks by curl; a line feed is added.
    package static func text(
        _ status: HTTPResponseStatus, _ text: String, headers: [(name: String, value: String)] = []
    ) -> Response {
        Response(
            status: status, contentType: "text/plain; charset=utf-8", headers: headers,
            body: ByteBuffer(string: text + "\n"))
    }
}

/// What answers every path but /metrics and /healthz: the page at / and its data below /api/.
package protocol PageSource: Sendable {
    /// The answer to GET, from which that to HEAD is made; nil: there is no such path (the client gets a 404).
    ///
    /// Called on a thread that renders, never on an event loop, so that it may look through the store; with one thread
    /// (the default) one call at a time. Equal requests that wait together get the same answer.
    /// - Parameters:
    ///   - path: as the client sent it, without the query; begins with "/". Not decoded.
    ///   - query: what follows the "?", not decoded.
    ///   - store: the store as it is now, opened if it must be. Throws `notFound` where there is none yet; that is no
    ///     error of the server, and the page says so. The store is used during the call alone: the next call may have
    ///     another one, as the service may have been started anew.
    func response(
        path: String, query: String?, store: () throws(StoreError) -> any SegmentSource
    ) -> Response?
}
#endif
