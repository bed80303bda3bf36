// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Synchronization

/// What a store says of itself: how many processes hold it, how full it is, and what was refused.
struct SelfMetrics {
    private let familyCount: Int
    private let source: any SegmentSource
    private let damagedRecords: Int
    private let latestScrape: Scraper.Cost?

    /// - Parameters:
    ///   - familyCount: How many families the store has.
    ///   - latestScrape: What the scrape before this one cost; nil: there was none, so nothing is shown of it.
    init(
        _ source: any SegmentSource, familyCount: Int, damagedRecords: Int, latestScrape: Scraper.Cost?
    ) {
        self.source = source
        self.familyCount = familyCount
        self.damagedRecords = damagedRecords
        self.latestScrape = latestScrape
    }

    /// The families, by name; all but that of `series(count:)`, which is known when all have been gathered.
    func families() throws(StoreError) -> [FamilySnapshot] {
        guard let first = try source.segment(0) else { return [] }
        var segments = 0
        var reserved: UInt64 = 0
        var used: UInt64 = 0
        while let segment = try? source.segment(segments) {
            reserved += segment.pointee.reservedBytes
            used += segment.pointee.usedBytes
            segments += 1
        }
        var probe = try LivenessProbe(directory: source.directory, segment: first)
        let live = probe.liveLeases().count
        try probe.throwIfUnanswered(source.directory)
        func dropped(_ offset: Int) -> Double { Double(first.pointee.header(offset).pointee.load(ordering: .relaxed)) }
        var scrape: [FamilySnapshot] = []
        if let latestScrape {
            scrape = [
                Self.gauge(
                    "fdmetrics_scrape_bytes", "Size of the scrape before this one, uncompressed.",
                    [("", Double(latestScrape.bytes))]),
                Self.gauge(
                    "fdmetrics_scrape_duration_seconds", "Time that the scrape before this one took to render.",
                    [("", Double(latestScrape.nanoseconds) / 1e9)]),
            ]
        }
        return [
            Self.gauge("fdmetrics_build_info", "The library that rendered this.", [(Self.versionLabel, 1)]),
            Self.gauge(
                "fdmetrics_damaged_records", "Records that are left out because they do not verify.",
                [("", Double(damagedRecords))]),
            Self.family(
                .counter, "fdmetrics_dropped_registrations", "Registrations that the store refused.",
                [
                    ("{reason=\"conflict\"}", dropped(HeaderLayout.conflicts)),
                    ("{reason=\"no_space\"}", dropped(HeaderLayout.droppedNoSpace)),
                    ("{reason=\"series_limit\"}", dropped(HeaderLayout.droppedSeriesLimit)),
                ]),
            Self.gauge("fdmetrics_families", "Metric families of the store.", [("", Double(familyCount))]),
            Self.family(
                .counter, "fdmetrics_growth_failures", "Attempts of a process to make the store larger that failed.",
                [("", dropped(HeaderLayout.growthFailures))]),
            Self.gauge(
                "fdmetrics_lanes", "Cells that each number is spread over.",
                [("", Double(first.pointee.geometry.laneCount))]),
            Self.gauge("fdmetrics_live_processes", "Processes that hold the store.", [("", Double(live))]),
            Self.family(
                .counter, "fdmetrics_lost_updates", "Updates of gauges that had no process slot or no space.",
                [("", dropped(HeaderLayout.lostUpdates))]),
            Self.family(
                .counter, "fdmetrics_moved_processes", "Processes that came here because their store was deleted.",
                [("", dropped(HeaderLayout.moves))]),
        ] + scrape + [
            Self.gauge("fdmetrics_segments", "Files of the store.", [("", Double(segments))]),
            Self.gauge(
                "fdmetrics_store_reserved_bytes", "Bytes that the store has reserved on its file system.",
                [("", Double(reserved))]),
            Self.gauge(
                "fdmetrics_store_used_bytes", "Bytes of those that hold something.", [("", Double(used))]),
        ]
    }

    /// How many series were shown.
    static func series(count: Int) -> FamilySnapshot {
        gauge("fdmetrics_series", "Series of the store that are shown.", [("", Double(count))])
    }

    /// Whether it is the family of `series(count:)`.
    static func isSeriesCount(_ family: FamilySnapshot) -> Bool { family.plan.descriptor.name == "fdmetrics_series" }

    /// Never freed: as constant as the texts of the other labels.
    private static let versionLabel: StaticText = {
        let text = Array("{version=\"\(FDMetricsVersion.string)\"}".utf8)
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
        copy.copyBytes(from: text)
        return StaticText(bytes: UnsafeRawBufferPointer(copy))
    }()

    private static func gauge(
        _ name: String, _ help: String, _ samples: [(StaticText, Double)]
    ) -> FamilySnapshot {
        family(.gauge, name, help, samples)
    }

    private static func family(
        _ type: MetricType, _ name: String, _ help: String, _ samples: [(StaticText, Double)]
    ) -> FamilySnapshot {
        let descriptor = FamilyDescriptor(type: type, name: name, help: help, gaugeMode: type == .gauge ? .max : nil)
        var snapshot = FamilySnapshot(plan: GatherPlan.FamilyPlan(descriptor))
        for (labels, value) in samples {
            snapshot.series.append(SeriesSnapshot(text: labels.bytes, first: snapshot.values.count))
            snapshot.values.append(value)
        }
        return snapshot
    }
}

/// Rendered labels that live as long as the process.
private struct StaticText: ExpressibleByStringLiteral, @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    init(stringLiteral text: StaticString) {
        bytes = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
}
