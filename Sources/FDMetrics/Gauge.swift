// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetricsStore

/// A value that goes up and down. Each process has its own; the family's `GaugeMode` says what is exposed.
public struct Gauge: Instrument {
    /// The type of its families.
    public static var type: MetricType { .gauge }
    @usableFromInline let series: SeriesAddress

    /// For the library.
    public init(handle: SeriesAddress) { series = handle }

    /// Sets this process's value; in the most recent modes as of now.
    @inlinable @inline(__always)
    public func set(_ value: Double) { Update.set(series.pointer, value) }

    /// Sets this process's value as of a time, in seconds since the epoch, which the most recent modes compare.
    public func set(_ value: Double, at seconds: Double) { Update.set(series.pointer, value, at: seconds) }

    /// Adds to this process's value. The most recent modes have no meaning for that, and ignore it.
    /// - Returns: whether the mode takes it.
    @discardableResult @inlinable @inline(__always)
    public func increment(by amount: Double = 1) -> Bool { Update.addToGauge(series.pointer, amount) }

    /// Subtracts from this process's value; see `increment`.
    @discardableResult @inlinable @inline(__always)
    public func decrement(by amount: Double = 1) -> Bool { Update.addToGauge(series.pointer, -amount) }

    /// This process's own value; 0 before its first update.
    public var value: Double { series.pointer.filledRecord == nil ? 0 : Update.ownValue(series.pointer) }
}
