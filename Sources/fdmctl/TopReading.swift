// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
import FDMetricsInspection
import FDMetricsStore
import Glibc

/// What `fdmctl top` shows at one moment.
struct TopReading {
    let directory: String
    let statistics: StoreStatistics
    let series: TopModel
    let processes: TopProcesses
    /// Seconds since the epoch.
    let time: Int
}

/// Reads a store again and again, and keeps what the next reading is compared with. Follows the name of the directory:
/// where a restarted service has made a new store under it, that one is read.
final class TopReader {
    private let directory: String
    private var sampler: StoreSampler
    private var before: (snapshot: StoreSnapshot, processes: [ProcessSample])?

    init(directory: String) throws(StoreError) {
        self.directory = directory
        sampler = try StoreSampler(directory: directory)
    }

    /// - Throws: what `StoreSampler` does; `notFound` while there is no store.
    func read() throws(StoreError) -> TopReading {
        if try isReplaced() {
            before = nil
            sampler = try StoreSampler(directory: directory)
        }
        let snapshot = try sampler.sample()
        let processes = try ProcessSample.all(sampler.source)
        let series = TopModel(snapshot, since: before?.snapshot)
        defer { before = (snapshot, processes) }
        return TopReading(
            directory: sampler.source.directory, statistics: StoreStatistics(sampler.source), series: series,
            processes: TopProcesses(
                processes, since: before?.processes, interval: series.interval, sinceBoot: TopProcesses.sinceBoot),
            time: Int(time(nil)))
    }

    private func isReplaced() throws(StoreError) -> Bool {
        guard let first = try sampler.source.segment(0),
            let status = fileStatus(
                "\(sampler.source.directory)/\(StoreFormat.fileName(segment: 0))", followingLink: false)
        else { return true }
        return UInt64(status.st_dev) != first.pointee.device || UInt64(status.st_ino) != first.pointee.inode
    }
}

extension TopReading {
    /// These series, and the processes, with exact numbers.
    func json(_ rows: [TopModel.Row]) -> JSONText {
        .object([
            ("directory", .string(directory)), ("time", .integer(time)), ("interval", .number(series.interval)),
            ("dropped", .integer(statistics.droppedNoSpace &+ statistics.droppedSeriesLimit)),
            ("conflicts", .integer(statistics.conflicts)),
            (
                "series",
                .array(
                    rows.map { row in
                        .object(
                            [
                                ("name", .string(row.name)), ("type", .string(row.type.name)),
                                ("labels", .string(row.labels)),
                                row.state.map { ("state", .string($0)) } ?? ("value", .number(row.value)),
                                ("rate", .number(row.rate)),
                            ]
                                + zip(["p50", "p90", "p99"], row.quantiles).map { ($0, .number($1)) }
                                + (row.type == .summary ? [("mean", .number(row.mean))] : []))
                    })
            ),
            (
                "processes",
                .array(
                    processes.rows.map { row in
                        .object([
                            ("slot", .integer(row.slot)), ("pid", .integer(row.pid)), ("state", .string(row.state)),
                            ("uptime_seconds", .number(row.uptime)), ("cpu_percent", .number(row.cpu)),
                            ("resident_bytes", .number(row.residentBytes)),
                            ("threads", row.threads.map { .integer($0) } ?? .null), ("name", .string(row.name)),
                            ("command", .string(row.command)),
                        ])
                    })
            ),
        ])
    }
}
