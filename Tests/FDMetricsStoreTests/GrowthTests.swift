// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Synchronization
import Testing

@Suite("Growing into further segments")
struct GrowthTests {
    private func entries(_ segment: UnsafeMutablePointer<Segment>) -> [Int] {
        (0..<segment.pointee.geometry.indexCapacity).compactMap {
            let entry = segment.pointee.indexSlot($0).pointee.load(ordering: .acquiring)
            return entry == 0 ? nil : Int(entry & 0xFFFF_FFFF)
        }
    }

    @Test("A full index is sealed, and the next segments take over")
    func fullIndex() throws {
        let place = TemporaryStore()
        let store = try place.open(lanes: 1, seriesLimit: 100_000)
        let early = try place.open()
        let descriptor = FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["id"])
        let family = try store.family(descriptor)
        let earlyFamily = try early.family(descriptor)
        let count = 3072 + 12288 + 500
        for index in 0..<count { add(try store.series(family, "\(index)"), UInt64(index + 1)) }

        #expect(place.contents == (0..<3).map { StoreFormat.fileName(segment: $0) })
        #expect(try store.segment(3) == nil)
        var found = 0
        for number in 0..<3 {
            let segment = try #require(try store.segment(number))
            #expect(segment.pointee.isSealed == (number < 2))
            let offsets = entries(segment)
            #expect(number == 2 || offsets.count == segment.pointee.geometry.maxEntries)
            found += offsets.count { SeriesRecord(segment.pointee, offset: $0) != nil }
            #expect(offsets.count { FamilyRecord(segment.pointee, offset: $0)?.descriptor == descriptor } == 1)
        }
        #expect(found == count && store.seriesCount(family) == count)

        // A store that was attached before, one that comes now, and a reader see all of it.
        let late = try place.open()
        let lateFamily = try late.family(descriptor)
        for index in stride(from: 0, to: count, by: 97) {
            #expect(total(try early.series(earlyFamily, "\(index)")) == UInt64(index + 1))
            #expect(total(try late.series(lateFamily, "\(index)")) == UInt64(index + 1))
            #expect(try store.series(family, "\(index)") == store.series(family, "\(index)"))
        }
        let reader = try StoreReader(directory: place.directory)
        #expect(try reader.segment(2) != nil)
        #expect(try reader.segment(3) == nil)
        #expect(try early.remove(earlyFamily) { _ in true } == count)
        #expect(store.seriesCount(family) == 0)
    }

    @Test("Full lanes and full records lead to the next segment too")
    func fullSections() throws {
        let place = TemporaryStore()
        let store = try place.open(lanes: 1)
        // A cell of 16 KiB: 64 of them fill the one group of the first segment.
        let bounds = (1..<1024).map { Double($0) }
        let wide = try store.family(
            FamilyDescriptor(type: .histogram, name: "wide", labelNames: ["id"], bounds: bounds))
        let handles = try (0..<65).map { try store.series(wide, "\($0)") }
        #expect(Set(handles.map { $0.pointee.cell }).count == 65)
        #expect(place.contents.count == 2)
        let second = try #require(try store.segment(1)).pointee
        let last = try #require(handles[64].pointee.record)
        #expect((second.base..<second.base + second.geometry.fileSize).contains(last))
        #expect(
            handles[63].pointee.cell! - store.firstSegment.pointee.base < store.firstSegment.pointee.geometry.fileSize)

        // Records of nearly 1 MiB, the greatest there are: 70 do not fit the 64 MiB of the second.
        let jobs = try store.family(FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["id"]))
        let long = String(repeating: "x", count: (1 << 20) - 1024)
        for index in 0..<70 { add(try store.series(jobs, "\(index)\(long)"), 1) }
        #expect(place.contents.count == 3)
        for index in 0..<70 { #expect(total(try store.series(jobs, "\(index)\(long)")) == 1) }
        let tooLong = #expect(throws: StoreError.self) { try store.series(jobs, long + long) }
        #expect(tooLong?.code == .invalidArgument)
    }

    @Test("A segment that its maker could not announce any more is taken by the next process")
    func unannounced() throws {
        let place = TemporaryStore()
        let store = try place.open()
        let family = try store.family(FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["id"]))
        #expect(try SegmentFile.create(directory: place.directory, number: 1, identity: store.identity))
        #expect(try store.segment(1) == nil)
        let full = UInt64(store.firstSegment.pointee.geometry.maxEntries)
        store.firstSegment.pointee.header(HeaderLayout.entries).pointee.store(full, ordering: .relaxed)
        let handle = try store.series(family, "a")
        #expect(store.firstSegment.pointee.isSealed)
        let next = try #require(try store.segment(1)).pointee
        let record = try #require(handle.pointee.record)
        #expect((next.base..<next.base + next.geometry.fileSize).contains(record))
        #expect(place.contents.count == 2)
    }

    @Test("What an earlier store has left in the place of the next segment is removed")
    func leftBehind() throws {
        let place = TemporaryStore()
        let store = try place.open()
        let family = try store.family(FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["id"]))
        var other = store.identity
        other.id.0 ^= 1
        #expect(try SegmentFile.create(directory: place.directory, number: 1, identity: other))
        let full = UInt64(store.firstSegment.pointee.geometry.maxEntries)
        store.firstSegment.pointee.header(HeaderLayout.entries).pointee.store(full, ordering: .relaxed)
        add(try store.series(family, "a"), 3)
        #expect(store.firstSegment.pointee.isSealed)
        let second = try place.open()
        #expect(total(try second.series(try second.family(family.descriptor), "a")) == 3)
    }

    @Test("A segment of another store is refused, and the store goes on without new series")
    func strangeSegment() throws {
        let place = TemporaryStore()
        let store = try place.open()
        let family = try store.family(FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["id"]))
        let handle = try store.series(family, "a")
        for index in 0..<5 {
            var other = store.identity
            switch index {
            case 0: other.id.0 ^= 1
            case 1: other.id.1 ^= 1
            case 2: other.hashSeed ^= 1
            case 3: other.seriesLimit += 1
            default: other.flags ^= 1
            }
            #expect(try SegmentFile.create(directory: place.directory, number: 1, identity: other))
            let before = Fingerprint(place.segment(1))
            StoreCorruptor(place.segment(0)).set(HeaderLayout.sealed, UInt64(1))
            #expect(code { _ = try store.segment(1) } == .foreign)
            #expect(code { _ = try store.series(family, "b") } == .foreign)
            #expect(Fingerprint(place.segment(1)) == before)
            place.remove(StoreFormat.fileName(segment: 1))
        }
        #expect(code { _ = try store.series(family, "b") } == .damaged)
        add(handle, 4)
        #expect(total(handle) == 4)
    }
}
