// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if FDMETRICS_IS_DEPENDENCY && !CommandLineTool
#error(
    """
    fdmctl needs the trait CommandLineTool, which is off. Write in the dependencies of your Package.swift:
    .package(url: "...", from: "...", traits: [.defaults, "CommandLineTool"])
    """
)
#endif
