// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Synchronization
import Testing

@Suite("Registering families and series")
struct RegistrationTests {
    private let place = TemporaryStore()
    private let store: Store

    init() throws { store = try place.open() }

    private static let descriptors = [
        FamilyDescriptor(type: .counter, name: "jobs", help: "Jobs.", labelNames: ["queue", "outcome"]),
        FamilyDescriptor(type: .gauge, name: "fastdeploy:queue", gaugeMode: .liveSum),
        FamilyDescriptor(type: .histogram, name: "latency_seconds", unit: "seconds", bounds: [0.1, 1, 10.5]),
        FamilyDescriptor(type: .summary, name: "size", help: "Größe \\ \"x\"\n", labelNames: ["a"]),
        FamilyDescriptor(type: .info, name: "build"),
        FamilyDescriptor(type: .stateSet, name: "state", labelNames: ["node"], states: ["up", "down", ""]),
    ]

    @Test("The same descriptor gives the same object, and reads back whole", arguments: descriptors)
    func sameFamily(descriptor: FamilyDescriptor) throws {
        let family = try store.family(descriptor)
        #expect(try store.family(descriptor) === family)
        #expect(family.descriptor == descriptor)
        let other = try place.open()
        #expect(try other.family(descriptor).descriptor == descriptor)
    }

    @Test("Help may differ; the first one is kept")
    func help() throws {
        let family = try store.family(FamilyDescriptor(type: .counter, name: "jobs", help: "first"))
        #expect(try store.family(FamilyDescriptor(type: .counter, name: "jobs", help: "second")) === family)
        #expect(family.descriptor.help == "first")
    }

    private static let conflicts: [(first: FamilyDescriptor, second: FamilyDescriptor, says: String)] = [
        (
            FamilyDescriptor(type: .counter, name: "x"), FamilyDescriptor(type: .summary, name: "x"),
            "it is a counter, not a summary"
        ),
        (
            FamilyDescriptor(type: .counter, name: "x", labelNames: ["a", "b"]),
            FamilyDescriptor(type: .counter, name: "x", labelNames: ["b", "a"]),
            "it has labels (a, b), not labels (b, a)"
        ),
        (
            FamilyDescriptor(type: .counter, name: "x", labelNames: ["a"]), FamilyDescriptor(type: .counter, name: "x"),
            "it has labels (a), not no labels"
        ),
        (
            FamilyDescriptor(type: .histogram, name: "x", bounds: [1, 2]),
            FamilyDescriptor(type: .histogram, name: "x", bounds: [1, 3]),
            "its bucket bounds are [1.0, 2.0], not [1.0, 3.0]"
        ),
        (
            FamilyDescriptor(type: .gauge, name: "x", gaugeMode: .sum),
            FamilyDescriptor(type: .gauge, name: "x", gaugeMode: .liveSum), "its mode is sum, not livesum"
        ),
        (
            FamilyDescriptor(type: .stateSet, name: "x", states: ["a"]),
            FamilyDescriptor(type: .stateSet, name: "x", states: ["a", "b"]),
            "its states are [\"a\"], not [\"a\", \"b\"]"
        ),
        (
            FamilyDescriptor(type: .counter, name: "x", unit: "bytes"), FamilyDescriptor(type: .counter, name: "x"),
            "its unit is \"bytes\", not \"\""
        ),
    ]

    @Test("A conflict says what differs, is counted, and leaves the family as it was", arguments: conflicts.indices)
    func conflict(index: Int) throws {
        let (first, second, says) = Self.conflicts[index]
        let family = try store.family(first)
        #expect(code { _ = try store.family(second) } == .conflict)
        #expect(message { _ = try place.open().family(second) }.contains("x is registered already, and \(says)"))
        #expect(store.firstSegment.pointee.header(HeaderLayout.conflicts).pointee.load(ordering: .relaxed) == 2)
        #expect(try store.family(first) === family)
    }

    @Test("A wrong number of label values is refused")
    func labelCount() throws {
        let family = try store.family(Self.descriptors[0])
        let refused = code {
            _ = try withLabelValues(["only one"]) { values, count throws(StoreError) in
                try store.series(family, values, count)
            }
        }
        #expect(refused == .labels)
    }

    @Test("The limit counts the series that are there, over all processes")
    func seriesLimit() throws {
        let place = TemporaryStore()
        let stores = [try place.open(seriesLimit: 3), try place.open()]
        let descriptor = FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["queue"])
        let families = try stores.map { try $0.family(descriptor) }
        for index in 0..<3 { _ = try stores[index % 2].series(families[index % 2], "\(index)") }
        for index in 0..<2 {
            #expect(code { _ = try stores[index].series(families[index], "one more") } == .seriesLimit)
            _ = try stores[index].series(families[index], "1")
        }
        let dropped = stores[0].firstSegment.pointee.header(HeaderLayout.droppedSeriesLimit)
        #expect(dropped.pointee.load(ordering: .relaxed) == 2)
        // Another family has a limit of its own, and a removed series makes room.
        let other = try stores[0].family(FamilyDescriptor(type: .counter, name: "others", labelNames: ["queue"]))
        _ = try stores[0].series(other, "one more")
        #expect(try stores[1].remove(families[1]) { $0.hasText("{queue=\"0\"}") } == 1)
        _ = try stores[0].series(families[0], "one more")
    }

    @Test("A removed series is not found; registered again it starts from zero")
    func removal() throws {
        let family = try store.family(FamilyDescriptor(type: .counter, name: "jobs", labelNames: ["queue"]))
        let kept = try store.series(family, "kept"), old = try store.series(family, "gone")
        add(kept, 3)
        add(old, 5)
        let removals = store.firstSegment.pointee.header(HeaderLayout.removals)
        let before = removals.pointee.load(ordering: .relaxed)
        let other = try place.open()
        let otherFamily = try other.family(family.descriptor)
        #expect(try other.remove(otherFamily) { $0.hasText("{queue=\"gone\"}") } == 1)
        #expect(removals.pointee.load(ordering: .relaxed) == before + 1)
        #expect(try other.remove(otherFamily) { $0.hasText("{queue=\"gone\"}") } == 0)
        #expect(removals.pointee.load(ordering: .relaxed) == before + 1)
        #expect(store.seriesCount(family) == 1)

        // The old handle stays valid and records into what nobody sees.
        add(old, 100)
        let new = try store.series(family, "gone")
        #expect(new != old)
        #expect(total(new) == 0 && total(kept) == 3)
        add(new, 1)
        #expect(total(try other.series(otherFamily, "gone")) == 1)
        #expect(try store.remove(family) { _ in true } == 2)
        #expect(store.seriesCount(family) == 0)
        #expect(total(try store.series(family, "kept")) == 0)
    }
}

extension SeriesRecord {
    /// Whether the rendered labels are these.
    func hasText(_ expected: String) -> Bool { String(decoding: text, as: UTF8.self) == expected }
}
