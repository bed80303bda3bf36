// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import ArgumentParser
import FDMetricsInspection
import FDMetricsStore
import Glibc

/// `fdmctl top`: a store while it is used.
struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows a store live: rates, quantiles, gauges and processes.",
        usage: "fdmctl top [<directory>] [--interval <interval>] [<options>]",
        discussion: """
            On a terminal it fills the screen and refreshes itself; ? shows the keys. Elsewhere, and with --once, --count \
            or --json, it prints plain tables: with --once one at once, without rates; else one after each interval.

            Rates are of the last interval. P50, P90 and P99 of a histogram are of what was observed in it, or if that is \
            nothing, of all observations; they are interpolated within a bucket as PromQL's histogram_quantile() does.

            Without DIR it shows the directory of FDMETRICS_DIR or PROMETHEUS_MULTIPROC_DIR, else the only store named \
            fdmetrics-* in /dev/shm that live processes hold. The store of a service that has crashed is shown as it was left.

            Exits 0; 2 where there is no store; by the signal that ended it.

            Examples:

              fdmctl top                               live
              fdmctl top --once --filter '^requests'   one table
              fdmctl top --count 3 --interval 10       three tables
            """
    )

    @Argument(help: "The store's directory.", completion: .directory)
    var directory: String?

    @Option(name: .shortAndLong, help: "Seconds between two refreshes, at least 0.1.")
    var interval = 1.0

    @Flag(help: "Print one table and end.")
    var once = false

    @Option(name: [.customShort("n"), .long], help: "Print so many tables and end.")
    var count: Int?

    @Option(help: "Sort series by name, rate, value or p99.")
    var sort = TopSort.name

    @OptionGroup
    var filter: FilterOption

    @Flag(help: "Print JSON objects in place of tables, with exact numbers.")
    var json = false

    func validate() throws {
        // Also keeps NaN out.
        if !(interval >= 0.1 && interval <= 86_400) {
            throw ValidationError("--interval is \(interval); expected 0.1 to 86400 seconds")
        }
        if let count, count < 1 { throw ValidationError("--count is \(count); expected at least 1") }
        if once && count != nil { throw ValidationError("--once is one table: leave out --count") }
    }

    func run() throws {
        let path = try ownDirectory(directory)
        var state = TopState(filter: filter.filter)
        state.sort = sort
        let isPlain = once || count != nil || json || !Terminal.isUsable
        do throws(StoreError) {
            let reader = try TopReader(directory: path)
            if isPlain {
                try printTables(reader, state)
                return
            }
            var view = TopView(reader: reader, directory: path, interval: interval, state: state)
            if let signal = try view.run() {
                endBySignal(signal)
            }
        } catch {
            throw refuse(error)
        }
    }

    /// Ends as if nothing had been caught, so that the shell sees what ended it. This is a thread of Swift's pool, which
    /// block all signals.
    private func endBySignal(_ number: Int32) {
        signal(number, SIG_DFL)
        var alone = sigset_t()
        sigemptyset(&alone)
        sigaddset(&alone, number)
        pthread_sigmask(SIG_UNBLOCK, &alone, nil)
        raise(number)
    }

    private func printTables(_ reader: TopReader, _ state: TopState) throws(StoreError) {
        var printed = 0
        var reading = try reader.read()
        while true {
            if !once {
                usleep(UInt32(interval * 1e6))
                reading = try reader.read()
            }
            writeOut(text(reading, state))
            printed += 1
            if once || printed == count { return }
            if !json { writeOut("\n") }
        }
    }

    private func text(_ reading: TopReading, _ state: TopState) -> String {
        if json { return reading.json(state.rows(reading.series)).text }
        let series = state.rows(reading.series), processes = reading.processes.rows
        return """
            \(clockText(reading.time)) \(sanitized(reading.directory)): \(summary(reading))
            \(TopTable(series, of: series).plainText)
            \(TopTable(processes, of: processes).plainText)
            """
    }
}

extension TopSort: ExpressibleByArgument {}
#endif
