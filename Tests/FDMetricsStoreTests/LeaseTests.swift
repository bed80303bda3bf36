// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Foundation
import Synchronization
import Testing

@Suite("Process slots and leases")
struct LeaseTests {
    private let place = TemporaryStore()

    /// Whether somebody has a byte of segment 0 locked, asked without the library.
    private func isLocked(_ byte: Int64) -> Bool {
        let descriptor = open(place.segment(0), O_RDONLY | O_CLOEXEC)
        precondition(descriptor >= 0)
        defer { close(descriptor) }
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = off_t(byte)
        lock.l_len = 1
        let getLock: Int32 = 36  // F_OFD_GETLK, of linux/fcntl.h
        precondition(
            withUnsafeMutablePointer(to: &lock) { fcntl(descriptor, getLock, UnsafeMutableRawPointer($0)) } == 0)
        return lock.l_type != Int16(F_UNLCK)
    }

    @Test("Slots are given lowest first, and again when their holder has gone")
    func lowestFirst() throws {
        let stores = try (0..<4).map { _ in try place.open() }
        let tokens = try stores.map { try $0.lease() }
        #expect(tokens.map(\.slot) == [0, 1, 2, 3])
        #expect(tokens.map(\.generation) == [1, 1, 1, 1])
        #expect(tokens.allSatisfy { isLocked($0.byte) })
        #expect(try stores[2].lease() == tokens[2])

        place.close(stores[1])
        #expect(!isLocked(tokens[1].byte))
        let next = try place.open().lease()
        #expect(next == LeaseToken(slot: 1, generation: 2))
        #expect(try place.open().lease() == LeaseToken(slot: 4, generation: 1))
        #expect(isLocked(next.byte) && !isLocked(tokens[1].byte))
    }

    @Test("The probe knows who is alive, and a slot's new holder is not its old one")
    func probe() throws {
        let stores = try (0..<3).map { _ in try place.open() }
        let tokens = try stores.map { try $0.lease() }
        place.close(stores[0])
        let nobody = [LeaseToken(bits: 0), LeaseToken(slot: 1, generation: 0), LeaseToken(slot: 9, generation: 1)]
        #expect(try alive(tokens + nobody, stores[1]) == [tokens[1], tokens[2]])
        #expect(try liveLeases(stores[1]) == [tokens[1], tokens[2]])

        let heir = try place.open().lease()
        #expect(heir.slot == 0)
        #expect(try alive(tokens + [heir], stores[1]) == [tokens[1], tokens[2], heir])
        #expect(try liveLeases(stores[1]) == [heir, tokens[1], tokens[2]])
    }

    /// Those of some leases whose holders are alive.
    private func alive(_ tokens: [LeaseToken], _ store: Store) throws -> [LeaseToken] {
        var probe = try LivenessProbe(directory: place.directory, segment: store.firstSegment)
        var alive: [LeaseToken] = []
        for token in tokens where probe.isAlive(token) { alive.append(token) }
        return alive
    }

    private func liveLeases(_ store: Store) throws -> [LeaseToken] {
        var probe = try LivenessProbe(directory: place.directory, segment: store.firstSegment)
        return probe.liveLeases()
    }

    @Test("A page of slots is reserved at a time")
    func manySlots() throws {
        let stores = try (0..<70).map { _ in try place.open(lanes: 1) }
        #expect(try stores.map { try $0.lease().slot } == Array(0..<70))
        #expect(ProcessSlots(stores[0].firstSegment).count == 128)
        #expect(try liveLeases(stores[0]).count == 70)
    }

    @Test("A slot says who holds it")
    func holder() throws {
        let slot = ProcessSlots(try place.open().firstSegment).address(0)
        func load(_ offset: Int) -> UInt64 { word(slot + offset).pointee.load(ordering: .relaxed) }
        #expect(load(SlotLayout.pid) == UInt64(getpid()))
        #expect(load(SlotLayout.pidNamespace) > 0 && load(SlotLayout.startTime) > 0)
        #expect(load(SlotLayout.attachedTime) > 1_700_000_000_000_000_000)
        let command = (0..<16).map { (slot + SlotLayout.command + $0).load(as: UInt8.self) }.prefix { $0 != 0 }
        let own = try String(contentsOfFile: "/proc/self/comm", encoding: .utf8).dropLast().utf8
        #expect(command.elementsEqual(own.prefix(15)))
    }

    @Test("Threads that need a slot at once all take another one")
    func race() throws {
        for _ in 0..<20 * stress {
            let place = TemporaryStore()
            place.close(try place.open())
            let stores = inThreads(8) { _ in try? Store(directory: place.directory) }.compactMap { $0 }
            let slots = try stores.map { try $0.lease().slot }
            #expect(stores.count == 8 && Set(slots).count == 8)
            // A slot that somebody was just trying is skipped, so a few more than 8 may have been looked at.
            #expect(slots.allSatisfy { $0 < 64 })
            for store in stores { store.close() }
        }
    }

    @Test("Presence is there while any process is")
    func presence() throws {
        let byte = StoreFormat.leaseBase - 1
        let first = try place.open(), second = try place.open()
        #expect(isLocked(byte))
        place.close(first)
        #expect(isLocked(byte))
        place.close(second)
        #expect(!isLocked(byte))
    }

    @Test("A store that was deleted and made again is not taken for the attached one")
    func replaced() throws {
        let store = try place.open()
        place.remove("fdmetrics-0.seg")
        let others = try (0..<2).map { _ in try place.open() }
        // Each is asked through the file that it has mapped, whatever has its name by now.
        #expect(try liveLeases(store) == [try store.lease()])
        #expect(try liveLeases(others[0]) == (try others.map { try $0.lease() }))
        #expect(!store.isInPlace && others[0].isInPlace)
    }
}
