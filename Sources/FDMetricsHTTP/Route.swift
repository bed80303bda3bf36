// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsExposition
import NIOCore
import NIOHTTP1

/// What a request gets: an answer that is there, or one that has to be rendered.
enum Route {
    case immediate(Response)
    case render(RenderJob, Rendering.Wish)

    init(_ head: HTTPRequestHead) {
        let target = RequestTarget(uri: head.uri)
        let isKnown =
            target.path == "/metrics" || target.path == "/healthz" || target.path == "/"
            || target.path.hasPrefix("/api/")
        switch head.method {
        case .GET, .HEAD: self = Self.read(target, head.headers)
        case .OPTIONS where isKnown || target.path == "*":
            self = .immediate(
                Response(status: .noContent, contentType: "text/plain", headers: [Self.allow], body: ByteBuffer()))
        case _ where isKnown:
            self = .immediate(
                .text(.methodNotAllowed, "\(target.path) answers GET, HEAD and OPTIONS", headers: [Self.allow]))
        default:
            self = .immediate(Self.notFound)
        }
    }

    private static func read(_ target: RequestTarget, _ headers: HTTPHeaders) -> Route {
        func joined(_ name: String) -> String? {
            let values = headers[name]
            return values.isEmpty ? nil : values.joined(separator: ",")
        }
        switch target.path {
        case "/healthz":
            return .immediate(.text(.ok, "ok", headers: [("Cache-Control", "no-store")]))
        case "/metrics":
            var request = ScrapeRequest(
                accept: joined("Accept"), acceptEncoding: joined("Accept-Encoding"), names: target.names)
            let wish = Rendering.Wish(isGzipped: request.isGzipped, ifNoneMatch: joined("If-None-Match"))
            request.isGzipped = false
            return .render(.scrape(request), wish)
        default:
            return .render(
                .page(path: target.path, query: target.query), Rendering.Wish(isGzipped: false, ifNoneMatch: nil))
        }
    }

    private static let allow = (name: "Allow", value: "GET, HEAD, OPTIONS")

    /// Nothing is ever read from the file system, so that no path leads anywhere else.
    static let notFound = Response.text(.notFound, "not found; there are /metrics, /healthz and /")

    /// What keeps a browser from doing more with an answer than show it: a page may use what this server has, and no
    /// other site may embed it.
    static let pageHeaders = [
        ("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
        ("Referrer-Policy", "no-referrer"),
    ]
}
#endif
