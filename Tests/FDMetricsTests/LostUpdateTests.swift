// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import FDMetricsTestSupport
import Synchronization
import Testing

@Suite("Updates that have nowhere to go")
struct LostUpdateTests {
    private let place: TestRegistry

    init() throws {
        place = try TestRegistry(seriesLimit: 2)
        Notices.areKept = true
    }

    private func header(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        place.registry.store.firstSegment.pointee.header(offset)
    }

    @Test("Each update of a gauge without an instance is counted; it is tried again when something was removed")
    func gauge() throws {
        let gauge = try place.registry.gauge("depth", mode: .sum)
        let family = try place.registry.counterFamily("jobs", labels: ["id"])
        _ = try family.labels("a")
        // What is said to be free is not: nothing can be taken.
        let next = header(HeaderLayout.recordsNext)
        let before = next.pointee.load(ordering: .relaxed)
        next.pointee.store(64, ordering: .relaxed)
        for _ in 0..<1000 { gauge.increment() }
        #expect(gauge.value == 0)
        #expect(header(HeaderLayout.lostUpdates).pointee.load(ordering: .relaxed) == 1000)
        // A removal says that there may be room.
        next.pointee.store(before, ordering: .relaxed)
        try family.remove("a")
        gauge.increment()
        #expect(gauge.value == 1)
        #expect(header(HeaderLayout.lostUpdates).pointee.load(ordering: .relaxed) == 1000)
    }

    @Test("A label set that was refused is counted each time, and found once there is room")
    func seriesLimit() throws {
        let family = try place.registry.counterFamily("jobs", labels: ["id"])
        _ = try family.labels("a")
        _ = try family.labels("b")
        for _ in 0..<100 { family["c"].increment() }
        #expect(place.statistics.droppedSeriesLimit == 100)
        let error = refusal { _ = try family.labels("c") }
        #expect(error?.code == .seriesLimit)
        #expect(error?.message.contains("FDMETRICS_SERIES_LIMIT") == true)
        try family.remove("a")
        family["c"].increment()
        #expect(try family.labels("c").value == 1)
        #expect(place.statistics.droppedSeriesLimit == 101)
    }
}
