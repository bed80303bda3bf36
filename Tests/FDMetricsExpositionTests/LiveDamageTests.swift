// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import FDMetricsTestSupport
import Glibc
import Synchronization
import Testing

/// Words of a store that is in use take any value: what they are about is left out or shows absurd numbers, and the rest is as
/// it was.
@Suite("Damage of a store in use")
struct LiveDamageTests {
    private let store: ExposedStore
    private static let words: [UInt64] = [
        .max, .max - 1, 1 << 63, 1 << 63 - 1, 1 << 62, 1 << 32, 1 << 32 - 1, 1, 63, 64, 4095, 0,
    ]

    init() throws { store = try ExposedStore() }

    private var segment: Segment { store.registry.store.firstSegment.pointee }

    /// Renders in every format with every option, and gives the text.
    private func renderAll() throws -> String {
        for format in ExpositionFormat.allCases {
            for options in [RenderOptions.all, []] {
                free(try Renderer.render(store.registry.store, as: format, options: options).start)
                free(try Renderer.render(directory: store.place.directory, as: format, options: options).start)
            }
        }
        return try store.text()
    }

    @Test("The header's changing words")
    func header() throws {
        let jobs = try store.registry.counter("jobs")
        jobs.increment()
        let changing = [
            HeaderLayout.recordsNext, HeaderLayout.recordsReserved, HeaderLayout.cellsNext, HeaderLayout.cellsReserved,
            HeaderLayout.entries, HeaderLayout.slotsReserved, HeaderLayout.removals, HeaderLayout.droppedNoSpace,
            HeaderLayout.conflicts, HeaderLayout.lostUpdates, HeaderLayout.cpuTicks,
        ]
        for offset in changing {
            for value in Self.words {
                let word = segment.header(offset)
                let before = word.pointee.load(ordering: .relaxed)
                word.pointee.store(value, ordering: .relaxed)
                defer { word.pointee.store(before, ordering: .relaxed) }
                let statistics = StoreStatistics(store.registry.store)
                #expect(statistics.bytesReserved <= UInt64(segment.geometry.fileSize))
                #expect(segment.usedBytes <= segment.reservedBytes)
                _ = try? Renderer.render(store.registry.store, as: .text, options: .all).start
                _ = try? store.registry.counter("more_\(offset)")
                jobs.increment()
            }
        }
        // A plan that was made amid this, since other tests have taken the place of the one before, goes without what seemed
        // damaged then.
        Renderer.forget(store.registry.store)
        #expect(try renderAll().contains("jobs_total \(1 + changing.count * Self.words.count).0\n"))
    }

    @Test("A list of gauge instances that is a ring, or leads anywhere")
    func instances() throws {
        for mode in GaugeMode.allCases {
            let gauge = try store.registry.gaugeFamily("g_\(mode.name)", labels: [], mode: mode).labels()
            gauge.set(3)
        }
        let family = try store.registry.gaugeFamily("ring", labels: [], mode: .all)
        let handle = try store.registry.store.series(family.family, names: [], values: [])
        Gauge(handle: SeriesAddress(handle)).set(1)
        let record = try #require(handle.filledRecord)
        let head = word(record + SeriesLayout.instances)
        let first = head.pointee.load(ordering: .relaxed)
        let instance = segment.base + StoreAddress(bits: first).offset
        // It leads to itself.
        word(instance + InstanceLayout.next).pointee.store(first, ordering: .relaxed)
        #expect(try renderAll().contains("ring 1.0\n"))
        #expect(StoreStatistics(store.registry.store).gaugeInstances >= 1)
        for address in Self.words + [first + 8, first + 64, first + 1 << 32] {
            head.pointee.store(address, ordering: .relaxed)
            _ = try renderAll()
            word(instance + InstanceLayout.owner).pointee.store(address, ordering: .relaxed)
            word(instance + InstanceLayout.value + 8).pointee.store(address, ordering: .relaxed)
            word(instance + InstanceLayout.carry + 8).pointee.store(address, ordering: .relaxed)
            head.pointee.store(first, ordering: .relaxed)
            _ = try renderAll()
        }
    }

    @Test("A state that is none leaves its series out")
    func state() throws {
        let set = try store.registry.stateSet("engine", states: ["idle", "busy"])
        try set.set("busy")
        let handle = try store.registry.store.series(set.family, names: [], values: [])
        let word = word(try #require(handle.filledRecord) + SeriesLayout.statePair + 8)
        for state in Self.words where state > 1 {
            word.pointee.store(state, ordering: .relaxed)
            #expect(try !renderAll().contains("engine{"))
        }
        word.pointee.store(1, ordering: .relaxed)
        #expect(try renderAll().contains("engine{engine=\"busy\"} 1.0\n"))
    }

    /// Writes a record's checksum anew, so that what it says is taken for meant.
    private func sign(_ record: UnsafeMutableRawPointer, from table: Int) {
        func bytes(_ from: Int, _ to: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: record + from, count: to - from)
        }
        let size = Int((record + RecordLayout.size).load(as: UInt32.self))
        let sum = KeyHash.checksum(bytes(0, 8), bytes(16, 56), bytes(table, size))
        (record + RecordLayout.checksum).storeBytes(of: sum, as: UInt64.self)
    }

    @Test("A time of creation beyond all time")
    func created() throws {
        let counter = try store.registry.counterFamily("jobs", labels: [])
        let handle = try store.registry.store.series(counter.family, names: [], values: [])
        let record = try #require(handle.filledRecord)
        for time in Self.words {
            (record + SeriesLayout.createdTime).storeBytes(of: time, as: UInt64.self)
            sign(record, from: SeriesLayout.narrowTable)
            #expect(try renderAll().contains("jobs_total 0.0\n"))
        }
    }

    @Test("A gauge of an impossible mode, and a series of an impossible cell, are damaged records")
    func signedNonsense() throws {
        let gauge = try store.registry.gaugeFamily("depth", labels: [], mode: .sum)
        let counter = try store.registry.counterFamily("jobs", labels: ["id"])
        let handle = try store.registry.store.series(counter.family, names: ["id"], values: ["a"])
        let series = try #require(handle.filledRecord)
        let family =
            segment.base
            + SeriesRecord(
                sound: try #require(
                    store.registry.store.series(gauge.family, names: [], values: []).filledRecord)
            ).familyOffset
        for mode: UInt32 in [0, 12, 99, .max] {
            (family + FamilyLayout.gaugeMode).storeBytes(of: mode, as: UInt32.self)
            sign(family, from: FamilyLayout.strings)
            #expect(try !store.textOfReader().contains("depth"))
            #expect(StoreStatistics(store.registry.store).damagedRecords >= 1)
        }
        for cell: UInt32 in [.max - 1, 8, 16 << 20, 1 << 20 - 8] {
            (series + SeriesLayout.cells).storeBytes(of: cell, as: UInt32.self)
            sign(series, from: SeriesLayout.narrowTable)
            #expect(try !store.textOfReader().contains("jobs_total{"))
        }
    }
}
