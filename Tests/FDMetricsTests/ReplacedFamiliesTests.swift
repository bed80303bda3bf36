// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import FDMetricsTestSupport
import Glibc
import Testing

/// Counters with some labels, whatever the name was before.
private func counters(_ labels: [String], in registry: MetricRegistry) throws -> MetricFamily<Counter> {
    MetricFamily(
        try registry.register(FamilyDescriptor(type: .counter, name: "jobs", labelNames: labels), replacing: true))
}

/// A name that is declared otherwise in the place of what it was.
@Suite("Declarations that replace others")
struct ReplacedFamiliesTests {
    private let place: TestRegistry
    private var registry: MetricRegistry { place.registry }

    init() throws { place = try TestRegistry() }

    @Test("The new one is shown, from zero, and the old one is not, by whoever renders")
    func replaced() throws {
        let old = try registry.counterFamily("jobs", labels: ["model"])
        old["a"].increment()
        #expect(try place.samples() == ["jobs_total{model=\"a\"} 1.0"])
        let new = try counters(["model", "length"], in: registry)
        #expect(try place.samples().isEmpty)
        new["a", "4096"].increment(by: 2 as UInt64)
        old["a"].increment()
        old["b"].increment()
        let shown = ["jobs_total{length=\"4096\",model=\"a\"} 2.0"]
        #expect(try place.samples() == shown)
        let text = try TextExposition.render(directory: registry.store.directory)
        #expect(text.split(separator: "\n").filter { !$0.hasPrefix("#") } == shown.map { $0[...] })
        #expect(try StoreCheck.run(directory: registry.store.directory).findings.isEmpty)
    }

    @Test("Any part of a declaration may be another", arguments: MetricType.allCases)
    func everyType(type: MetricType) throws {
        var descriptors = MetricType.allCases.map { type in
            FamilyDescriptor(
                type: type, name: "x", bounds: type == .histogram ? [1] : [], gaugeMode: type == .gauge ? .sum : nil,
                states: type == .stateSet ? ["a"] : [])
        }
        descriptors.append(FamilyDescriptor(type: .histogram, name: "x", bounds: [1, 2]))
        descriptors.append(FamilyDescriptor(type: .gauge, name: "x", gaugeMode: .max))
        descriptors.append(FamilyDescriptor(type: .stateSet, name: "x", states: ["a", "b"]))
        let first = try #require(descriptors.first { $0.type == type })
        for other in descriptors {
            _ = try registry.register(first, replacing: true)
            let family = try registry.register(other, replacing: true)
            #expect(family.descriptor == other)
            #expect(try registry.store.descriptor(ofFamily: "x") == other)
        }
        #expect(try StoreCheck.run(directory: registry.store.directory).findings.isEmpty)
        #expect(try StoreCheck.run(directory: registry.store.directory).families == 1)
    }

    @Test("Processes that agree record into the same series, and those that do not are refused")
    func agreement() throws {
        _ = try registry.counterFamily("jobs", labels: ["model"])
        let other = try place.join(), third = try place.join()
        try counters(["length"], in: registry)["1"].increment()
        try counters(["length"], in: other)["1"].increment()
        try third.counterFamily("jobs", labels: ["length"])["1"].increment()
        #expect(try place.samples() == ["jobs_total{length=\"1\"} 3.0"])
        let error = refusal { _ = try third.counterFamily("jobs", labels: ["model"]) }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("it has labels (length), not labels (model)") == true)
    }

    @Test("What is declared again in the place of its own successor goes on with what it had")
    func backAgain() throws {
        let first = try counters(["model"], in: registry)
        first["a"].increment()
        for turn in 1...3 {
            try counters(["length"], in: registry)["1"].increment()
            #expect(try place.samples() == ["jobs_total{length=\"1\"} \(turn).0"])
            try counters(["model"], in: place.join())["a"].increment()
            #expect(try place.samples() == ["jobs_total{model=\"a\"} \(turn + 1).0"])
        }
        first["a"].increment()
        #expect(try place.samples() == ["jobs_total{model=\"a\"} 5.0"])
        #expect(try StoreCheck.run(directory: registry.store.directory).findings.isEmpty)
    }

    @Test("It stays so when series of both come in later segments")
    func segments() throws {
        let old = try counters(["model"], in: registry), new = try counters(["length"], in: registry)
        for index in 0..<3_500 {
            old["\(index)"].increment()
            if index % 100 == 0 { new["\(index)"].increment() }
        }
        #expect(place.statistics.segments > 1)
        #expect(try place.samples().count == 35)
        #expect(try place.samples().allSatisfy { $0.hasPrefix("jobs_total{length=") })
        try counters(["model"], in: place.join())["3499"].increment()
        #expect(try place.samples().count == 3_500)
        #expect(try place.samples().contains("jobs_total{model=\"3499\"} 2.0"))
        #expect(try StoreCheck.run(directory: registry.store.directory).findings.isEmpty)
    }

    @Test("A family of another name that has the same samples is not replaced")
    func otherName() throws {
        _ = try registry.counter("jobs")
        let error = refusal {
            _ = try registry.register(
                FamilyDescriptor(type: .gauge, name: "jobs_total", gaugeMode: .sum), replacing: true)
        }
        #expect(error?.code == .conflict)
    }

    @Test("When the store is deleted it stays replaced, whoever moves to the new one first", arguments: [true, false])
    func deletedStore(oldFirst: Bool) throws {
        let other = try place.join()
        let old = try other.counterFamily("jobs", labels: ["model"])
        old["a"].increment()
        let new = try counters(["length"], in: registry)
        new["1"].increment()
        place.deleteStore()
        let movers = oldFirst ? [other, registry] : [registry, other]
        for mover in movers { _ = try? TextExposition.render(mover) }
        _ = try? old.labels("b").increment()
        _ = try? new.labels("1").increment(by: 2 as UInt64)
        #expect(try place.samples() == ["jobs_total{length=\"1\"} 2.0"])
        #expect(try place.samples(by: other) == ["jobs_total{length=\"1\"} 2.0"])
        #expect(refusal { _ = try old.labels("c") }?.code == .conflict)
    }

    @Test("Many that replace each other at once leave one declaration, which is whole")
    func atOnce() async throws {
        let registries = try (0..<4).map { _ in try place.join() }
        let kinds = [["a"], ["b"], ["a", "b"]]
        await withTaskGroup(of: Void.self) { group in
            for (number, registry) in registries.enumerated() {
                group.addTask {
                    var generator = SeededGenerator(seed: UInt64(number))
                    for _ in 0..<200 {
                        let labels = kinds.randomElement(using: &generator)!
                        guard let family = try? counters(labels, in: registry) else { continue }
                        _ = try? family.labels(labels).increment()
                    }
                }
            }
        }
        let latest = try #require(try registry.store.descriptor(ofFamily: "jobs"))
        #expect(kinds.contains(latest.labelNames))
        let family = try registry.counterFamily("jobs", labels: latest.labelNames)
        let text = latest.labelNames.map { "\($0)=\"\($0)\"" }.joined(separator: ",")
        #expect(try place.samples() == ["jobs_total{\(text)} \(Double(family.labels(latest.labelNames).value))"])
        #expect(try StoreCheck.run(directory: registry.store.directory).findings.isEmpty)
    }
}
