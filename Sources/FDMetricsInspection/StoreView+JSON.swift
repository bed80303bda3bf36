// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import Glibc

extension StoreView {
    /// The answer to the page. Its members, which may change with the page, are described in docs/page.md.
    var json: JSONText {
        .object([
            ("version", .string(FDMetricsVersion.string)), ("directory", .string(sample.directory)),
            ("epoch", .integer(epoch)), ("time", .number(Double(sample.snapshot.time) / 1e9)),
            ("now", .number(sample.time)), ("store", storeJSON),
            (
                "processes",
                .object([
                    ("live", .integer(sample.processes.count { $0.entry.isAlive })),
                    ("dead", .integer(sample.processes.count { !$0.entry.isAlive })),
                    ("open", .bool(sample.isOpen)),
                    ("shown", .array(shownProcesses.map { $0.json(sample) })),
                ])
            ),
            ("types", .object(MetricType.allCases.map { ($0.name, .integer(familyCounts[$0] ?? 0)) })),
            ("matched", .object([("families", .integer(matchedFamilies)), ("series", .integer(matchedSeries))])),
            ("families", .array(families.map(\.json))),
        ])
    }

    /// By slot, the live ones first.
    private var shownProcesses: ArraySlice<ProcessSample> {
        (sample.processes.filter(\.entry.isAlive) + sample.processes.filter { !$0.entry.isAlive })
            .prefix(processLimit)
    }

    private var storeJSON: JSONText {
        let statistics = sample.statistics
        return .object([
            ("created", .number(sample.created)), ("families", .integer(statistics.families)),
            ("series", .integer(statistics.series)), ("removed_series", .integer(statistics.removedSeries)),
            ("series_limit", .integer(sample.seriesLimit)), ("gauge_instances", .integer(statistics.gaugeInstances)),
            ("segments", .integer(statistics.segments)), ("lanes", .integer(sample.laneCount)),
            ("reserved_bytes", .integer(statistics.bytesReserved)),
            ("dropped_no_space", .integer(statistics.droppedNoSpace)),
            ("dropped_series_limit", .integer(statistics.droppedSeriesLimit)),
            ("conflicts", .integer(statistics.conflicts)), ("damaged_records", .integer(statistics.damagedRecords)),
            ("sample_seconds", .number(sample.duration)),
        ])
    }
}

extension StoreView.Family {
    fileprivate var json: JSONText {
        func numbers(_ values: [Double]) -> JSONText { .array(values.map { .number($0) }) }
        var members: [(String, JSONText)] = [
            ("name", .string(descriptor.name)), ("type", .string(descriptor.type.name)),
            ("help", .string(descriptor.help)), ("unit", .string(descriptor.unit)),
            ("series_count", .integer(seriesCount)), ("matched_count", .integer(series.count)),
        ]
        if let mode = descriptor.gaugeMode { members.append(("mode", .string(mode.name))) }
        if descriptor.type == .histogram { members.append(("bounds", numbers(descriptor.bounds))) }
        if descriptor.type == .stateSet {
            members.append(("states", .array(descriptor.states.map { .string($0) })))
        }
        if let totals { members.append(("totals", numbers(totals))) }
        if let flow { members.append(("flow", numbers(flow.totals))) }
        if descriptor.type == .gauge {
            let values = series.compactMap(\.values.first).filter { !$0.isNaN }
            if let least = values.min(), let greatest = values.max() {
                members += [("least", .number(least)), ("greatest", .number(greatest))]
            }
        }
        members.append(
            (
                "series",
                .array(
                    series.prefix(sentCount).map {
                        .object([("labels", .string($0.text)), ("values", numbers($0.values))])
                    })
            ))
        return .object(members)
    }
}

extension ProcessSample {
    fileprivate func json(_ sample: WatchedSample) -> JSONText {
        let tick = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        let page = Double(sysconf(Int32(_SC_PAGESIZE)))
        return .object([
            ("slot", .integer(entry.slot)), ("generation", .integer(UInt64(entry.generation))),
            ("pid", .integer(entry.pid)), ("name", .string(entry.name)), ("command", .string(entry.command)),
            ("state", .string(state)),
            ("started", .number(sample.time - sample.sinceBoot + Double(entry.startTime) / tick)),
            ("attached", .number(Double(entry.attachedTime) / 1e9)),
            ("cpu_seconds", .number(status.map { Double($0.cpuTicks) / tick })),
            ("resident_bytes", .number(status.map { Double($0.residentPages) * page })),
            ("virtual_bytes", .number(status.map { Double($0.virtualMemory) })),
            ("threads", status.map { .integer($0.threads) } ?? .null),
        ])
    }
}
