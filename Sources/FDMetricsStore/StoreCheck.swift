// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// One thing that `StoreCheck` has to say about a store.
package struct StoreFinding: Sendable, Equatable, CustomStringConvertible {
    package enum Severity: String, Sendable {
        /// An invariant does not hold: the store is damaged, or the library has a bug.
        case error
        /// What a process leaves that was killed in the middle of something. Harmless, and nothing to repair.
        case note
    }

    package let severity: Severity
    /// The file and what in it.
    package let place: String
    /// What was looked at there.
    package let what: String
    package let expected: String
    package let found: String

    /// The same for one thing that is found twice, whatever it was found to be.
    fileprivate var identity: String { "\(place): \(what)" }

    /// "error: fdmetrics-0.seg, index slot 17: tag of the key's hash: expected 0x1, found 0x2"
    package var description: String { "\(severity.rawValue): \(place): \(what): expected \(expected), found \(found)" }
}

/// What a check of a store found, and how much it saw.
package struct StoreCheckReport: Sendable {
    package fileprivate(set) var findings: [StoreFinding] = []
    package internal(set) var segments = 0
    /// Metric families, each once however many segments it stands in.
    package internal(set) var families = 0
    /// Series that are not removed.
    package internal(set) var series = 0
    package internal(set) var liveProcesses = 0

    package var errors: [StoreFinding] { findings.filter { $0.severity == .error } }
    package var notes: [StoreFinding] { findings.filter { $0.severity == .note } }
}

/// Verifies every invariant of a store, of live or dead processes, with read access alone.
///
/// Nothing is followed before it is validated: an offset must lie in what its section says is taken, a record must have
/// its checksum. So a damaged file gives findings and no crash. Thread-safe: a check shares nothing with another.
///
/// A store that is written to meanwhile raises no false alarm. Words that only grow are read in the order in which they
/// bound each other, the bounded one first, which each check says; what looks wrong all the same is looked at again, and
/// only what is wrong in every pass is an error.
package struct StoreCheck {
    let reader: StoreReader
    var report = StoreCheckReport()
    /// The names that have a family.
    var familyNames: Set<String> = []
    /// Key hashes of live series: one that stands in two segments is one.
    var liveKeys: Set<UInt64> = []
    var removedSeries = 0
    /// For each segment, what is taken of its records and of its lanes by what the index or a list leads to.
    var extents = [SegmentExtents](repeating: SegmentExtents(), count: StoreFormat.maxSegments)
    /// Addresses of instances, and the series that has them.
    var instanceOwners: [UInt64: String] = [:]
    /// Numbers of segments whose file is there but cannot be opened.
    var damagedSegments: Set<Int> = []

    /// How often a store is looked at before something counts as wrong.
    private static let passes = 3

    /// Checks the store in a directory.
    /// - Throws: `notFound` without a store there, `system` where the files cannot be read. A damaged or foreign file is
    ///   not thrown but found.
    package static func run(directory: String) throws(StoreError) -> StoreCheckReport {
        var report = try pass(directory)
        for _ in 1..<passes where !report.errors.isEmpty {
            // Long enough for a writer to finish what it was in the middle of.
            CFDMetricsLinux_sleep(2_000)
            let before = Set(report.errors.map { $0.identity })
            report = try pass(directory)
            report.findings = report.findings.filter { $0.severity == .note || before.contains($0.identity) }
        }
        return report
    }

    private static func pass(_ directory: String) throws(StoreError) -> StoreCheckReport {
        do throws(StoreError) {
            var check = StoreCheck(reader: try StoreReader(directory: directory))
            try check.checkAll()
            return check.report
        } catch {
            guard error.code == .damaged || error.code == .foreign else { throw error }
            var report = StoreCheckReport()
            report.findings = [
                StoreFinding(
                    severity: .error, place: StoreFormat.fileName(segment: 0), what: "header",
                    expected: "a sound header",
                    found: error.message)
            ]
            return report
        }
    }

    private init(reader: StoreReader) { self.reader = reader }

    private mutating func checkAll() throws(StoreError) {
        guard let first = try reader.segment(0) else { return }
        // Read before the series are: a series is removed before the number is raised, so no more can have been counted
        // than are found removed afterwards.
        let removals = first.pointee.header(HeaderLayout.removals).pointee.load(ordering: .acquiring)
        var number = 0
        while let segment = segment(number) {
            checkCounters(segment)
            if number == 0 { checkProcessSlots(segment) }
            checkIndex(segment)
            checkFreeSpace(segment)
            number += 1
        }
        report.segments = number
        checkFiles(count: number)
        for number in 0..<number {
            if let segment = segment(number) { checkExtents(segment) }
        }
        // One call of remove may hide many series and raises the number once.
        if removals > UInt64(removedSeries) {
            error(
                place(first), "removals", "at most \(removedSeries), as many as there are removed series", "\(removals)"
            )
        }
        report.families = familyNames.count
        report.series = liveKeys.count
        var probe = try LivenessProbe(directory: reader.directory, segment: first)
        report.liveProcesses = probe.liveLeases().count
    }

    /// A segment by its number; nil: there is none, or it cannot be opened, which is found.
    mutating func segment(_ number: Int) -> UnsafeMutablePointer<Segment>? {
        do throws(StoreError) {
            return try number < 0 ? nil : reader.segment(number)
        } catch {
            // It may be asked for again. One that is missing is found with the seal of the one before it.
            let name = StoreFormat.fileName(segment: number)
            if CFDMetricsLinux_exists("\(reader.directory)/\(name)") != 0, errno == ENOENT { return nil }
            if damagedSegments.insert(number).inserted {
                self.error(name, "header", "a sound header of this store", error.message)
            }
            return nil
        }
    }

    // MARK: - Findings

    func place(_ segment: UnsafeMutablePointer<Segment>, _ what: String? = nil) -> String {
        let file = StoreFormat.fileName(segment: segment.pointee.geometry.number)
        return what.map { "\(file), \($0)" } ?? file
    }

    mutating func error(_ place: String, _ what: String, _ expected: String, _ found: String) {
        add(.error, place, what, expected, found)
    }

    mutating func note(_ place: String, _ what: String, _ expected: String, _ found: String) {
        add(.note, place, what, expected, found)
    }

    private mutating func add(
        _ severity: StoreFinding.Severity, _ place: String, _ what: String, _ expected: String, _ found: String
    ) {
        report.findings.append(
            StoreFinding(severity: severity, place: place, what: what, expected: expected, found: found))
    }

    func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
