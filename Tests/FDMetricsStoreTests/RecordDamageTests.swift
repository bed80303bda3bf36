// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Testing

private let jobs = FamilyDescriptor(type: .counter, name: "jobs", help: "Jobs.", labelNames: ["queue"])
private let sizes = FamilyDescriptor(type: .histogram, name: "sizes", labelNames: ["queue"], bounds: [1, 2, 4])
private let depth = FamilyDescriptor(type: .gauge, name: "depth", labelNames: ["queue"], gaugeMode: .sum)

/// A closed store with a few series, and where their records are.
private struct Example {
    let place = TemporaryStore()
    let file: StoreCorruptor
    private(set) var families: [String: Int] = [:]
    private(set) var series: [String: Int] = [:]

    init() throws {
        let store = try place.open(lanes: 1)
        let base = store.firstSegment.pointee.base
        for descriptor in [jobs, sizes, depth] {
            let family = try store.family(descriptor)
            for queue in ["a", "b"] {
                let handle = try store.series(family, queue)
                series["\(descriptor.name) \(queue)"] = handle.pointee.record.unsafelyUnwrapped - base
                if descriptor.type == .counter { add(handle, queue == "a" ? 1 : 2) }
            }
            families[descriptor.name] =
                SeriesRecord(sound: try #require(store.series(family, "a").pointee.record)).familyOffset
        }
        place.close(store)
        file = StoreCorruptor(place.segment(0))
    }

    func size(_ record: Int) -> Int { Int(file.number(record + RecordLayout.size, as: UInt32.self)) }

    /// Attaches the damaged store and uses everything of it: nothing crashes, and what is sound keeps its value.
    func use(except damaged: String) throws {
        let store = try place.open()
        defer { place.close(store) }
        for descriptor in [jobs, sizes, depth] {
            let family = try store.family(descriptor)
            #expect(family.descriptor == descriptor)
            for queue in ["a", "b"] {
                let handle = try store.series(family, queue)
                #expect(try store.series(family, queue) == handle)
                if descriptor.type != .counter || damaged == "jobs" { continue }
                // A series whose record was damaged begins anew, in a record of its own.
                #expect(total(handle) == (damaged == "jobs \(queue)" ? 0 : queue == "a" ? 1 : 2), "jobs \(queue)")
            }
            _ = store.seriesCount(family)
        }
        _ = try store.remove(try store.family(sizes)) { _ in true }
    }
}

@Suite("Damaged records are skipped")
struct RecordDamageTests {
    private func segment(_ place: TemporaryStore) throws -> (StoreReader, Segment) {
        let reader = try StoreReader(directory: place.directory)
        return (reader, try #require(try reader.segment(0)).pointee)
    }

    @Test("No byte of a family that does not change can be another", arguments: ["jobs", "sizes", "depth"])
    func familyBytes(name: String) throws {
        let example = try Example()
        let record = try #require(example.families[name])
        for offset in 0..<example.size(record) {
            let changes = FamilyLayout.seriesCount..<FamilyLayout.seriesCount + 8 ~= offset
            for mask: UInt8 in [0x01, 0x80, 0xFF] {
                let isSound = try example.file.damaged(
                    record + offset, 1, by: { example.file.flip(record + offset, mask: mask) }
                ) {
                    let (reader, segment) = try segment(example.place)
                    return withExtendedLifetime(reader) { FamilyRecord(segment, offset: record) != nil }
                }
                #expect(isSound == changes, "byte \(offset)")
            }
        }
    }

    @Test("No byte of a series that does not change can be another", arguments: ["jobs a", "sizes b", "depth a"])
    func seriesBytes(name: String) throws {
        let example = try Example()
        let record = try #require(example.series[name])
        let table = Int(example.file.number(record + SeriesLayout.tableOffset, as: UInt32.self))
        for offset in 0..<example.size(record) {
            let isState = SeriesLayout.state..<SeriesLayout.state + 8 ~= offset
            let changes = isState || 64..<table ~= offset
            for mask: UInt8 in [0x01, 0x80, 0xFF] {
                let found = try example.file.damaged(
                    record + offset, 1, by: { example.file.flip(record + offset, mask: mask) }
                ) {
                    let (reader, segment) = try segment(example.place)
                    return withExtendedLifetime(reader) { SeriesRecord(segment, offset: record).map { $0.isLive } }
                }
                #expect(found == (changes ? !isState : nil), "byte \(offset)")
            }
        }
    }

    private static let familyFields = [
        ("size", RecordLayout.size), ("kind", RecordLayout.kind), ("checksum", RecordLayout.checksum),
        ("nameHash", FamilyLayout.nameHash), ("type", FamilyLayout.type), ("gaugeMode", FamilyLayout.gaugeMode),
        ("labelCount", FamilyLayout.labelCount), ("boundCount", FamilyLayout.boundCount),
        ("stateCount", FamilyLayout.stateCount), ("boundsOffset", FamilyLayout.boundsOffset),
        ("createdTime", FamilyLayout.createdTime), ("strings", FamilyLayout.strings),
        ("name length", FamilyLayout.strings + 4),
        ("help", FamilyLayout.strings + 8),
    ]

    @Test(
        "A damaged family is made anew; other families keep their values", arguments: familyFields,
        ["jobs", "sizes", "depth"])
    func familyInUse(field: (String, Int), name: String) throws {
        let example = try Example()
        example.file.flip(try #require(example.families[name]) + field.1)
        try example.use(except: name)
    }

    @Test("A count of series that is damaged costs no crash and no other family")
    func seriesCount() throws {
        for value: UInt64 in [.max, 1 << 63, UInt64(Int64.max), 1 << 62, 0] {
            let example = try Example()
            example.file.set(try #require(example.families["sizes"]) + FamilyLayout.seriesCount, value)
            try example.use(except: "")
        }
    }

    private static let seriesFields = [
        ("size", RecordLayout.size), ("kind", RecordLayout.kind), ("checksum", RecordLayout.checksum),
        ("keyHash", SeriesLayout.keyHash), ("family", SeriesLayout.family), ("valueCount", SeriesLayout.valueCount),
        ("cells", SeriesLayout.cells), ("textLength", SeriesLayout.textLength), ("textOffset", SeriesLayout.textOffset),
        ("tableOffset", SeriesLayout.tableOffset), ("createdTime", SeriesLayout.createdTime),
        ("state", SeriesLayout.state),
        ("table", SeriesLayout.narrowTable), ("value length", SeriesLayout.narrowTable + 4),
    ]

    @Test(
        "A damaged series begins anew; other series keep their values", arguments: seriesFields,
        ["jobs a", "jobs b", "sizes a"])
    func seriesInUse(field: (String, Int), name: String) throws {
        let example = try Example()
        example.file.flip(try #require(example.series[name]) + field.1)
        try example.use(except: name)
    }

    @Test("A cell outside of what is taken is no cell, even where the record verifies")
    func wildCell() throws {
        let taken = UInt32(16 * 2 + 64 * 2)
        for cell in [taken, 8, taken - 8, 1 << 20, 1 << 31, SeriesLayout.noCells, SeriesLayout.noCells - 15] {
            let example = try Example()
            let record = try #require(example.series["jobs a"])
            example.file.set(record + SeriesLayout.cells, cell)
            let size = example.size(record), table = SeriesLayout.narrowTable
            let bytes = example.file.bytes(record, size)
            let sum = bytes.withUnsafeBytes { raw in
                KeyHash.checksum(
                    UnsafeRawBufferPointer(rebasing: raw[..<8]), UnsafeRawBufferPointer(rebasing: raw[16..<56]),
                    UnsafeRawBufferPointer(rebasing: raw[table...]))
            }
            example.file.set(record + RecordLayout.checksum, sum)
            let store = try example.place.open()
            let family = try store.family(jobs)
            // Refused, or a new record: never a handle to somebody else's memory.
            let handle = try? store.series(family, "a")
            if let handle {
                let base = store.firstSegment.pointee.base + store.firstSegment.pointee.geometry.lanesOffset
                let offset = try #require(handle.pointee.cell) - base
                #expect(offset >= Int(taken) && total(handle) == 0)
            }
            #expect(total(try store.series(family, "b")) == 2)
        }
    }

    @Test("An index slot that leads astray hides its series and nothing else")
    func wildIndex() throws {
        let example = try Example()
        let geometry = SegmentGeometry(segment: 0, laneCount: 1)
        let record = try #require(example.series["jobs a"])
        let slot = try #require(
            (0..<geometry.indexCapacity).map { geometry.indexOffset + $0 * 8 }.first {
                example.file.number($0, as: UInt32.self) == UInt32(record)
            })
        let others =
            [
                0, 1, 64, geometry.recordsOffset - 64, geometry.recordsOffset, record + 1, record + 64,
                geometry.lanesOffset - 64,
                geometry.lanesOffset, geometry.fileSize, Int(UInt32.max),
            ] + [example.families["jobs"], example.families["sizes"], example.series["sizes a"]].compactMap { $0 }
        for other in others {
            let damaged = try Example()
            damaged.file.set(slot, UInt32(other))
            // Seeds differ, so the slot is another series' or empty here, and its tag any.
            let store = try damaged.place.open()
            let family = try store.family(jobs)
            for queue in ["a", "b", "c"] { _ = try store.series(family, queue) }
        }
        example.file.set(slot, UInt32(geometry.lanesOffset - 64))
        try example.use(except: "jobs a")
    }

    @Test("An index full of nonsense ends every search, and the store goes on in the next segment")
    func fullIndex() throws {
        let example = try Example()
        var random = SeededGenerator(for: "fullIndex")
        let geometry = SegmentGeometry(segment: 0, laneCount: 1)
        for position in 0..<geometry.indexCapacity {
            example.file.set(geometry.indexOffset + position * 8, UInt64.random(in: 1...UInt64.max, using: &random))
        }
        let store = try example.place.open()
        let handle = try store.series(try store.family(jobs), "a")
        #expect(total(handle) == 0)
        #expect(example.place.contents.count == 2)
    }

    @Test("Space that is taken but not empty is not written to")
    func takenSpaceNotEmpty() throws {
        for (word, name) in [(HeaderLayout.recordsNext, "records"), (HeaderLayout.cellsNext, "cells")] {
            let example = try Example()
            // The counters' cells come first: 1 in the first one, and 2 in the next, which is said to be free here.
            let isCells = word == HeaderLayout.cellsNext
            example.file.set(word, isCells ? UInt64(16) : example.file.number(word) - 128)
            let store = try example.place.open()
            let family = try store.family(jobs)
            let geometry = SegmentGeometry(segment: 0, laneCount: 1)
            func contents() -> [UInt8] {
                example.file.bytes(geometry.indexOffset, geometry.slotsOffset - geometry.indexOffset)
                    + example.file.bytes(geometry.recordsOffset, 4096) + example.file.bytes(geometry.lanesOffset, 4096)
            }
            let before = contents()
            #expect(message { _ = try store.series(family, "c") }.contains("damaged: free \(name)"))
            #expect(contents() == before)
            #expect(try total(store.series(family, "a")) == 1)
        }
    }

    @Test("Random damage anywhere below the cells never crashes")
    func randomDamage() throws {
        var random = SeededGenerator(for: "randomDamage")
        var refused = 0
        for _ in 0..<200 * stress {
            let example = try Example()
            let geometry = SegmentGeometry(segment: 0, laneCount: 1)
            let records = geometry.recordsOffset..<geometry.recordsOffset + 4096
            let ranges = [256..<536, geometry.indexOffset..<geometry.slotsOffset, records, records]
            for _ in 0..<6 {
                let range = ranges.randomElement(using: &random)!
                example.file.flip(range.randomElement(using: &random)!, mask: UInt8.random(in: 1...255, using: &random))
            }
            do throws(StoreError) {
                let store = try example.place.open()
                for descriptor in [jobs, sizes, depth] {
                    guard let family = try? store.family(descriptor) else { continue }
                    for queue in ["a", "b", "c"] { _ = try? store.series(family, queue) }
                    _ = store.seriesCount(family)
                    _ = try? store.remove(family) { $0.text.count > 0 }
                }
                var probe = try LivenessProbe(directory: example.place.directory, segment: store.firstSegment)
                _ = probe.liveLeases()
            } catch {
                refused += 1
                #expect(error.code == .damaged || error.code == .foreign, "\(error)")
            }
        }
        // Most damage of that kind is to the index or to records, which do not keep a store from opening.
        #expect(refused < 150 * stress)
    }
}
