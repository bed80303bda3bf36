// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import ArgumentParser
import FDMetricsExposition
import FDMetricsStore

/// `fdmctl check`: verifies every invariant of a store.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verifies every invariant of a store.",
        discussion: """
            Prints one line, "ok: ...", and exits 0; or prints what is wrong, one finding a line, and exits 1. \
            Exits 2 where there is no store. A store that is written to meanwhile raises no false alarm.
            """
    )

    @Argument(help: "The store's directory.", completion: .directory)
    var directory: String

    @Flag(help: "Also print what killed processes leave behind, which is harmless.")
    var notes = false

    func run() throws {
        let report: StoreCheckReport
        do throws(StoreError) {
            report = try StoreCheck.run(directory: directory)
        } catch {
            throw refuse(error)
        }
        writeOut(report.text(notes: notes))
        if !report.errors.isEmpty { throw ExitCode.failure }
    }
}
#endif
