// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Foundation
import Synchronization
import Testing

/// The name is of the process: what sets it runs in one of its own.
@Suite("Names of processes")
struct ProcessNameTests {
    @Test("A name is cut where a character ends")
    func cut() {
        func kept(_ text: [UInt8]) -> Int { text.withUnsafeBytes { NameLayout.fitting($0) } }
        let letters = [UInt8](repeating: 0x61, count: NameLayout.capacity)
        #expect(kept([]) == 0 && kept([0x61, 0, 0x62]) == 1)
        #expect(kept(letters) == 112 && kept(letters + [0x61]) == 112)
        for text in ["é", "日", "🚀"] {
            let bytes = Array(text.utf8)
            #expect(kept(letters.dropLast(bytes.count) + bytes + [0x61]) == 112)
            for missing in 1..<bytes.count {
                let start = letters.count - bytes.count + missing
                #expect(kept(letters.prefix(start) + bytes) == start, "\(text) of which \(missing) bytes are too many")
            }
        }
        // No UTF-8: nothing tells where a character begins.
        #expect(kept([UInt8](repeating: 0x80, count: 200)) == 112)
    }

    @Test("A slot has the name of the call, else that of the environment, else none")
    func slots() async {
        await #expect(processExitsWith: .success) {
            setenv("FDMETRICS_PROCESS_NAME", "of the environment", 1)
            let places = [TemporaryStore(), TemporaryStore()]
            let first = try AttachedStores.open(places[0].directory, lanes: 1)
            #expect(try name(in: first) == "of the environment")
            #expect(setName("engine-日本語"))
            #expect(try name(in: first) == "engine-日本語")
            // A store that comes later, and what another process reads.
            let second = try AttachedStores.open(places[1].directory, lanes: 1)
            #expect(try name(in: second) == "engine-日本語")
            #expect(setName("again"))
            for store in [first, second] {
                #expect(try name(in: store) == "again")
                #expect(try name(in: StoreReader(directory: store.directory)) == "again")
                #expect(try StoreCheck.run(directory: store.directory).findings == [])
            }
            #expect(setName(""))
            #expect(try name(in: first) == "of the environment")
            unsetenv("FDMETRICS_PROCESS_NAME")
            #expect(setName("") && setName(""))
            #expect(try name(in: first) == nil)
            // One record serves all of a slot's names.
            #expect(try StoreCheck.run(directory: first.directory).findings == [])
            let taken = first.firstSegment.pointee.header(HeaderLayout.recordsNext).pointee.load(ordering: .acquiring)
            #expect(taken == UInt64(NameLayout.size))
        }
    }

    @Test("A dead holder keeps its name; the next one of the slot does not have it")
    func heirs() async {
        await #expect(processExitsWith: .success) {
            let place = TemporaryStore()
            let looker = try place.open(lanes: 1)
            #expect(try looker.lease().slot == 0)
            #expect(setName("first"))
            let first = try AttachedStores.open(place.directory)
            let slots = ProcessSlots(looker.firstSegment)
            #expect(try first.lease() == LeaseToken(slot: 1, generation: 1))
            #expect(AttachedStores.close(first))
            #expect(slots.name(of: slots.latest(1), in: looker) == "first")
            #expect(setName(""))
            let second = try AttachedStores.open(place.directory)
            #expect(try second.lease() == LeaseToken(slot: 1, generation: 2))
            #expect(slots.name(of: slots.latest(1), in: looker) == nil)
            #expect(setName("second"))
            #expect(slots.name(of: slots.latest(1), in: looker) == "second")
            #expect(slots.name(of: LeaseToken(slot: 1, generation: 1), in: looker) == nil)
        }
    }

    @Test("A name is in a later segment where the first one is full")
    func laterSegment() async {
        await #expect(processExitsWith: .success) {
            let place = TemporaryStore()
            let store = try AttachedStores.open(place.directory, lanes: 1)
            let family = try store.family(FamilyDescriptor(type: .counter, name: "many", labelNames: ["n"]))
            for number in 0..<3100 { _ = try store.series(family, "\(number)") }
            #expect(store.firstSegment.pointee.isSealed)
            #expect(setName("late"))
            let word = halfWord(ProcessSlots(store.firstSegment).address(try store.lease().slot) + SlotLayout.name)
            #expect(NameAddress(bits: word.pointee.load(ordering: .acquiring)).segment == 1)
            #expect(try name(in: store) == "late")
            #expect(try name(in: StoreReader(directory: place.directory)) == "late")
            #expect(try StoreCheck.run(directory: place.directory).findings == [])
        }
    }

    @Test("A slot that leads to no name shows none, and a check finds it")
    func damage() async {
        await #expect(processExitsWith: .success) {
            let place = TemporaryStore()
            let store = try AttachedStores.open(place.directory, lanes: 1)
            let slot = try store.lease().slot
            let word = halfWord(ProcessSlots(store.firstSegment).address(slot) + SlotLayout.name)
            for bits: UInt32 in [1, 1 << 26 - 1, 9 << 26 | 4672, .max] {
                word.pointee.store(bits, ordering: .releasing)
                #expect(try name(in: store) == nil)
                let errors = try StoreCheck.run(directory: place.directory).errors
                #expect(errors.count == 1 && errors[0].place.contains("name of process slot 0"), "\(errors)")
            }
            // It can be named all the same.
            #expect(setName("named"))
            #expect(try name(in: store) == "named")
            #expect(try StoreCheck.run(directory: place.directory).findings == [])
        }
    }

    @Test("Threads that set a name and attach stores at once leave one name everywhere")
    func threads() async {
        await #expect(processExitsWith: .success) {
            for round in 0..<20 * stress {
                let places = (0..<4).map { _ in TemporaryStore() }
                let names = (0..<4).map { "\(round)-\($0)-" + String(repeating: "\($0)", count: 90) }
                let stores = inThreads(8) { index -> Store? in
                    if index < 4 { return try? AttachedStores.open(places[index].directory, lanes: 1) }
                    return setName(names[index - 4]) ? nil : nil
                }.compactMap { $0 }
                #expect(stores.count == 4)
                let found = Set(try stores.map { try name(in: $0) })
                #expect(found.count == 1 && names.contains(found.first.flatMap { $0 } ?? ""), "\(found)")
                for store in stores { #expect(AttachedStores.close(store)) }
            }
        }
    }
}

private func setName(_ name: String) -> Bool {
    Array(name.utf8).withUnsafeBytes { Store.setOwnName($0, whenLast: { _ in }) }
}

/// What this process is called in a store.
private func name(in store: Store) throws -> String? {
    ProcessSlots(store.firstSegment).name(of: try store.lease(), in: store)
}

/// What the only process of a store is called.
private func name(in reader: StoreReader) throws -> String? {
    let slots = ProcessSlots(try #require(try reader.segment(0)))
    return slots.name(of: slots.latest(0), in: reader)
}
