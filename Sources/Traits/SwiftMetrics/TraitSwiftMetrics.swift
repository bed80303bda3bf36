// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if FDMETRICS_IS_DEPENDENCY && !SwiftMetrics
#error(
    """
    FDMetricsSwiftMetrics needs the trait SwiftMetrics, which is off. Write in the dependencies of your Package.swift:
    .package(url: "...", from: "...", traits: [.defaults, "SwiftMetrics"])
    """
)
#endif
