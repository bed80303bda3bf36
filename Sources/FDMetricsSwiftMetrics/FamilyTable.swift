// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import FDMetrics
import FDMetricsStore
import Synchronization

/// A series as a handler records into it.
struct RecordedSeries {
    let handle: UnsafeMutablePointer<SeriesHandle>
    /// Where the series stands; nil: it could not be made, and the handle is one that records nothing.
    let place: (family: Family, values: [String])?
    let families: FamilyTable
}

/// The families behind a factory's labels.
///
/// What is known is kept, since programs make a metric for every request. The lock is only ever tried: a thread that does
/// not get it, and a fork child whose parent's thread had it, look the family up in the store instead.
final class FamilyTable: Sendable {
    let configuration: FDMetricsFactory.Configuration
    private let registry: MetricRegistry?

    private struct Key: Hashable {
        let kind: MetricKind
        let label: String
    }

    private struct State {
        var families: [Key: Family] = [:]
        var reported: Set<String> = []
    }

    private let state = Mutex(State())
    /// More than any program has that names its metrics; a program that makes names up does not fill the memory.
    private static let mostKnown = 10_000

    init(registry: MetricRegistry?, configuration: FDMetricsFactory.Configuration) {
        self.registry = registry
        self.configuration = configuration
    }

    /// The registry, the default one attached if need be. nil: it cannot be, which is reported.
    @discardableResult
    func attach() -> MetricRegistry? {
        do {
            if let registry { return registry }
            return try MetricRegistry.default()
        } catch {
            report("metrics are off: \(error)")
            return nil
        }
    }

    /// The series of a label with dimensions; where there can be none, one that records nothing.
    func series(_ kind: MetricKind, _ label: String, _ dimensions: [(String, String)]) -> RecordedSeries {
        let key = Key(kind: kind, label: label)
        var label: String { key.label }
        do {
            if let registry = attach() {
                var known = state.withLockIfAvailable { $0.families[key] }.flatMap { $0 }
                if known == nil {
                    let found = try family(kind, label, dimensions, registry)
                    known = found
                    _ = state.withLockIfAvailable { state in
                        if state.families.count < Self.mostKnown { state.families[key] = found }
                    }
                }
                if let family = known {
                    let values = values(of: dimensions, kind, label, family)
                    let handle = try withLabelValues(values) { key, count throws(StoreError) in
                        if let handle = family.core.find(hash: family.core.hash(key, count), key, count) {
                            return handle
                        }
                        return try family.store.series(family, key, count)
                    }
                    return RecordedSeries(handle: handle, place: (family, values), families: self)
                }
            }
        } catch {
            report("\"\(label)\" is not recorded: \(error)")
        }
        return RecordedSeries(handle: InertHandle.of(kind.type), place: nil, families: self)
    }

    // MARK: - Families

    /// The family of a label. Where one of its name and type is registered already, by this process or another, that one
    /// is taken as it is.
    private func family(
        _ kind: MetricKind, _ label: String, _ dimensions: [(String, String)], _ registry: MetricRegistry
    ) throws(StoreError) -> Family {
        let wanted = try descriptor(kind, label, dimensions)
        while true {
            guard let existing = try registry.store.descriptor(ofFamily: wanted.name) else {
                do throws(StoreError) {
                    return try registry.register(wanted)
                } catch  where error.code == .conflict {
                    // Another process may just have registered it in another way; or it clashes with another name.
                    if try registry.store.descriptor(ofFamily: wanted.name) == nil { throw error }
                    continue
                }
            }
            // A gauge with states is a difference of counters, which nobody sets.
            if existing.type != wanted.type || !existing.states.isEmpty { return try registry.register(wanted) }
            if let difference = difference(existing, wanted) {
                let isNew = report(
                    "\"\(label)\" is recorded as \(existing.name) was registered first: \(difference); use one "
                        + "declaration in all processes")
                if isNew { registry.store.count(HeaderLayout.conflicts) }
            }
            return try registry.register(existing)
        }
    }

    private func descriptor(
        _ kind: MetricKind, _ label: String, _ dimensions: [(String, String)]
    ) throws(StoreError) -> FamilyDescriptor {
        var unit = ""
        var bounds: [Double] = []
        switch kind {
        case .counter, .gauge: break
        case .recorder: bounds = Self.sound(configuration.recorderBuckets.value(for: label))
        case .timer(let scale):
            bounds = scale.bounds(Self.sound(configuration.timerBuckets.value(for: label)))
            if configuration.timerUnit != .unnamed { unit = scale.name }
        }
        let names = configuration.dimensionNames[label] ?? dimensions.map(\.0)
        let labelNames = Set(names.map { PrometheusName.label($0, reserved: kind.reservedLabel) }).sorted()
        return try MetricDeclaration.check(
            type: kind.type, name: PrometheusName.metric(label), help: configuration.help[label] ?? "", unit: unit,
            labelNames: labelNames, bounds: bounds,
            gaugeMode: kind == .gauge ? configuration.gaugeModes.value(for: label) : nil)
    }

    /// Bounds as the store takes them: ascending, finite, without doubles.
    private static func sound(_ bounds: [Double]) -> [Double] {
        Array(Set(bounds.filter(\.isFinite)).sorted().prefix(MetricDeclaration.maxBounds))
    }

    /// What a family has other than wanted, but for help, and label names, which are a matter of each series.
    private func difference(_ existing: FamilyDescriptor, _ wanted: FamilyDescriptor) -> String? {
        var wanted = wanted
        wanted.labelNames = existing.labelNames
        return wanted.conflict(with: existing)
    }

    // MARK: - Label values

    /// The values of a family's labels. A label that is no dimension is empty, which to Prometheus is the same as not there;
    /// a dimension that is no label is left out, counted and reported. Dimensions that become one label, after sanitising
    /// or before, are joined by ";", whatever order they came in.
    private func values(
        of dimensions: [(String, String)], _ kind: MetricKind, _ label: String, _ family: Family
    ) -> [String] {
        let names = family.descriptor.labelNames
        if dimensions.isEmpty && names.isEmpty { return [] }
        var found: [[(String, String)]] = Array(repeating: [], count: names.count)
        for dimension in dimensions {
            let name = PrometheusName.label(dimension.0, reserved: kind.reservedLabel)
            if let index = names.firstIndex(of: name) {
                found[index].append(dimension)
            } else {
                let isNew = report(
                    "the dimension \"\(dimension.0)\" of \"\(label)\" is left out: \(family.descriptor.name) was registered "
                        + "with \(names.isEmpty ? "no labels" : "the labels (\(names.joined(separator: ", ")))"); name all "
                        + "dimensions in Configuration.dimensionNames")
                if isNew { family.store.count(HeaderLayout.conflicts) }
            }
        }
        return found.map { dimensions in
            if dimensions.count < 2 { return dimensions.first?.1 ?? "" }
            return dimensions.sorted { $0 < $1 }.map(\.1).joined(separator: ";")
        }
    }

    // MARK: - Problems

    /// Reports a problem, if it was not before.
    /// - Returns: whether this is the first time.
    @discardableResult
    func report(_ problem: String) -> Bool {
        let isNew = state.withLockIfAvailable { state in
            state.reported.count < Self.mostKnown && state.reported.insert(problem).inserted
        }
        // Whoever does not get the lock would have to wait; it comes again.
        guard isNew == true else { return false }
        configuration.onProblem(problem)
        return true
    }
}
#endif
