// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import FDMetricsTestSupport
import Foundation
import Testing

/// A store of its own for one test, seen as registries.
///
/// Handles are good only while this is there, so a suite keeps it in a property.
final class TestRegistry {
    private let place = TemporaryStore()
    private var stores: [Store] = []
    /// The registry of the process that the test is.
    let registry: MetricRegistry

    init(lanes: Int = 4, seriesLimit: Int? = nil) throws {
        let store = try place.open(lanes: lanes, seriesLimit: seriesLimit)
        stores.append(store)
        registry = MetricRegistry(store: store)
    }

    deinit {
        for store in stores { Renderer.forget(store) }
    }

    /// Attaches the store once more, as a further process would.
    func join() throws -> MetricRegistry {
        let store = try place.open()
        stores.append(store)
        return MetricRegistry(store: store)
    }

    /// Detaches one that joined, as its process's end would.
    func leave(_ member: MetricRegistry) {
        Renderer.forget(member.store)
        stores.removeAll { $0 === member.store }
        place.close(member.store)
    }

    /// Deletes the store's files while it is in use.
    func deleteStore() { for name in place.contents { place.remove(name) } }

    /// The samples as the test's own process, or another one, renders them.
    func samples(by member: MetricRegistry? = nil) throws -> [String] {
        try TextExposition.render(member ?? registry).split(separator: "\n").filter { !$0.hasPrefix("#") }.map(
            String.init)
    }

    /// What the store counts.
    var statistics: StoreStatistics { StoreStatistics(registry.store) }
}

/// The error that a call throws; nil: it throws none. All errors of the library are of this one type.
func refusal(_ body: () throws -> Void) -> MetricError? {
    do {
        try body()
        return nil
    } catch let error as MetricError {
        return error
    } catch {
        Issue.record("\(error) is no MetricError")
        return nil
    }
}

/// Runs a body in threads at once, and returns when all have ended.
func inThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let done = DispatchGroup()
    for index in 0..<count {
        done.enter()
        Thread.detachNewThread {
            body(index)
            done.leave()
        }
    }
    done.wait()
}

extension MetricFamily {
    /// The handle behind an instrument, to look at its cells.
    func handle(_ values: String...) throws -> UnsafeMutablePointer<SeriesHandle> {
        try family.store.series(family, names: family.descriptor.labelNames, values: values)
    }
}
