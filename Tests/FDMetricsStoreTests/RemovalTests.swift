// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Synchronization
import Testing

@Suite("Removing one series")
struct RemovalTests {
    private let place = TemporaryStore()

    /// The index slots that lead to a record.
    private func slots(_ segment: UnsafeMutablePointer<Segment>, of record: UnsafeMutableRawPointer) -> [Int] {
        let offset = UInt64(record - segment.pointee.base)
        return (0..<segment.pointee.geometry.indexCapacity).filter {
            segment.pointee.indexSlot($0).pointee.load(ordering: .relaxed) & 0xFFFF_FFFF == offset
        }
    }

    /// A slot that a search by hash does not come to is found by a walk alone: so the removal of one series makes none.
    @Test("It is found by its hash, not by a walk over the index", arguments: [MetricType.counter, .gauge, .stateSet])
    func byHash(type: MetricType) throws {
        let store = try place.open(lanes: 1)
        let family = try store.family(
            FamilyDescriptor(
                type: type, name: "things", labelNames: ["id"], gaugeMode: type == .gauge ? .sum : nil,
                states: type == .stateSet ? ["off", "on"] : []))
        let handles = try (0..<500).map { try store.series(family, "\($0)") }
        let segment = store.firstSegment
        let record = try #require(handles[123].filledRecord)
        let series = SeriesRecord(sound: record)

        // Moved to where nothing looks for it: an empty slot behind an empty slot, far from its own.
        let old = try #require(slots(segment, of: record).first)
        let entry = segment.pointee.indexSlot(old).pointee.load(ordering: .relaxed)
        let mask = segment.pointee.geometry.indexCapacity - 1
        func isEmpty(_ slot: Int) -> Bool {
            segment.pointee.indexSlot(slot & mask).pointee.load(ordering: .relaxed) == 0
        }
        let away = try #require((1000..<3000).map { (old + $0) & mask }.first { isEmpty($0 - 1) && isEmpty($0) })
        segment.pointee.indexSlot(old).pointee.store(entry ^ 1 << 63, ordering: .relaxed)
        segment.pointee.indexSlot(away).pointee.store(entry, ordering: .relaxed)
        try store.remove(family, values: ["123"])
        #expect(series.isLive)

        // Back in its place it is found.
        segment.pointee.indexSlot(old).pointee.store(entry, ordering: .relaxed)
        try store.remove(family, values: ["123"])
        #expect(!series.isLive)
        #expect(store.seriesCount(family) == 499)
        #expect(
            try handles.enumerated().allSatisfy {
                try $0.offset == 123 || store.series(family, "\($0.offset)") == $0.element
            })
    }

    @Test("It is removed from each segment that has it, and counted once")
    func segments() throws {
        let store = try place.open(lanes: 1)
        let family = try store.family(FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["id"]))
        // More than the first segment's index takes.
        let handles = try (0..<3500).map { try store.series(family, "\($0)") }
        #expect(try store.segment(1) != nil)
        let removals = store.firstSegment.pointee.header(HeaderLayout.removals)
        #expect(removals.pointee.load(ordering: .relaxed) == 0)
        for id in [0, 3499] {
            try store.remove(family, values: ["\(id)"])
            #expect(try !SeriesRecord(sound: #require(handles[id].filledRecord)).isLive)
        }
        try store.remove(family, values: ["none"])
        #expect(removals.pointee.load(ordering: .relaxed) == 2)
        #expect(store.seriesCount(family) == 3498)
        #expect(code { try store.remove(family, values: ["a", "b"]) } == .labels)
    }
}
