// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import ArgumentParser
import FDMetricsStore

/// `fdmctl dump`: prints what is in a store.
struct Dump: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints header, processes, families, series with the values of each lane, and gauge instances.",
        discussion: "Exits 2 where there is no store. Damaged records are named and skipped; `fdmctl check` says more."
    )

    @Argument(help: "The store's directory.", completion: .directory)
    var directory: String

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(help: "Also print removed series.")
    var all = false

    func run() throws {
        let listing: StoreListing
        do throws(StoreError) {
            listing = try StoreListing(directory: directory, includesRemoved: all)
        } catch {
            throw refuse(error)
        }
        print(json ? listing.json.text : listing.text, terminator: "")
    }
}
#endif
