// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Synchronization

/// What a store says of itself: how many processes hold it, how full it is, and what was refused.
struct SelfMetrics {
    private let shown: [FamilySnapshot]
    private let source: any SegmentSource
    private let damagedRecords: Int

    /// - Parameter shown: the store's own families, which are counted.
    init(_ source: any SegmentSource, shown: [FamilySnapshot], damagedRecords: Int) {
        self.source = source
        self.shown = shown
        self.damagedRecords = damagedRecords
    }

    /// The families, by name.
    func families() throws(StoreError) -> [FamilySnapshot] {
        guard let first = try source.segment(0) else { return [] }
        var segments = 0
        var reserved: UInt64 = 0
        while let segment = try? source.segment(segments) {
            reserved += segment.pointee.reservedBytes
            segments += 1
        }
        var live = 0
        if var probe = try? LivenessProbe(directory: source.directory, segment: first) {
            live = probe.liveLeases().count
        }
        func dropped(_ offset: Int) -> Double { Double(first.pointee.header(offset).pointee.load(ordering: .relaxed)) }
        return [
            gauge("fdmetrics_build_info", "The library that rendered this.", [(Self.versionLabel, 1)]),
            gauge(
                "fdmetrics_damaged_records", "Records that are left out because they do not verify.",
                [("", Double(damagedRecords))]),
            family(
                .counter, "fdmetrics_dropped_registrations", "Registrations that the store refused.",
                [
                    ("{reason=\"conflict\"}", dropped(HeaderLayout.conflicts)),
                    ("{reason=\"no_space\"}", dropped(HeaderLayout.droppedNoSpace)),
                    ("{reason=\"series_limit\"}", dropped(HeaderLayout.droppedSeriesLimit)),
                ]),
            gauge("fdmetrics_families", "Metric families of the store.", [("", Double(shown.count))]),
            gauge(
                "fdmetrics_lanes", "Cells that each number is spread over.",
                [("", Double(first.pointee.geometry.laneCount))]),
            gauge("fdmetrics_live_processes", "Processes that hold the store.", [("", Double(live))]),
            gauge("fdmetrics_segments", "Files of the store.", [("", Double(segments))]),
            gauge(
                "fdmetrics_series", "Series of the store that are shown.",
                [("", Double(shown.reduce(0) { $0 + $1.series.count }))]),
            gauge(
                "fdmetrics_store_reserved_bytes", "Bytes that the store has reserved on its file system.",
                [("", Double(reserved))]),
        ]
    }

    /// Never freed: as constant as the texts of the other labels.
    private static let versionLabel: StaticText = {
        let text = Array("{version=\"\(FDMetricsVersion.string)\"}".utf8)
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
        copy.copyBytes(from: text)
        return StaticText(bytes: UnsafeRawBufferPointer(copy))
    }()

    private func gauge(_ name: String, _ help: String, _ samples: [(StaticText, Double)]) -> FamilySnapshot {
        family(.gauge, name, help, samples)
    }

    private func family(
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
