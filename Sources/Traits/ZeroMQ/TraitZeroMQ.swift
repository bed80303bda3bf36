// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if FDMETRICS_IS_DEPENDENCY && !ZeroMQ
#error(
    """
    FDMetricsZMQ needs the trait ZeroMQ, which is off. Write in the dependencies of your Package.swift:
    .package(url: "...", from: "...", traits: [.defaults])
    """
)
#endif
