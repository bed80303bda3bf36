// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsInspection
import FDMetricsStore
import Glibc

extension StoreListing {
    /// The listing for people. What belongs to a line is indented below it.
    var text: String {
        var lines = [
            "store \(directory)",
            "  id \(storeID), layout version \(StoreFormat.version), created \(timeText(createdTime)), \(laneCount) lanes, "
                + "series limit \(seriesLimit)" + (isAutomatic ? ", removed by its maker" : ""),
            "  removals \(removals), dropped for want of space \(droppedNoSpace), dropped by the series limit "
                + "\(droppedSeriesLimit), conflicts \(conflicts)",
        ]
        for segment in segments { lines += segment.lines }
        for process in processes { lines.append(process.line) }
        for family in families { lines += family.lines }
        // Names, labels, help and states are texts of others.
        return lines.map { sanitized($0) + "\n" }.joined()
    }
}

extension StoreListing.SegmentEntry {
    fileprivate var lines: [String] {
        var lines = [
            "segment \(number): \(geometry.fileSize) bytes" + (isSealed ? ", sealed" : ""),
            "  index \(entries) of \(geometry.indexCapacity) slots",
            "  records \(recordsNext) bytes taken, \(recordsReserved) reserved, \(geometry.recordsSize) in all",
            "  cells \(cellsNext) bytes of each lane taken, \(cellsReserved) reserved, \(geometry.cellsSize) in all",
        ]
        if !damaged.isEmpty {
            lines.append("  damaged records at index slots \(damaged.map(String.init).joined(separator: ", "))")
        }
        return lines
    }
}

extension StoreListing.ProcessEntry {
    fileprivate var line: String {
        let name = givenName.map { ", name \(quoted($0))" } ?? ""
        return
            "process slot \(slot), generation \(generation): \(lifeText(isAlive)), pid \(pid) in namespace \(pidNamespace), "
            + "started at tick \(startTime), attached \(timeText(attachedTime)), command \(quoted(command))\(name)"
    }
}

extension StoreListing.FamilyEntry {
    fileprivate var lines: [String] {
        var head = "family \(descriptor.name): \(descriptor.type.name)"
        if let mode = descriptor.gaugeMode { head += ", mode \(mode.name)" }
        if !descriptor.unit.isEmpty { head += ", unit \(descriptor.unit)" }
        if !descriptor.labelNames.isEmpty { head += ", labels \(descriptor.labelNames.joined(separator: ", "))" }
        if !descriptor.bounds.isEmpty {
            head += ", bounds \(descriptor.bounds.map(numberText).joined(separator: ", "))"
        }
        if !descriptor.states.isEmpty { head += ", states \(descriptor.states.map(quoted).joined(separator: ", "))" }
        if isReplaced { head += ", replaced by another declaration" }
        var lines = [head]
        if !descriptor.help.isEmpty { lines.append("  help \(quoted(descriptor.help))") }
        for record in records {
            lines.append("  record in segment \(record.segment) at \(record.offset), \(record.seriesCount) series")
        }
        for series in series { lines += series.lines(descriptor).map { "  " + $0 } }
        return lines
    }
}

extension StoreListing.SeriesEntry {
    fileprivate func lines(_ family: FamilyDescriptor) -> [String] {
        let (summary, details) = value.lines(family)
        let labels = text.isEmpty ? "{}" : text
        let head = "series \(labels)\(isRemoved ? " removed" : ""): \(summary) (segment \(segment) at \(offset))"
        return [head] + details.map { "  " + $0 }
    }
}

extension SeriesValue {
    /// The total, and a line for each lane, bucket or instance that has something.
    fileprivate func lines(_ family: FamilyDescriptor) -> (summary: String, details: [String]) {
        switch self {
        case .counter(let lanes):
            let details = lanes.enumerated().map { lane, cell in
                "lane \(lane): \(cell.whole) + \(numberText(cell.fraction))"
            }
            return (numberText(counterTotal(lanes)), details)
        case .histogram(let buckets):
            let details = zip(family.bounds + [.infinity], buckets).map { bound, lanes in
                "bucket le=\(numberText(bound)): \(Pair.total(lanes).line)" + laneText(lanes)
            }
            return (Pair.total(buckets.flatMap { $0 }).line, details)
        case .summary(let lanes):
            return (Pair.total(lanes).line, lanes.enumerated().map { "lane \($0): \($1.line)" })
        case .gauge(let value, let instances):
            return (value.map(numberText) ?? "one value for each process, or none", instances.map(\.line))
        case .difference(let counter, let other): return ("\(counter) - \(other)", [])
        case .info: return ("1.0", [])
        case .stateSet(let state, let time):
            return ("\(quoted(state)) is on" + (time == 0 ? ", never set" : ", set \(timeText(time))"), [])
        }
    }

    private func laneText(_ lanes: [Pair]) -> String {
        lanes.enumerated().map { "; lane \($0): \($1.line)" }.joined()
    }
}

extension SeriesValue.Pair {
    fileprivate var line: String { "count \(count), sum \(numberText(sum))" }
}

extension SeriesValue.Instance {
    fileprivate var line: String {
        var text =
            owner.worker.map { "instance of logical worker \($0): " }
            ?? "instance of process slot \(owner.slot), generation \(owner.generation), \(lifeText(isAlive)), pid \(pid): "
        text += value.map(numberText) ?? "not set"
        if time != 0 { text += ", set \(timeText(time))" }
        if let carried {
            text += ", carried from the dead \(numberText(carried))"
            if carriedTime != 0 { text += ", set \(timeText(carriedTime))" }
        }
        return text
    }
}

private func lifeText(_ isAlive: Bool) -> String { isAlive ? "alive" : "dead" }

/// A text that others chose, in quotes.
private func quoted(_ text: String) -> String {
    "\"" + text.unicodeScalars.map { $0 == "\"" ? "\\\"" : String($0) }.joined() + "\""
}

/// ns since the epoch as UTC, such as 2025-01-31T12:00:00.123Z.
private func timeText(_ nanoseconds: UInt64) -> String {
    var seconds = time_t(nanoseconds / 1_000_000_000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var buffer = [CChar](repeating: 0, count: 32)
    let count = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S", &parts)
    let milliseconds = String(nanoseconds / 1_000_000 % 1000)
    let text = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return text + "." + String(repeating: "0", count: 3 - milliseconds.count) + milliseconds + "Z"
}
