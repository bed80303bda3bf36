// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
public import CoreMetrics
public import FDMetrics

/// The backend of swift-metrics: what a program records through `Counter`, `FloatingPointCounter`, `Gauge`, `Meter`,
/// `Recorder` and `Timer` goes to the service's store.
///
///     MetricsSystem.bootstrap(FDMetricsFactory())
///
/// The same label with the same dimensions is the same series in all processes of the service. Nothing here traps or
/// throws: a metric that cannot be registered records nothing, which is counted in the store and reported once. Making a
/// metric looks it up; recording is as wait-free and free of allocation as the store's own instruments. Thread-safe, and
/// usable in a fork child.
public struct FDMetricsFactory: Sendable {
    let families: FamilyTable

    /// A backend over a registry.
    /// - Parameters:
    ///   - registry: where the metrics go; nil: the process's default store, which is attached at once. Where it cannot be,
    ///     that is reported, metrics made now record nothing, and the next one that is made tries again.
    ///   - configuration: buckets, gauge modes, units and what to do about wrong use.
    public init(registry: MetricRegistry? = nil, configuration: Configuration = Configuration()) {
        families = FamilyTable(registry: registry, configuration: configuration)
        families.attach()
    }
}

extension FDMetricsFactory: MetricsFactory {
    /// A total. Negative amounts add nothing.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        CounterSeries(families.series(.counter, label, dimensions))
    }

    /// A total, in the same family as a counter of the same label.
    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        CounterSeries(families.series(.counter, label, dimensions))
    }

    /// A gauge of this process's value, in the same family as a `Gauge` of the same label.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        GaugeSeries(families.series(.gauge, label, dimensions))
    }

    /// A histogram; without aggregation a gauge.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        if aggregate { return HistogramSeries(families.series(.recorder, label, dimensions)) }
        return GaugeSeries(families.series(.gauge, label, dimensions))
    }

    /// A histogram of seconds, or of the unit that the timer prefers: see `Configuration.timerUnit`.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        if families.configuration.timerUnit == .preferred {
            return PreferredUnitTimer(families, label, dimensions)
        }
        return TimerSeries(families.series(.timer(.seconds), label, dimensions), unit: .seconds)
    }

    // MARK: - Destroying

    /// Lets go of a counter. Its total belongs to all processes, and stays: see `Configuration.ownsTotals`.
    public func destroyCounter(_ handler: any CounterHandler) { destroy(handler) }

    /// Lets go of a counter; its total stays.
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { destroy(handler) }

    /// Withdraws this process's value of a gauge; those of other processes stay.
    public func destroyMeter(_ handler: any MeterHandler) { destroy(handler) }

    /// Withdraws this process's value of a gauge; lets go of a histogram, whose observations stay.
    public func destroyRecorder(_ handler: any RecorderHandler) { destroy(handler) }

    /// Lets go of a timer; its observations stay.
    public func destroyTimer(_ handler: any TimerHandler) { destroy(handler) }

    /// A handler of another factory is not ours to destroy.
    private func destroy(_ handler: Any) { (handler as? any DestroyableHandler)?.destroy() }
}
#endif
