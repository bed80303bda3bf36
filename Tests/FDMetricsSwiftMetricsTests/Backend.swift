// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import FDMetricsSwiftMetrics
import FDMetricsTestSupport
import Glibc
import Synchronization

/// A store of its own for one test, and factories over it. Keep it in a property: what the factories make records into it.
final class Backend: Sendable {
    private let place = TemporaryStore()
    let registry: MetricRegistry
    private let reported = Mutex<[String]>([])

    init(seriesLimit: Int? = nil) throws {
        registry = MetricRegistry(store: try place.open(lanes: 4, seriesLimit: seriesLimit))
    }

    deinit { Renderer.forget(registry.store) }

    /// The store's directory, for other processes.
    var directory: String { place.directory }

    /// A factory whose problems are kept.
    func factory(_ configure: (inout FDMetricsFactory.Configuration) -> Void = { _ in }) -> FDMetricsFactory {
        var configuration = FDMetricsFactory.Configuration()
        configuration.onProblem = { [weak self] problem in self?.reported.withLock { $0.append(problem) } }
        configure(&configuration)
        return FDMetricsFactory(registry: registry, configuration: configuration)
    }

    /// What was reported so far.
    var problems: [String] { reported.withLock { $0 } }

    /// How often something contradicted a registered family, as the store counts.
    var conflicts: UInt64 { StoreStatistics(registry.store).conflicts }

    /// How many series were refused, as the store counts.
    var droppedSeries: UInt64 { StoreStatistics(registry.store).droppedSeriesLimit }

    /// What the store has of a family.
    func descriptor(_ name: String) throws -> FamilyDescriptor? { try registry.store.descriptor(ofFamily: name) }

    /// The whole text.
    func text() throws -> String { try TextExposition.render(registry) }

    /// The value of each sample, by its name and labels.
    func samples() throws -> [String: Double] {
        var samples: [String: Double] = [:]
        for line in try text().split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            samples[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return samples
    }
}

/// Runs a body in threads at once, and returns when all have ended.
func inThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) async {
    await withTaskGroup(of: Void.self) { group in
        for index in 0..<count {
            group.addTask { await onThread { body(index) } }
        }
    }
}

/// Runs a body in a thread of its own.
private func onThread(_ body: @escaping @Sendable () -> Void) async {
    final class Work: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        let work = Work {
            body()
            continuation.resume()
        }
        var thread = pthread_t()
        let error = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Work>.fromOpaque(argument.unsafelyUnwrapped).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        precondition(error == 0, "pthread_create: \(error)")
        pthread_detach(thread)
    }
}
#endif
