// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import FDMetrics
import FDMetricsStore

/// What swift-metrics asks a factory for.
enum MetricKind: Hashable {
    case counter
    /// A `Gauge`, a `Meter`, a recorder that does not aggregate.
    case gauge
    /// A recorder that aggregates.
    case recorder
    case timer(TimerScale)

    /// The type of its family.
    var type: MetricType {
        switch self {
        case .counter: .counter
        case .gauge: .gauge
        case .recorder, .timer: .histogram
        }
    }

    /// The label that the family's own samples use.
    var reservedLabel: String? { type == .histogram ? "le" : nil }
}

/// A unit that timers are recorded in.
struct TimerScale: Hashable {
    /// The unit in the plural, as names of Prometheus have it.
    let name: String
    let nanoseconds: Double

    static let seconds = TimerScale(name: "seconds", nanoseconds: 1e9)

    private init(name: String, nanoseconds: Double) {
        self.name = name
        self.nanoseconds = nanoseconds
    }

    init(_ unit: TimeUnit) {
        nanoseconds = Double(unit.scaleFromNanoseconds)
        name =
            switch unit {
            case .nanoseconds: "nanoseconds"
            case .microseconds: "microseconds"
            case .milliseconds: "milliseconds"
            case .minutes: "minutes"
            case .hours: "hours"
            case .days: "days"
            default: "seconds"
            }
    }

    /// A duration in this unit. A negative one is an error of somebody's clock; it counts, as 0, so that the sum never
    /// goes down.
    @inline(__always)
    func value(ofNanoseconds duration: Int64) -> Double { Double(max(0, duration)) / nanoseconds }

    /// Bounds that are given in seconds, in this unit: exact to the nanosecond.
    func bounds(_ seconds: [Double]) -> [Double] {
        if nanoseconds == Self.seconds.nanoseconds { return seconds }
        let given = seconds.isEmpty ? MetricDeclaration.defaultBounds : seconds
        return given.map { ($0 * 1e9).rounded() / nanoseconds }
    }
}
#endif
