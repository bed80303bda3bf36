// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
public import FDMetricsStore
import Glibc

extension FDMetricsFactory {
    /// How swift-metrics' calls become families of the store. Labels are swift-metrics', as they were before sanitising.
    ///
    /// All processes of a service should use the same. Where they do not, the family that was registered first is taken as
    /// it is, and the difference is counted and reported.
    public struct Configuration: Sendable {
        /// Which unit timers have. Default: seconds, with "_seconds" at the end of the name.
        public var timerUnit = TimerUnit.seconds
        /// The upper bounds of a timer's buckets, in seconds. Empty: prometheus_client's, from 5 ms to 10 s.
        public var timerBuckets = LabelRules<[Double]>([])
        /// The upper bounds of the buckets of a recorder that aggregates. Empty: the same numbers.
        public var recorderBuckets = LabelRules<[Double]>([])
        /// How the values that processes have of a `Gauge`, a `Meter` or a recorder that does not aggregate become the
        /// exposed one. Default: the sum of those of the live processes.
        public var gaugeModes = LabelRules<GaugeMode>(.liveSum)
        /// The dimension names of a label, where not all of its uses have the same ones. Without an entry: those of the use
        /// that comes first.
        public var dimensionNames: [String: [String]] = [:]
        /// Help texts by label.
        public var help: [String: String] = [:]
        /// Whether this process may take away what all processes recorded: `destroy()` then removes the series and
        /// `reset()` sets a counter to zero, for all of them. Default: no, both leave totals alone. Handlers that other
        /// processes hold of a removed series record nothing any more; so this is for a service of one process.
        public var ownsTotals = false
        /// Is called once for each thing that goes wrong, with a sentence, by the thread that made the metric. Default:
        /// writes it to the standard error.
        public var onProblem: @Sendable (String) -> Void = { problem in
            var line = "fdmetrics: \(problem)\n"
            // One write, so that lines of several processes do not mix. Nobody can be told that it failed.
            _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        }

        /// The defaults.
        public init() {}
    }

    /// The units of timers.
    public enum TimerUnit: Sendable {
        /// Seconds; the name ends in "_seconds". A preferred display unit is left to whoever displays.
        case seconds
        /// The timer's preferred display unit, seconds without one; the name ends in the unit. Such a timer is registered
        /// by its first recording.
        case preferred
        /// Seconds; the name stays as it is.
        case unnamed
    }

    /// A value that depends on a metric's label: that of the label itself, else of its longest prefix, else the general one.
    public struct LabelRules<Value: Sendable>: Sendable {
        /// For labels without a rule.
        public var general: Value
        /// By whole label.
        public var labels: [String: Value] = [:]
        /// By how labels begin.
        public var prefixes: [String: Value] = [:]

        /// One value for all labels, at first.
        public init(_ general: Value) { self.general = general }

        /// The value for a label.
        public func value(for label: String) -> Value {
            if let exact = labels[label] { return exact }
            let longest = prefixes.filter { label.hasPrefix($0.key) }.max { $0.key.utf8.count < $1.key.utf8.count }
            return longest?.value ?? general
        }
    }
}
#endif
