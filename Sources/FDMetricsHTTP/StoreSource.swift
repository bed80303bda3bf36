// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import Glibc
import NIOCore

/// What has to be done on a thread of its own for a request.
enum RenderJob: Hashable, Sendable {
    /// All metrics or some; `isGzipped` is false in it, as a text and its compressed form are of one render.
    case scrape(ScrapeRequest)
    case page(path: String, query: String?)
}

/// What came of it.
enum RenderResult: Sendable {
    case rendering(Rendering)
    /// nil: there is no such path.
    case page(Response?)
    case failure(StoreError)

    /// The bytes that clients hold until they have taken them.
    var byteCount: Int {
        switch self {
        case .rendering(let rendering): rendering.byteCount
        case .page(let response): response?.body.readableBytes ?? 0
        case .failure: 0
        }
    }
}

/// Does render jobs, one at a time.
protocol RenderWorker: AnyObject, Sendable {
    func result(of job: RenderJob, wishes: [Rendering.Wish]) -> RenderResult
}

/// Renders the store of this process, or the one in a directory.
///
/// Used by one job at a time, but not always on the same thread: the scheduler hands it from job to job.
final class StoreSource: RenderWorker, @unchecked Sendable {
    private enum Source {
        case attached(Store)
        case directory(DirectoryRenderer)
    }

    private let source: Source
    private let options: RenderOptions
    private let page: (any PageSource)?
    private let counts: RequestCounts?

    /// The store of a registry of this process.
    /// - Parameter counts: what the server says of itself where the store does, with `options`.
    init(_ registry: MetricRegistry, options: RenderOptions, page: (any PageSource)?, counts: RequestCounts? = nil) {
        source = .attached(registry.store)
        self.options = options
        self.page = page
        self.counts = counts
    }

    /// The store in a directory, whether it is there yet or not.
    /// - Parameter counts: as of the other initializer.
    init(directory: String, options: RenderOptions, page: (any PageSource)?, counts: RequestCounts? = nil) {
        source = .directory(DirectoryRenderer(expecting: directory))
        self.options = options
        self.page = page
        self.counts = counts
    }

    func result(of job: RenderJob, wishes: [Rendering.Wish]) -> RenderResult {
        switch job {
        case .scrape(let request):
            do throws(StoreError) {
                return .rendering(Rendering(try render(request), contentType: request.contentType, wishes: wishes))
            } catch {
                return .failure(error)
            }
        case .page(let path, let query):
            return .page(page?.response(path: path, query: query, store: currentStore))
        }
    }

    private func render(_ request: ScrapeRequest) throws(StoreError) -> Renderer.Text {
        var options = options
        options.escaping = request.escaping
        let own = options.contains(.selfMetrics) ? counts?.counters ?? [] : []
        switch source {
        case .attached(let store):
            return try Renderer.render(
                store, as: request.format, options: options, names: request.names, adding: own)
        case .directory(let renderer):
            do throws(StoreError) {
                return try renderer.render(
                    as: request.format, options: options, names: request.names, adding: own)
            } catch {
                // A store that is not there yet has no metrics.
                guard error.code == .notFound else { throw error }
                return try emptyText(request.format)
            }
        }
    }

    private func emptyText(_ format: ExpositionFormat) throws(StoreError) -> Renderer.Text {
        let text = format == .openMetrics ? "# EOF\n" : ""
        guard let copy = strdup(text) else { throw StoreError(.noSpace, "there is no memory for an empty text") }
        return (copy, text.utf8.count)
    }

    private func currentStore() throws(StoreError) -> any SegmentSource {
        switch source {
        case .attached(let store): store
        case .directory(let renderer): try renderer.reader()
        }
    }
}
#endif
