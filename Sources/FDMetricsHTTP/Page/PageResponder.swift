// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsInspection
package import FDMetricsStore
import NIOCore
import NIOHTTP1
import Synchronization

/// The page to look at a store, the files that it is made of, and its data.
///
///   /            the page
///   /NAME        one of its files
///   /api/store   a part of the store as JSON; `StoreQuery` has the parameters
///
/// Thread-safe: of answers with data one is made at a time. Keeps from one to the next what it has learned of the store.
package final class PageResponder: PageSource {
    private let lock = Mutex(())
    /// Used while the lock is held.
    nonisolated(unsafe) private var watch = StoreWatch()

    /// Looks at nothing yet.
    package init() {}

    package func response(
        path: String, query: String?, store: () throws(StoreError) -> any SegmentSource
    ) -> Response? {
        if path == "/api/store" {
            let text = lock.withLock { _ in watch.answer(StoreQuery(query ?? ""), store: store).compactText }
            return Response(
                contentType: "application/json", headers: [("Cache-Control", "no-store")],
                body: ByteBuffer(string: text))
        }
        guard let asset = PageAsset(path: path) else { return nil }
        return Response(contentType: asset.contentType, headers: asset.headers, body: ByteBuffer(bytes: asset.bytes))
    }
}
#endif
