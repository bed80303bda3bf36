// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import ArgumentParser
import FDMetricsExposition
import FDMetricsStore

/// `fdmctl dump`: prints what is in a store.
struct Dump: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints header, processes, families, series with the values of each lane, and gauge instances.",
        discussion: """
            Exits 2 where there is no store. Damaged records are named and skipped; `fdmctl check` says more.

            With --prometheus or --openmetrics it prints what a scrape would show, for `fdmctl diff` or a file of \
            node_exporter's textfile collector.
            """
    )

    @Argument(help: "The store's directory.", completion: .directory)
    var directory: String

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(help: "Print a scrape in Prometheus' text format 0.0.4.")
    var prometheus = false

    @Flag(help: "Print a scrape in OpenMetrics 1.0.")
    var openmetrics = false

    @Flag(help: "Also print removed series.")
    var all = false

    func validate() throws {
        if [json, prometheus, openmetrics].filter({ $0 }).count > 1 {
            throw ValidationError("--json, --prometheus and --openmetrics are three formats: give one")
        }
        if all && (prometheus || openmetrics) {
            throw ValidationError("a scrape shows no removed series: --all is for text and --json")
        }
    }

    func run() throws {
        if prometheus || openmetrics {
            do throws(StoreError) {
                writeOut(try TextExposition.render(directory: directory, as: openmetrics ? .openMetrics : .text))
            } catch {
                throw refuse(error)
            }
            return
        }
        do throws(StoreError) {
            let listing = try StoreListing(directory: directory, includesRemoved: all)
            writeOut(json ? try listing.json() : try listing.text())
        } catch {
            throw refuse(error)
        }
    }
}
#endif
