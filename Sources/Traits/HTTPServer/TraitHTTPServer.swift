// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if FDMETRICS_IS_DEPENDENCY && !HTTPServer
#error(
    """
    FDMetricsHTTP needs the trait HTTPServer, which is off. Write in the dependencies of your Package.swift:
    .package(url: "...", from: "...", traits: [.defaults, "HTTPServer"])
    """
)
#endif
