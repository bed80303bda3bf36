// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetricsStore

/// Where metrics are declared: one store, seen as families. Thread-safe; usable in a fork child.
///
/// Declaring the same metric twice, in one process or in many, gives the same series; a declaration that contradicts
/// another is an error that names the difference.
public struct MetricRegistry: Sendable {
    /// The store behind it.
    public let store: Store

    package init(store: Store) { self.store = store }

    /// The registry of the process's default directory: FDMETRICS_DIR, else PROMETHEUS_MULTIPROC_DIR, else one that an
    /// ancestor process or this one names. Attached at the first call; the same ever after.
    /// - Throws: an error of any code but `labels` and `seriesLimit`; the next call tries again.
    public static func `default`() throws(MetricError) -> MetricRegistry {
        MetricRegistry(store: try AttachedStores.defaultStore())
    }

    /// The registry of a directory, which is made where it is missing.
    /// - Parameters:
    ///   - directory: the store's directory.
    ///   - lanes: lanes of a new store, a power of two up to 16; nil: enough for the configured CPUs.
    ///   - seriesLimit: the most series of one family, of a new store; nil: FDMETRICS_SERIES_LIMIT, else 10,000.
    public init(directory: String, lanes: Int? = nil, seriesLimit: Int? = nil) throws(MetricError) {
        store = try AttachedStores.open(directory, lanes: lanes, seriesLimit: seriesLimit)
    }

    // MARK: - Without labels

    /// A counter. "_total" is added to the exposed name where `name` lacks it.
    public func counter(_ name: String, help: String = "", unit: String = "") throws(MetricError) -> Counter {
        try counterFamily(name, labels: [], help: help, unit: unit).labels([])
    }

    /// A gauge.
    public func gauge(
        _ name: String, mode: GaugeMode, help: String = "", unit: String = ""
    ) throws(MetricError) -> Gauge {
        try gaugeFamily(name, labels: [], mode: mode, help: help, unit: unit).labels([])
    }

    /// A histogram. No bounds: prometheus_client's default ones, for seconds.
    public func histogram(
        _ name: String, bounds: [Double] = [], help: String = "", unit: String = ""
    ) throws(MetricError) -> Histogram {
        try histogramFamily(name, labels: [], bounds: bounds, help: help, unit: unit).labels([])
    }

    /// A summary: count and sum.
    public func summary(_ name: String, help: String = "", unit: String = "") throws(MetricError) -> Summary {
        try summaryFamily(name, labels: [], help: help, unit: unit).labels([])
    }

    // MARK: - With labels

    /// Counters with labels.
    public func counterFamily(
        _ name: String, labels: [String], help: String = "", unit: String = ""
    ) throws(MetricError) -> MetricFamily<Counter> {
        MetricFamily(try family(.counter, name, help: help, unit: unit, labels: labels))
    }

    /// Gauges with labels.
    public func gaugeFamily(
        _ name: String, labels: [String], mode: GaugeMode, help: String = "", unit: String = ""
    ) throws(MetricError) -> MetricFamily<Gauge> {
        MetricFamily(try family(.gauge, name, help: help, unit: unit, labels: labels, mode: mode))
    }

    /// Histograms with labels. No bounds: prometheus_client's default ones, for seconds.
    public func histogramFamily(
        _ name: String, labels: [String], bounds: [Double] = [], help: String = "", unit: String = ""
    ) throws(MetricError) -> MetricFamily<Histogram> {
        MetricFamily(try family(.histogram, name, help: help, unit: unit, labels: labels, bounds: bounds))
    }

    /// Summaries with labels.
    public func summaryFamily(
        _ name: String, labels: [String], help: String = "", unit: String = ""
    ) throws(MetricError) -> MetricFamily<Summary> {
        MetricFamily(try family(.summary, name, help: help, unit: unit, labels: labels))
    }

    /// Text about the service. "_info" is added to the exposed name where `name` lacks it.
    public func info(_ name: String, labels: [String] = [], help: String = "") throws(MetricError) -> Info {
        Info(try family(.info, name, help: help, unit: "", labels: labels))
    }

