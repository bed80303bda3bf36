// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import FDMetricsStore

/// An instrument: a handle of one series. Copying it is copying an address.
///
/// Instruments are made by a `MetricRegistry` or a `MetricFamily`, stay valid for the life of the process and of its fork
/// children, and may be used from any thread.
public protocol Instrument: Sendable {
    /// The type of the families that it belongs to.
    static var type: FDMetricsStore.MetricType { get }
    /// For the library: wraps a series' handle.
    init(handle: SeriesAddress)
}

/// Where a series' handle is: opaque outside the library.
public struct SeriesAddress: @unchecked Sendable {
    @usableFromInline let pointer: UnsafeMutablePointer<SeriesHandle>

    @inlinable
    package init(_ pointer: UnsafeMutablePointer<SeriesHandle>) { self.pointer = pointer }
}
