// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsExposition
import FDMetricsStore
import Glibc

extension Diagnosis {
    /// The store in a directory.
    mutating func checkStore(_ directory: ServiceDirectory) {
        let path = directory.path
        let listing: StoreListing
        let report: StoreCheckReport
        do throws(StoreError) {
            listing = try StoreListing(directory: path, includesRemoved: true)
            report = try StoreCheck.run(directory: path)
        } catch {
            refuse(path, error)
            return
        }
        let live = listing.processes.filter(\.isAlive)
        let who = live.prefix(4).map { "\($0.name) \($0.pid)" }.joined(separator: ", ")
        let more = live.count > 4 ? ", ..." : ""
        let bytes = listing.segments.reduce(0) { $0 + $1.bytesInUse }
        stores.append(
            StoreSummary(
                directory: path,
                text: "\(report.segments) segments, \(report.families) families, \(report.series) series, "
                    + "\(byteText(UInt64(bytes))), live processes: \(live.count)"
                    + (live.isEmpty ? "" : " (\(who)\(more))"),
                processes: listing.processes))
        checkDamage(path, report)
        checkProcesses(path, listing)
        checkDrops(path, listing)
        checkLimits(path, listing)
    }

    private mutating func refuse(_ path: String, _ found: StoreError) {
        let segments = (0..<StoreFormat.maxSegments).map { "\(path)/\(StoreFormat.fileName(segment: $0))" }
        switch found.code {
        // The check of the directory has named it.
        case .foreign where segments.contains(where: isIrregular): break
        case .foreign:
            error(
                "version", path, found.message,
                "a process of this version sets it aside and makes a new one, unless a process that is alive holds it")
        case .damaged:
            error(
                "damage", path, found.message,
                "restart the service: it sets the store aside and makes a new one; keep a copy to report")
        default:
            error("permissions", path, found.message, "run fdmctl as the service's user or as root")
        }
    }

    private mutating func checkDamage(_ path: String, _ report: StoreCheckReport) {
        guard let first = report.errors.first else { return }
        let more = report.errors.count > 1 ? " and \(report.errors.count - 1) more" : ""
        error(
            "damage", path,
            "is damaged: \(first.place): \(first.what): expected \(first.expected), found \(first.found)\(more)",
            "what is damaged is not shown; `fdmctl check \(path)` lists it; remove the store with the next restart")
    }

    private mutating func checkProcesses(_ path: String, _ listing: StoreListing) {
        let live = listing.processes.filter(\.isAlive)
        if live.isEmpty && listing.isOpen {
            remarks.append(
                "\(path): no process holds a slot, but one has the store open: a fork child that only counts")
        } else if live.isEmpty {
            let last = listing.processes.max { $0.attachedTime < $1.attachedTime }
            let who = last.map { ", the last one was \($0.name) \($0.pid)" } ?? ""
            warn(
                "no-process", path, "no live process holds the store\(who)",
                "its numbers are those that were left; start the service, or see why its processes ended")
        }
        let namespace = ProcessStatus.namespace(of: "self")
        for process in live where process.pidNamespace == namespace {
            guard let status = ProcessStatus(pid: process.pid), status.startTime == process.startTime else { continue }
            if status.state == "T" || status.state == "t" {
                warn(
                    "stopped", path,
                    "process \(process.pid) (\(process.name)) is stopped, by a signal or a debugger",
                    "it records nothing meanwhile; kill -CONT \(process.pid) lets it go on")
            }
        }
    }

