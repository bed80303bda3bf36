// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Synchronization
import Testing

@Suite("Registering at once")
struct ConcurrentRegistrationTests {
    private let threads = 8
    private let count = 1000

    @Test("Eight threads of two processes that register the same series make one record of each")
    func sameSeries() throws {
        let place = TemporaryStore()
        let stores = [try place.open(lanes: 4), try place.open()]
        let descriptor = FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["id"])
        var random = SeededGenerator(for: "sameSeries")
        let seeds = (0..<threads).map { _ in random.next() }
        let failures = inThreads(threads) { [count] thread in
            var random = SeededGenerator(seed: seeds[thread])
            let store = stores[thread % 2]
            do {
                let family = try store.family(descriptor)
                // Half of the threads go through the same order, so that they meet; the others come from everywhere.
                let order = thread < 4 ? Array(0..<count) : (0..<count).shuffled(using: &random)
                for index in order { add(try store.series(family, "\(index)"), 1, lane: UInt32(thread)) }
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(failures.allSatisfy { $0.isEmpty }, "\(failures)")

        let segment = stores[0].firstSegment
        var seen: [String: Int] = [:]
        var families = 0
        for position in 0..<segment.pointee.geometry.indexCapacity {
            let entry = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
            if entry == 0 { continue }
            let offset = Int(entry & 0xFFFF_FFFF)
            if FamilyRecord(segment.pointee, offset: offset) != nil {
                families += 1
            } else {
                let series = try #require(SeriesRecord(segment.pointee, offset: offset))
                seen[String(decoding: series.text, as: UTF8.self), default: 0] += 1
            }
        }
        #expect(families == 1 && seen.count == count && seen.values.allSatisfy { $0 == 1 })
        #expect(segment.pointee.header(HeaderLayout.entries).pointee.load(ordering: .relaxed) == UInt64(count + 1))
        for store in stores {
            let family = try store.family(descriptor)
            #expect(store.seriesCount(family) == count)
            for index in 0..<count { #expect(total(try store.series(family, "\(index)")) == UInt64(threads)) }
        }
    }

    @Test("Families that are registered at once are one object in a process")
    func sameFamily() throws {
        let place = TemporaryStore()
        let store = try place.open()
        for round in 0..<50 * stress {
            let descriptor = FamilyDescriptor(type: .histogram, name: "f\(round)", bounds: [1, 2])
            let families = inThreads(threads) { _ in try? store.family(descriptor) }
            #expect(families.allSatisfy { $0 != nil && $0 === families[0] })
        }
    }

    @Test("Growing at once loses nothing")
    func growth() throws {
        let place = TemporaryStore()
        let stores = [try place.open(lanes: 1), try place.open()]
        let descriptor = FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["id"])
        let each = 600
        // Each thread has 100 series of its own with all others, and 500 alone: 4,100 do not fit the first segment.
        let failures = inThreads(threads) { thread in
            let store = stores[thread % 2]
            do {
                let family = try store.family(descriptor)
                for index in 0..<each {
                    add(try store.series(family, index % 6 == 0 ? "all-\(index)" : "\(thread)-\(index)"), 1)
                }
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(failures.allSatisfy { $0.isEmpty }, "\(failures)")
        #expect(stores[0].firstSegment.pointee.isSealed)

        // One that was registered in two segments, by threads that saw the seal at different times, is added up.
        var totals: [String: UInt64] = [:]
        let family = try stores[0].family(descriptor)
        var number = 0
        while let segment = try stores[0].segment(number) {
            number += 1
            for position in 0..<segment.pointee.geometry.indexCapacity {
                let entry = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
                if entry == 0 { continue }
                guard let series = SeriesRecord(segment.pointee, offset: Int(entry & 0xFFFF_FFFF)),
                    let handle = family.core.handle(segment, Int(entry & 0xFFFF_FFFF))
                else { continue }
                totals[String(decoding: series.text, as: UTF8.self), default: 0] += total(handle)
            }
        }
        #expect(totals.count == 100 + threads * 500)
        for (text, total) in totals { #expect(total == (text.contains("all") ? 8 : 1), "\(text)") }
    }
}
