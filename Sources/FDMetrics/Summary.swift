// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetricsStore

/// Count and sum of observations, over all processes.
public struct Summary: Instrument {
    /// The type of its families.
    public static var type: MetricType { .summary }
    @usableFromInline let series: SeriesAddress

    /// For the library.
    public init(handle: SeriesAddress) { series = handle }

    /// Counts an observation and adds it to the sum, both or neither. Lock-free.
    @inlinable @inline(__always)
    public func observe(_ value: Double) { Update.observe(summary: series.pointer, value) }

    /// Count and sum over all processes, of exactly the same observations.
    public var total: (count: UInt64, sum: Double) {
        // An instrument that could not be registered has no record; what it counts is nobody's.
        guard series.pointer.filledRecord != nil else { return (0, 0) }
        let handle = series.pointer.pointee
        return handle.cell.map { pairTotal($0, laneMask: handle.laneMask) } ?? (0, 0)
    }
}
