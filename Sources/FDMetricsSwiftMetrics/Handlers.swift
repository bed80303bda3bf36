// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if SwiftMetrics
import CoreMetrics
import FDMetrics
import FDMetricsStore
import Synchronization

// What swift-metrics' objects hold. A handler is immutable but for the shared memory that its handle leads to, so any thread
// may use it at any time. The handle comes first: it is all that recording looks at.

/// A handler that swift-metrics' `destroy()` reaches.
protocol DestroyableHandler {
    func destroy()
}

extension RecordedSeries {
    /// Removes the series for all processes where the configuration says that its total is this process's.
    /// - Returns: whether it does.
    fileprivate func removeIfOwned() -> Bool {
        guard families.configuration.ownsTotals else { return false }
        guard let place else { return true }
        do {
            try place.family.store.remove(place.family, values: place.values)
        } catch {
            families.report("a series of \(place.family.descriptor.name) cannot be removed: \(error)")
        }
        return true
    }
}

/// A counter of whole numbers and of others.
final class CounterSeries: CounterHandler, FloatingPointCounterHandler, DestroyableHandler, @unchecked Sendable {
    private let handle: UnsafeMutablePointer<SeriesHandle>
    private let series: RecordedSeries

    init(_ series: RecordedSeries) {
        handle = series.handle
        self.series = series
    }

    /// Not inlined into the protocol's entry: there the optimizer leaves the look at the CPU's number a call.
    @inline(never)
    func increment(by amount: Int64) {
        // A counter only goes up.
        guard amount > 0 else { return }
        Update.add(handle, whole: UInt64(bitPattern: amount))
    }

    /// What is not a number, is infinite or is negative adds nothing, as in swift-metrics' own counter; nor does a single
    /// amount add more than 2^63, so that no sum becomes infinite.
    func increment(by amount: Double) {
        if amount > 0, amount < .infinity { _ = Update.add(handle, min(amount, 0x1p63)) }
    }

    func reset() {
        guard let place = series.place else { return }
        guard series.families.configuration.ownsTotals else {
            series.families.report(
                "reset() of \(place.family.descriptor.name) does nothing: its total belongs to all processes (see "
                    + "Configuration.ownsTotals)")
            return
        }
        guard let cell = handle.pointee.cell else { return }
        for lane in 0...Int(handle.pointee.laneMask) {
            let words = cell + lane * StoreFormat.laneStride
            word(words).pointee.store(0, ordering: .relaxed)
            word(words + 8).pointee.store(0, ordering: .relaxed)
        }
    }

    func destroy() { _ = series.removeIfOwned() }
}

/// This process's value of a gauge: a `Gauge`, a `Meter`, a recorder that does not aggregate.
final class GaugeSeries: RecorderHandler, MeterHandler, DestroyableHandler, @unchecked Sendable {
    private let handle: UnsafeMutablePointer<SeriesHandle>
    private let series: RecordedSeries

    init(_ series: RecordedSeries) {
        handle = series.handle
        self.series = series
    }

    func record(_ value: Int64) { Update.set(handle, Double(value)) }
    func record(_ value: Double) { Update.set(handle, value) }
    func set(_ value: Int64) { Update.set(handle, Double(value)) }
    func set(_ value: Double) { Update.set(handle, value) }

    /// As in swift-metrics' own meter, only positive, finite amounts are added or subtracted.
    func increment(by amount: Double) {
        if amount > 0, amount < .infinity { add(amount) }
    }

    func decrement(by amount: Double) {
        if amount > 0, amount < .infinity { add(-amount) }
    }

    private func add(_ amount: Double) {
        if !Update.addToGauge(handle, amount) { reportMode() }
    }

    @inline(never)
    private func reportMode() {
        guard let place = series.place else { return }
        series.families.report(
            "\(place.family.descriptor.name) has the mode \(place.family.descriptor.gaugeMode?.name ?? "none"), in which "
                + "increments and decrements mean nothing: set it, or choose a mode such as liveSum")
    }

    /// The instance stays with the process, without a value: the next update brings it back.
    func destroy() {
        if series.place == nil || series.removeIfOwned() { return }
        Update.unsetOwn(handle)
    }
}

extension Update {
    /// Takes this process's value of a gauge back, as if it had never been set.
    fileprivate static func unsetOwn(_ handle: UnsafeMutablePointer<SeriesHandle>) {
        let bits = word(UnsafeMutableRawPointer(handle) + SeriesHandle.cellOffset).pointee.load(ordering: .acquiring)
        guard let instance = UnsafeMutableRawPointer(bitPattern: UInt(bits)), let token = handle.pointee.auxiliary,
            word(instance + InstanceLayout.owner).pointee.load(ordering: .relaxed)
                == word(token).pointee.load(ordering: .relaxed)
        else { return }
        word(instance + InstanceLayout.value).pointee.store(unset, ordering: .relaxed)
    }
}

/// A recorder that aggregates.
final class HistogramSeries: RecorderHandler, DestroyableHandler, @unchecked Sendable {
    private let handle: UnsafeMutablePointer<SeriesHandle>
    private let series: RecordedSeries

    init(_ series: RecordedSeries) {
        handle = series.handle
        self.series = series
    }

    func record(_ value: Int64) { Update.observe(histogram: handle, Double(value)) }
    func record(_ value: Double) { Update.observe(histogram: handle, value) }

    func destroy() { _ = series.removeIfOwned() }
}

/// A timer of a unit that is known when it is made.
final class TimerSeries: TimerHandler, DestroyableHandler, @unchecked Sendable {
    private let handle: UnsafeMutablePointer<SeriesHandle>
    private let unit: TimerScale
    private let series: RecordedSeries

    init(_ series: RecordedSeries, unit: TimerScale) {
        handle = series.handle
        self.unit = unit
        self.series = series
    }

    func recordNanoseconds(_ duration: Int64) {
        Update.observe(histogram: handle, unit.value(ofNanoseconds: duration))
    }

    func destroy() { _ = series.removeIfOwned() }
}

/// A timer whose unit swift-metrics tells after it is made, if at all: the first that asks or records decides.
final class PreferredUnitTimer: TimerHandler, DestroyableHandler, @unchecked Sendable {
    private let timer = AtomicLazyReference<TimerSeries>()
    private let families: FamilyTable
    private let label: String
    private let dimensions: [(String, String)]

    init(_ families: FamilyTable, _ label: String, _ dimensions: [(String, String)]) {
        self.families = families
        self.label = label
        self.dimensions = dimensions
    }

    func preferDisplayUnit(_ unit: TimeUnit) { _ = made(TimerScale(unit)) }

    func recordNanoseconds(_ duration: Int64) { (timer.load() ?? made(.seconds)).recordNanoseconds(duration) }

    @inline(never)
    private func made(_ unit: TimerScale) -> TimerSeries {
        timer.load() ?? timer.storeIfNil(TimerSeries(families.series(.timer(unit), label, dimensions), unit: unit))
    }

    func destroy() { timer.load()?.destroy() }
}
#endif
