// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import ArgumentParser
import FDMetricsExposition
import FDMetricsInspection
import FDMetricsStore
import Glibc

/// `fdmctl diff`: how two stores, or saved scrapes, differ.
struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares two stores or saved scrapes, series by series.",
        discussion: """
            Each of A and B is a store's directory, or a file with Prometheus' text format (0.0.4 or 1.0) or OpenMetrics, \
            or - for such a text on standard input. Series are the same when their names and labels are, in whatever order \
            the labels stand. HELP, TYPE, time stamps and exemplars are not compared.

            Prints a line for each series that differs, and a count:

              + series value                  only in B
              - series value                  only in A
              ! series old -> new (change)    in both
              1 added, 1 removed, 1 changed, 40 equal

            Exits 0 if all series are equal, 1 if some differ, 2 if one side cannot be read.

            Examples:

              What a request changes:
                fdmctl dump --prometheus DIR > before
                curl -s localhost:8000/
                fdmctl diff before DIR

              Whether a scrape shows what the store has:
                curl -s localhost:8000/metrics | fdmctl diff DIR - --filter '^requests'
            """
    )

    @Argument(help: "The old side: a directory, a file, or -.", completion: .file())
    var a: String

    @Argument(help: "The new side: a directory, a file, or -.", completion: .file())
    var b: String

    @Flag(help: "Also print series that are equal.")
    var all = false

    @OptionGroup
    var filter: FilterOption

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if a == "-" && b == "-" { throw ValidationError("only one of A and B can be standard input") }
    }

    func run() throws {
        let model = DiffModel(try samples(a), try samples(b), filter: filter.series)
        writeOut(json ? model.json(a: a, b: b, all: all).text : model.text(all: all))
        if !model.isEqual { throw ExitCode.failure }
    }

    /// The samples of one side.
    private func samples(_ side: String) throws -> [ExpositionSample] {
        let isDirectory = side != "-" && fileStatus(side).map { $0.st_mode & S_IFMT == S_IFDIR } == true
        let text: [UInt8]
        if isDirectory {
            do throws(StoreError) {
                text = Array(try TextExposition.render(directory: side).utf8)
            } catch {
                throw refuse(error)
            }
        } else {
            guard let content = side == "-" ? readAll(STDIN_FILENO) : readFile(side) else {
                throw refuse("cannot read \(side): \(errorText(errno))")
            }
            text = content
        }
        do throws(ExpositionError) {
            return try ExpositionReader.samples(text)
        } catch {
            throw refuse(
                "\(side), line \(error.line): \(error.message); expected a store's directory or Prometheus' text format"
            )
        }
    }
}
#endif
