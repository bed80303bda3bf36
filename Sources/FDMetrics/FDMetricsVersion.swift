// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// Re-exported: MetricType, GaugeMode and MetricError's members are part of the API, and live a layer below.
@_exported public import FDMetricsStore

/// What went wrong in opening, registering or rendering: a code and a sentence. Recording never throws.
public typealias MetricError = StoreError

/// The library's version, in one place. `python/fdmetrics/_version.py` has the same, and a test compares the two.
public enum FDMetricsVersion {
    /// "major.minor.patch".
    public static let string = "0.1.0"
}
