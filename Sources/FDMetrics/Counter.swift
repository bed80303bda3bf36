// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetricsStore

/// A total that only goes up, over all processes that record into the store.
public struct Counter: Instrument {
    /// The type of its families.
    public static var type: MetricType { .counter }
    @usableFromInline let series: SeriesAddress

    /// For the library.
    public init(handle: SeriesAddress) { series = handle }

    /// Adds 1. Wait-free; one locked add.
    @inlinable @inline(__always)
    public func increment() { Update.increment(series.pointer) }

    /// Adds a whole amount. Wait-free.
    @inlinable @inline(__always)
    public func increment(by amount: UInt64) { Update.add(series.pointer, whole: amount) }

    /// Adds an amount; a negative one, or NaN, adds nothing. Lock-free.
    /// - Returns: whether the amount was added.
    @discardableResult @inlinable @inline(__always)
    public func increment(by amount: Double) -> Bool { Update.add(series.pointer, amount) }

    /// The total over all processes.
    public var value: Double {
        // An instrument that could not be registered has no record; what it counts is nobody's.
        guard series.pointer.filledRecord != nil else { return 0 }
        let handle = series.pointer.pointee
        return handle.cell.map { counterTotal($0, laneMask: handle.laneMask) } ?? 0
    }
}
