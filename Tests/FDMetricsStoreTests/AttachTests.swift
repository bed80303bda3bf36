// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Foundation
import Testing

@Suite("Attaching and creating a store")
struct AttachTests {
    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? Int)
    }

    @Test("A new store is one file that nobody else may read, and nothing else")
    func create() throws {
        let place = TemporaryStore()
        let store = try place.open(lanes: 4, seriesLimit: 77)
        #expect(place.contents == ["fdmetrics-0.seg"])
        #expect(try mode(place.segment(0)) == 0o600)
        #expect(store.directory == place.directory)
        #expect(store.identity.laneCount == 4 && store.identity.seriesLimit == 77 && store.identity.flags == 0)
        #expect(StoreCorruptor(place.segment(0)).size == SegmentGeometry(segment: 0, laneCount: 4).fileSize)
    }

    @Test("A missing directory is made, its parents too, for the owner alone")
    func makesDirectories() throws {
        let place = TemporaryStore()
        let directory = place.path("a/b")
        let store = try Store(directory: directory)
        defer { store.close() }
        #expect(try mode(place.path("a")) == 0o700)
        #expect(try mode(directory) == 0o700)
        #expect(FileManager.default.fileExists(atPath: directory + "/fdmetrics-0.seg"))
    }

    @Test("A store that exists keeps what it was made with")
    func attach() throws {
        let place = TemporaryStore()
        let first = try place.open(lanes: 2, seriesLimit: 5)
        let second = try place.open(lanes: 8, seriesLimit: 6)
        #expect(second.identity == first.identity)
        #expect(second.identity.laneCount == 2 && second.identity.seriesLimit == 5)
        #expect(place.contents == ["fdmetrics-0.seg"])
    }

    @Test("Of two creators the first one's segment stays, whichever comes first", arguments: [false, true])
    func twoCreators(isSwapped: Bool) throws {
        let place = TemporaryStore()
        let a = try StoreIdentity.random(laneCount: 1, seriesLimit: 1, flags: 0)
        let b = try StoreIdentity.random(laneCount: 2, seriesLimit: 2, flags: 0)
        let (first, second) = isSwapped ? (b, a) : (a, b)
        #expect(try SegmentFile.create(directory: place.directory, number: 0, identity: first))
        #expect(try !SegmentFile.create(directory: place.directory, number: 0, identity: second))
        #expect(try place.open().identity == first)
        #expect(place.contents == ["fdmetrics-0.seg"])
    }

    @Test("Threads that create at once all attach one store")
    func race() throws {
        for _ in 0..<20 * stress {
            let place = TemporaryStore()
            let stores = inThreads(8) { index in
                // Everybody wants another number of lanes.
                try? Store(directory: place.directory, lanes: 1 << (index % 5))
            }
            let attached = stores.compactMap { $0 }
            #expect(attached.count == 8)
            for store in attached { #expect(store.identity == attached[0].identity) }
            #expect(place.contents == ["fdmetrics-0.seg"])
            for store in attached { store.close() }
        }
    }

    @Test("Opening one directory twice in a process gives one store, by whatever name")
    func attachedOnce() throws {
        let place = TemporaryStore()
        let link = place.path("link"), directory = place.path("store")
        let store = try AttachedStores.open(directory)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: directory)
        #expect(try AttachedStores.open(directory) === store)
        #expect(try AttachedStores.open(directory + "/../store/") === store)
        #expect(try AttachedStores.open(link) === store)
        // Each opening is one to be taken back; the last one closes it.
        for _ in 0..<4 {
            #expect(try AttachedStores.open(directory) === store && AttachedStores.close(store))
            #expect(AttachedStores.close(store))
        }
        #expect(!AttachedStores.close(store))
        let again = try AttachedStores.open(directory)
        #expect(again !== store)
        #expect(AttachedStores.close(again))
    }

    @Test("Senseless options are refused before anything is made", arguments: [0, 3, 5, 32, -2])
    func lanes(count: Int) {
        let place = TemporaryStore()
        #expect(code { _ = try place.open(lanes: count) } == .invalidArgument)
        #expect(code { _ = try place.open(seriesLimit: 0) } == .invalidArgument)
        #expect(code { _ = try Store(directory: "") } == .invalidArgument)
        #expect(place.contents == [])
    }

    @Test("A reader finds no store where there is none, and makes none")
    func readerMakesNothing() {
        let place = TemporaryStore()
        #expect(code { _ = try StoreReader(directory: place.directory) } == .notFound)
        #expect(code { _ = try StoreReader(directory: place.path("nowhere")) } != nil)
        #expect(place.contents == [])
    }

    @Test("A reader changes no byte of a store, and holds nothing of it")
    func readerChangesNothing() throws {
        let place = TemporaryStore()
        place.close(try place.open())
        let before = Fingerprint(place.segment(0))
        let reader = try StoreReader(directory: place.directory)
        #expect(try reader.segment(0) != nil)
        #expect(try reader.segment(1) == nil)
        #expect(Fingerprint(place.segment(0)) == before)
    }

    @Test("Files of others in the directory are left alone")
    func othersFiles() throws {
        let place = TemporaryStore()
        let names = [
            "counter_4711.db", "gauge_livesum_12.db", "fdmetrics.db", "fdmetrics-00.seg", "fdmetrics-1.seg.bak",
            ".fdmetrics-0.seg.deadbeef", "fdmetrics-17.seg", "FDMETRICS-0.SEG",
        ]
        var random = SeededGenerator(for: "othersFiles")
        var contents: [String: Data] = [:]
        for name in names {
            let data = Data((0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) })
            try data.write(to: URL(fileURLWithPath: place.path(name)))
            contents[name] = data
        }
        let store = try place.open()
        let family = try store.family(FamilyDescriptor(type: .counter, name: "jobs"))
        _ = try store.series(family, names: [], values: [])
        try store.remove(family) { _ in true }
        place.close(store)
        #expect(place.contents == (names + ["fdmetrics-0.seg"]).sorted())
        for (name, data) in contents {
            #expect(try Data(contentsOf: URL(fileURLWithPath: place.path(name))) == data, "\(name) was changed")
        }
    }
}
