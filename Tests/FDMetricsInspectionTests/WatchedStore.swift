// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsInspection
import FDMetricsStore
import FDMetricsTestSupport
import Foundation

/// A store of its own for one test, and a watch that looks at it through its files alone, as the page's server does.
final class WatchedStore {
    let place = TemporaryStore()
    let registry: MetricRegistry
    let watch = StoreWatch()
    private var reader: StoreReader?

    init() throws { registry = MetricRegistry(store: try place.open()) }

    /// The answer to a query, as a program reads it.
    func answer(_ query: String = "") throws -> [String: Any] {
        let text = watch.answer(StoreQuery(query)) { () throws(StoreError) in
            if let reader { return reader }
            let opened = try StoreReader(directory: place.directory)
            reader = opened
            return opened
        }.compactText
        return try JSONSerialization.jsonObject(with: Data(text.utf8)) as! [String: Any]
    }

    /// The same, of a sample that nobody has seen yet.
    func freshAnswer(_ query: String = "") throws -> [String: Any] {
        usleep(210_000)
        return try answer(query)
    }

    /// The store as another object: as if it had been opened again.
    func reopen() { reader = nil }
}

extension [String: Any] {
    /// The families of an answer.
    var families: [[String: Any]] { self["families"] as! [[String: Any]] }

    /// Their names, in order.
    var names: [String] { families.map { $0["name"] as! String } }

    /// A family of an answer.
    func family(_ name: String) -> [String: Any] { families.first { $0["name"] as? String == name } ?? [:] }

    /// The labels of a family's series, in order.
    var labels: [String] { (self["series"] as! [[String: Any]]).map { $0["labels"] as! String } }

    /// A list of numbers, where they are numbers.
    func numbers(_ name: String) -> [Double] { (self[name] as? [Any] ?? []).compactMap { $0 as? Double } }
}
