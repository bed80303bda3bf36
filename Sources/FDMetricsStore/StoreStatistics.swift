// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Numbers of a store, gathered by walking it: for statistics and self-metrics, not for a hot path.
package struct StoreStatistics {
    package var segments: UInt64 = 0
    package var families: UInt64 = 0
    package var series: UInt64 = 0
    package var removedSeries: UInt64 = 0
    package var gaugeInstances: UInt64 = 0
    package var damagedRecords: UInt64 = 0
    package var liveProcesses: UInt64 = 0
    package var bytesReserved: UInt64 = 0
    package var droppedNoSpace: UInt64 = 0
    package var droppedSeriesLimit: UInt64 = 0
    package var conflicts: UInt64 = 0

    package init(_ source: any SegmentSource) {
        var names: Set<[UInt8]> = []
        var number = 0
        while let segment = segment(number, source) {
            segments += 1
            let geometry = segment.pointee.geometry
            func word(_ offset: Int) -> UInt64 { segment.pointee.header(offset).pointee.load(ordering: .relaxed) }
            bytesReserved += segment.pointee.reservedBytes
            if number == 0 {
                droppedNoSpace = word(HeaderLayout.droppedNoSpace)
                droppedSeriesLimit = word(HeaderLayout.droppedSeriesLimit)
                conflicts = word(HeaderLayout.conflicts)
            }
            for position in 0..<geometry.indexCapacity {
                let entry = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
                if entry != 0 { count(segment, Int(entry & 0xFFFF_FFFF), source, &names) }
            }
            number += 1
        }
        families = UInt64(names.count)
        if let first = try? source.segment(0),
            var probe = try? LivenessProbe(directory: source.directory, segment: first)
        {
            liveProcesses = UInt64(probe.liveLeases().count)
        }
    }

    private mutating func segment(_ number: Int, _ source: any SegmentSource) -> UnsafeMutablePointer<Segment>? {
        do {
            return try source.segment(number)
        } catch {
            // One that is damaged or missing counts as a record that is.
            if number > 0 { damagedRecords += 1 }
            return nil
        }
    }

    private mutating func count(
        _ segment: UnsafeMutablePointer<Segment>, _ offset: Int, _ source: any SegmentSource,
        _ names: inout Set<[UInt8]>
    ) {
        if let family = FamilyRecord(segment.pointee, offset: offset) {
            names.insert(Array(family.name))
        } else if let record = SeriesRecord(segment.pointee, offset: offset) {
            if !record.isLive {
                removedSeries += 1
                return
            }
            series += 1
            if FamilyRecord(segment.pointee, offset: record.familyOffset)?.type == .gauge {
                gaugeInstances += instanceCount(record, source)
            }
        } else {
            damagedRecords += 1
        }
    }

    private func instanceCount(_ record: SeriesRecord, _ source: any SegmentSource) -> UInt64 {
        var count: UInt64 = 0
        try? record.forEachInstance(in: source) { _ in
            count += 1
            return false
        }
        return count
    }
}