    private mutating func checkDrops(_ path: String, _ listing: StoreListing) {
        if listing.moves > 0 {
            warn(
                "deleted", path,
                "\(listing.moves) processes came here because their store had been deleted while they used it",
                "look for what deletes it: a cleaner of temporary files, a logout (RemoveIPC), a start script")
        }
        if listing.growthFailures > 0 {
            warn(
                "growth", path, "\(listing.growthFailures) times a process could not make the store larger",
                "its new series are missing; see its log, and whether it may still write to the directory")
        }
        if listing.droppedNoSpace > 0 {
            warn(
                "dropped", path, "\(listing.droppedNoSpace) registrations were dropped for want of space",
                "their numbers are missing; make room on the file system and restart the processes")
        }
        if listing.droppedSeriesLimit > 0 {
            warn(
                "dropped", path,
                "\(listing.droppedSeriesLimit) registrations were dropped by the limit of \(listing.seriesLimit) series a family",
                "look for labels with endless values, or raise FDMETRICS_SERIES_LIMIT for a new store")
        }
        if listing.conflicts > 0 {
            warn(
                "conflict", path,
                "\(listing.conflicts) registrations contradicted a family of the same name (type, labels, bounds, mode)",
                "what they record is not shown; register each name in one way, with one version of the program everywhere"
            )
        }
    }

    private mutating func checkLimits(_ path: String, _ listing: StoreListing) {
        for family in listing.families {
            // A damaged number is one for `checkDamage`; it must not end this.
            let count = family.records.reduce(0) { $0 + min(max(0, $1.seriesCount), 1 << 40) }
            guard listing.seriesLimit > 0, Double(count) >= 0.8 * Double(listing.seriesLimit) else { continue }
            let advice = "look for labels with endless values, or raise FDMETRICS_SERIES_LIMIT for a new store"
            let problem = "has \(count) series, the limit is \(listing.seriesLimit)"
            if UInt64(count) >= listing.seriesLimit {
                error("series-limit", "\(path), family \(family.descriptor.name)", problem, advice)
            } else {
                warn("series-limit", "\(path), family \(family.descriptor.name)", problem, advice)
            }
        }
        let series = listing.families.flatMap(\.series)
        let removed = series.count(where: \.isRemoved)
        if removed >= 1000, removed > series.count - removed {
            warn(
                "churn", path, "\(removed) removed series keep their space, beside \(series.count - removed) others",
                "remove series less often, or restart with a new directory before \(StoreFormat.maxSegments) segments are full"
            )
        }
        checkGrowth(path, listing)
    }

    /// Whether there will be a next segment when the last one is full.
    private mutating func checkGrowth(_ path: String, _ listing: StoreListing) {
        guard let last = listing.segments.last, !last.isSealed, last.fill >= 0.8 else { return }
        let percent = Int(last.fill * 100)
        let next = last.number + 1
        if next == StoreFormat.maxSegments {
            error(
                "segments", path, "its last segment is \(percent) % full, and there are no more than \(next)",
                "restart the service with a new directory")
            return
        }
        var space = statvfs()
        guard statvfs(path, &space) == 0 else { return }
        let available = UInt64(space.f_bavail) * UInt64(max(space.f_frsize, 1))
        let geometry = SegmentGeometry(segment: next, laneCount: listing.laneCount)
        let needed = geometry.slotsOffset + (listing.laneCount + 1) * StoreFormat.reserveStep
        if available < UInt64(needed) {
            warn(
                "segments", path,
                "segment \(last.number) is \(percent) % full, and the next one begins with \(byteText(UInt64(needed))), of which "
                    + "\(byteText(available)) are left",
                "make room on the file system; else new series are dropped")
        }
    }
}

extension StoreListing.SegmentEntry {
    /// How full the fullest of its parts is: of its index's slots, records or cells.
    var fill: Double {
        max(
            Double(entries) / Double(geometry.maxEntries), Double(recordsNext) / Double(geometry.recordsSize),
            Double(cellsNext) / Double(geometry.cellsSize))
    }

    /// What is reserved on the file system.
    var bytesInUse: Int {
        geometry.slotsOffset + Int(clamping: recordsReserved) + Int(clamping: cellsReserved) * geometry.laneCount
    }
}

/// A number of bytes for people: 512 B, 61.2 MiB.
func byteText(_ bytes: UInt64) -> String {
    var value = Double(bytes)
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value < 1024 || unit == "TiB" {
            return unit == "B" || value >= 100 ? "\(Int(value)) \(unit)" : "\(oneDigit(value)) \(unit)"
        }
        value /= 1024
    }
    return "\(bytes) B"
}

private func oneDigit(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}
