// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import _StringProcessing

#if CommandLineTool
import ArgumentParser
#endif

/// Which series are shown: those whose text, such as `requests{path="/"}`, has a match of a regular expression.
struct SeriesFilter {
    private let expression: Regex<AnyRegexOutput>

    /// nil: it is not a regular expression.
    init?(_ text: String) {
        guard let expression = try? Regex(text) else { return nil }
        self.expression = expression
    }

    func accepts(_ text: String) -> Bool { (try? expression.firstMatch(in: text)) != nil }
}

#if CommandLineTool
/// The option `--filter` of several subcommands.
struct FilterOption: ParsableArguments {
    @Option(name: .long, help: "Only series with a match of this regular expression, such as 'requests.*code=\"5'.")
    var filter: String?

    func validate() throws {
        if let filter, SeriesFilter(filter) == nil {
            throw ValidationError("--filter: \"\(filter)\" is not a regular expression")
        }
    }

    var series: SeriesFilter? { filter.flatMap { SeriesFilter($0) } }
}
#endif
