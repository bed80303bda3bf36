// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// What a family's series hold. The raw values stand in the file and in the C header.
public enum MetricType: UInt32, Sendable, CaseIterable {
    /// A total that only goes up.
    case counter = 1
    /// A value that goes up and down and belongs to a process.
    case gauge = 2
    /// Observations counted in buckets.
    case histogram = 3
    /// Count and sum of observations.
    case summary = 4
    /// Text as labels, with the value 1.
    case info = 5
    /// One of several states is on.
    case stateSet = 6

    /// The bytes of a series' cell in each lane. A counter is (whole: u64, fraction: f64), a summary one (count, sum)
    /// pair, a histogram one pair for each bucket, +Inf included.
    package func cellSize(boundCount: Int) -> Int {
        switch self {
        case .counter, .summary: 16
        case .histogram: (boundCount + 1) * 16
        case .gauge, .info, .stateSet: 0
        }
    }

    /// Whether a series has the line of words that change: the instances of a gauge, the state of a state set.
    package var isWide: Bool { self == .gauge || self == .stateSet }
}

/// How the processes' values of a gauge become the exposed one: prometheus_client's modes, and `local`. The raw values
/// stand in the file and in the C header. "live" modes regard only processes that are alive at the scrape.
public enum GaugeMode: UInt32, Sendable, CaseIterable {
    /// One sample for each process slot, alive or dead.
    case all = 1
    /// One sample for each process that is alive.
    case liveAll = 2
    /// The least value.
    case min = 3
    /// The least value of the processes that are alive.
    case liveMin = 4
    /// The greatest value.
    case max = 5
    /// The greatest value of the processes that are alive.
    case liveMax = 6
    /// The sum of the values.
    case sum = 7
    /// The sum of the values of the processes that are alive.
    case liveSum = 8
    /// The value that was set last.
    case mostRecent = 9
    /// The value that was set last by a process that is alive.
    case liveMostRecent = 10
    /// The value of the process that renders; nothing elsewhere.
    case local = 11

    /// Whether the mode disregards processes that have ended.
    package var isLive: Bool {
        switch self {
        case .liveAll, .liveMin, .liveMax, .liveSum, .liveMostRecent, .local: true
        case .all, .min, .max, .sum, .mostRecent: false
        }
    }

    /// Whether the time of setting decides.
    package var isMostRecent: Bool { self == .mostRecent || self == .liveMostRecent }

    /// The name that users write: prometheus_client's spelling.
    public var name: String {
        switch self {
        case .all: "all"
        case .liveAll: "liveall"
        case .min: "min"
        case .liveMin: "livemin"
        case .max: "max"
        case .liveMax: "livemax"
        case .sum: "sum"
        case .liveSum: "livesum"
        case .mostRecent: "mostrecent"
        case .liveMostRecent: "livemostrecent"
        case .local: "local"
        }
    }
}

extension MetricType {
    /// The name of the type in an error message and in `fdmctl dump`.
    public var name: String {
        switch self {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        case .summary: "summary"
        case .info: "info"
        case .stateSet: "stateset"
        }
    }
}

/// What a family is: everything that all processes must agree on, and its help text.
///
/// The store takes it as it is; names and bounds were checked by whoever made it.
package struct FamilyDescriptor: Sendable, Equatable {
    package var type: MetricType
    /// Without "_total" of a counter and "_info" of an info; with the unit.
    package var name: String
    package var help: String
    package var unit: String
    package var labelNames: [String]
    /// Strictly ascending, without +Inf.
    package var bounds: [Double]
    package var gaugeMode: GaugeMode?
    package var states: [String]

    package init(
        type: MetricType, name: String, help: String = "", unit: String = "", labelNames: [String] = [],
        bounds: [Double] = [], gaugeMode: GaugeMode? = nil, states: [String] = []
    ) {
        self.type = type
        self.name = name
        self.help = help
        self.unit = unit
        self.labelNames = labelNames
        self.bounds = bounds
        self.gaugeMode = gaugeMode
        self.states = states
    }

    /// Whether it is a gauge that is what one counter has more than another; its states are their names.
    package var isDifference: Bool { type == .gauge && gaugeMode == nil && states.count == 2 }

    /// What contradicts an existing family of the same name, as the end of a sentence; nil: they agree. Help may differ.
    package func conflict(with existing: FamilyDescriptor) -> String? {
        func list(_ names: [String]) -> String {
            names.isEmpty ? "no labels" : "labels (\(names.joined(separator: ", ")))"
        }
        if type != existing.type { return "it is a \(existing.type.name), not a \(type.name)" }
        if labelNames != existing.labelNames {
            return "it has \(list(existing.labelNames)), not \(list(labelNames))"
        }
        if bounds != existing.bounds {
            return "its bucket bounds are \(existing.bounds), not \(bounds)"
        }
        if gaugeMode != existing.gaugeMode {
            return "its mode is \(existing.gaugeMode?.name ?? "none"), not \(gaugeMode?.name ?? "none")"
        }
        if states != existing.states { return "its states are \(existing.states), not \(states)" }
        if unit != existing.unit { return "its unit is \"\(existing.unit)\", not \"\(unit)\"" }
        return nil
    }
}
