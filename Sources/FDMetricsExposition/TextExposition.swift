// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetrics
public import FDMetricsStore
import Glibc
import Synchronization

/// The formats that a store is rendered in. The raw values stand in the C header.
public enum ExpositionFormat: UInt32, Sendable, CaseIterable {
    /// Prometheus text format 0.0.4.
    case text = 1
    /// OpenMetrics 1.0 text.
    case openMetrics = 2

    /// The HTTP content type, with a zero at its end.
    package var contentTypeText: StaticString {
        switch self {
        case .text: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// The HTTP content type.
    public var contentType: String { "\(contentTypeText)" }
}

/// What a rendering shows besides the store's metrics, and how. The raw values stand in the C header.
public struct RenderOptions: OptionSet, Sendable {
    /// The options as bits.
    public let rawValue: UInt32

    /// Options of these bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Samples that belong to a process carry pid="<process id>" in place of worker="<slot>".
    public static let labelsByPid = RenderOptions(rawValue: 1)
    /// The metrics of the processes that hold the store, added up: process_cpu_seconds_total and so on.
    public static let processMetrics = RenderOptions(rawValue: 2)
    /// The same, one sample for each live process.
    public static let processMetricsByWorker = RenderOptions(rawValue: 4)
    /// In OpenMetrics: when each series was registered, as x_created.
    public static let created = RenderOptions(rawValue: 8)
    /// What the store says of itself: fdmetrics_live_processes and so on.
    public static let selfMetrics = RenderOptions(rawValue: 16)
    /// All options.
    package static let all = RenderOptions(rawValue: 31)
}

/// A store as text for Prometheus.
public enum TextExposition {
    /// Renders all metrics of a registry's store, of all processes. Thread-safe; usable in a fork child.
    ///
    /// Costs the same however many processes ever recorded.
    /// - Throws: `noSpace`, `system`, `damaged`.
    public static func render(
        _ registry: MetricRegistry, as format: ExpositionFormat = .text, options: RenderOptions = []
    ) throws(MetricError) -> String {
        let text = try Renderer.render(registry.store, as: format, options: options)
        defer { free(text.start) }
        return String(decoding: UnsafeRawBufferPointer(start: text.start, count: text.count), as: UTF8.self)
    }

    /// Renders the store in a directory, of live or dead processes, with read access alone.
    /// - Throws: `notFound`, `directory`, `foreign`, `damaged`, `noSpace`, `system`.
    public static func render(
        directory: String, as format: ExpositionFormat = .text, options: RenderOptions = []
    ) throws(MetricError) -> String {
        let text = try Renderer.render(directory: directory, as: format, options: options)
        defer { free(text.start) }
        return String(decoding: UnsafeRawBufferPointer(start: text.start, count: text.count), as: UTF8.self)
    }
}

/// Renders stores, and keeps the plan of an attached store from one scrape to the next.
package enum Renderer {
    /// A rendered text: `count` bytes and a zero, to be released with free().
    package typealias Text = (start: UnsafeMutablePointer<CChar>, count: Int)

    /// A kept plan and who is using it: 0 nobody, else that process's id. One for each store that was rendered.
    private final class Kept: @unchecked Sendable {
        let store: Store
        let user = Atomic<Int32>(0)
        var plan: GatherPlan
        var lastSize = 4096
        init(_ store: Store) {
            self.store = store
            plan = GatherPlan(store)
        }
    }

    private static let capacity = 64
    nonisolated(unsafe) private static let kept: UnsafeMutablePointer<Atomic<UInt>> = {
        let slots = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: capacity)
        for index in 0..<capacity { (slots + index).initialize(to: Atomic(0)) }
        return slots
    }()

    /// Renders an attached store.
    ///
    /// Nobody waits for the kept plan: who finds it in use, by another thread or by one of the parent process at the time
    /// of a fork, makes one for itself.
    package static func render(
        _ store: Store, as format: ExpositionFormat, options: RenderOptions
    ) throws(StoreError) -> Text {
        guard let kept = keptPlan(store) else {
            return try render(GatherPlan(store), store, capacity: 4096, format, options).text
        }
        let own = getpid()
        let claim = kept.user.compareExchange(expected: 0, desired: own, ordering: .acquiring)
        if !claim.exchanged {
            // In use by another thread; or copied by a fork while a thread of the parent was using it. That thread is not
            // here, and its plan may be half-changed: leave it alone for good.
            guard claim.original != own,
                kept.user.compareExchange(expected: claim.original, desired: own, ordering: .acquiring).exchanged
            else { return try render(GatherPlan(store), store, capacity: kept.lastSize, format, options).text }
            _ = Unmanaged.passRetained(kept.plan)
            kept.plan = GatherPlan(store)
        }
        defer { kept.user.store(0, ordering: .releasing) }
        do {
            let (text, size) = try render(kept.plan, store, capacity: kept.lastSize, format, options)
            kept.lastSize = size + size / 8
            return text
        } catch {
            kept.plan = GatherPlan(store)
            throw error
        }
    }

    /// Renders the store in a directory.
    package static func render(
        directory: String, as format: ExpositionFormat, options: RenderOptions
    ) throws(StoreError) -> Text {
        let reader = try StoreReader(directory: directory)
        return try render(GatherPlan(reader), reader, capacity: 1 << 16, format, options).text
    }

    /// Forgets the plan of a store that is about to be closed.
    package static func forget(_ store: Store) {
        for index in 0..<capacity {
            let bits = kept[index].load(ordering: .acquiring)
            guard let pointer = UnsafeRawPointer(bitPattern: bits) else { continue }
            let entry = Unmanaged<Kept>.fromOpaque(pointer)
            if entry.takeUnretainedValue().store === store {
                kept[index].store(0, ordering: .releasing)
                entry.release()
            }
        }
    }

    private static func keptPlan(_ store: Store) -> Kept? {
        var fresh: Unmanaged<Kept>?
        defer { fresh?.release() }
        for index in 0..<capacity {
            var bits = kept[index].load(ordering: .acquiring)
            if bits == 0 {
                let made = fresh ?? Unmanaged.passRetained(Kept(store))
                fresh = made
                let result = kept[index].compareExchange(
                    expected: 0, desired: UInt(bitPattern: made.toOpaque()), ordering: .acquiringAndReleasing)
                if result.exchanged {
                    fresh = nil
                    return made.takeUnretainedValue()
                }
                bits = result.original
            }
            guard let pointer = UnsafeRawPointer(bitPattern: bits) else { continue }
            let entry = Unmanaged<Kept>.fromOpaque(pointer).takeUnretainedValue()
            if entry.store === store { return entry }
        }
        return nil
    }

    private static func render(
        _ plan: GatherPlan, _ source: any SegmentSource, capacity: Int, _ format: ExpositionFormat,
        _ options: RenderOptions
    ) throws(StoreError) -> (text: Text, size: Int) {
        var writer = TextFormatWriter(capacity: capacity, format: format, options: options)
        for family in try families(plan, source, options) { writer.write(family) }
        guard let text = writer.finish() else {
            throw StoreError(.noSpace, "there is no memory for the text of \(source.directory)")
        }
        return ((text.text, text.count), text.count)
    }

    /// The store's families and, if they are asked for, those of the processes and of the store itself, by name. A family
    /// that somebody has registered under the name of one of the latter is shown in its place.
    private static func families(
        _ plan: GatherPlan, _ source: any SegmentSource, _ options: RenderOptions
    ) throws(StoreError) -> [FamilySnapshot] {
        let gathered = try Gatherer(plan: plan, source: source).gather()
        var more: [FamilySnapshot] = []
        if options.contains(.processMetrics) || options.contains(.processMetricsByWorker) {
            more += try ProcessMetrics(source, byWorker: options.contains(.processMetricsByWorker)).families()
        }
        if options.contains(.selfMetrics) {
            more += try SelfMetrics(source, shown: gathered, damagedRecords: plan.damagedRecords).families()
        }
        if more.isEmpty { return gathered }
        return (gathered + more.filter { plan.family(named: $0.plan.descriptor.name) == nil }).sorted {
            $0.plan.nameBytes.lexicographicallyPrecedes($1.plan.nameBytes)
        }
    }
}