    /// A set of states, one of which is on.
    public func stateSet(
        _ name: String, states: [String], labels: [String] = [], help: String = ""
    ) throws(MetricError) -> StateSet {
        let set = StateSet(try family(.stateSet, name, help: help, unit: "", labels: labels, states: states))
        if labels.isEmpty { try set.register(labels: []) }
        return set
    }

    /// A gauge that is computed at each scrape: the difference of two counters with the same label values. `minuend` and
    /// `subtrahend` are family names without "_total". The store keeps it as a gauge without a mode, whose two states are
    /// these names.
    package func difference(
        _ name: String, of minuend: String, and subtrahend: String, help: String, labels: [String], values: [String]
    ) throws(MetricError) {
        var descriptor = try MetricDeclaration.check(
            type: .gauge, name: name, help: help, unit: "", labelNames: labels)
        descriptor.states = [minuend, subtrahend]
        _ = try MetricFamily<Gauge>(register(descriptor)).labels(values)
    }

    private func family(
        _ type: MetricType, _ name: String, help: String, unit: String, labels: [String], bounds: [Double] = [],
        mode: GaugeMode? = nil, states: [String] = []
    ) throws(MetricError) -> Family {
        try register(
            MetricDeclaration.check(
                type: type, name: name, help: help, unit: unit, labelNames: labels, bounds: bounds, gaugeMode: mode,
                states: states))
    }

    /// Registers a checked descriptor, and refuses one whose samples would have the names of another family's.
    /// - Parameter replacing: a family of the same name that is declared otherwise gives way, in all processes.
    package func register(
        _ descriptor: FamilyDescriptor, replacing: Bool = false
    ) throws(MetricError) -> Family {
        let store = StoreMoves.current(store, now: true)
        let hash = descriptor.hash(seed: store.identity.hashSeed)
        try store.throwIfRefused(hash)
        do {
            return try registerAnew(descriptor, replacing: replacing)
        } catch {
            // A conflict is found by two looks at the index, and its sentence says what differs: it is made anew each time.
            if error.code != .conflict { store.remember(hash, error.code) }
            throw error
        }
    }

    private func registerAnew(_ descriptor: FamilyDescriptor, replacing: Bool) throws(MetricError) -> Family {
        for (name, suffixTypes) in descriptor.clashCandidates {
            guard let other = try store.descriptor(ofFamily: name), suffixTypes.contains(other.type),
                let shared = other.sampleNames.first(where: descriptor.sampleNames.contains)
            else { continue }
            let error = MetricError(
                .conflict,
                "\(descriptor.name) (\(descriptor.type.name)) would expose \(shared), as the \(other.type.name) \(other.name) does: "
                    + "use another name")
            store.countDrop(error)
            throw error
        }
        return try store.family(descriptor, replacing: replacing)
    }
}

extension FamilyDescriptor {
    /// A hash of all that a family is but its help.
    fileprivate func hash(seed: UInt64) -> UInt64 {
        var hash = KeyHash(seed: seed)
        for text in [name, unit] + labelNames + states {
            withLabelValue(text) { hash.combine($0.bytes, count: $0.count) }
        }
        for number in [UInt64(type.rawValue), UInt64(gaugeMode?.rawValue ?? 0), UInt64(labelNames.count)] {
            hash.combine(number)
        }
        for bound in bounds { hash.combine(bound.bitPattern) }
        return hash.value
    }

    /// Families of other names that may expose the same sample names: a gauge "x_total" and a counter "x", say.
    fileprivate var clashCandidates: [(name: String, types: [MetricType])] {
        var candidates: [(name: String, types: [MetricType])] = []
        let plain: [MetricType] = [.gauge, .stateSet, .histogram, .summary]
        for sample in sampleNames {
            if sample != name { candidates.append((sample, plain)) }
            for (suffix, types) in [
                ("_total", [MetricType.counter]), ("_info", [.info]), ("_bucket", [.histogram]),
                ("_sum", [.histogram, .summary]), ("_count", [.histogram, .summary]),
            ] where sample.hasSuffix(suffix) && sample.utf8.count > suffix.utf8.count {
                let base = String(sample.dropLast(suffix.count))
                if base != name { candidates.append((base, types)) }
            }
        }
        return candidates
    }
}
