// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Testing

@Suite("Info")
struct InfoTests {
    private let place: TestRegistry

    init() throws { place = try TestRegistry() }

    @Test("Shows the texts of the last call, also of another process")
    func replaced() throws {
        let info = try place.registry.info("build")
        #expect(try place.samples().isEmpty)
        try info.set([("version", "1.0"), ("branch", "main")])
        #expect(try place.samples() == ["build_info{branch=\"main\",version=\"1.0\"} 1.0"])
        try info.set([("version", "1.1")])
        #expect(try place.samples() == ["build_info{version=\"1.1\"} 1.0"])
        try place.join().info("build_info").set([("revision", "a\"b\\c\nd")])
        #expect(try place.samples() == [#"build_info{revision="a\"b\\c\nd"} 1.0"#])
        // What was shown before may come back.
        try info.set([("version", "1.0"), ("branch", "main")])
        try info.set([("version", "1.0"), ("branch", "main")])
        #expect(try place.samples() == ["build_info{branch=\"main\",version=\"1.0\"} 1.0"])
        try info.set([])
        #expect(try place.samples() == ["build_info 1.0"])
    }

    @Test("Replaces only what has the same label values")
    func labels() throws {
        let info = try place.registry.info("build", labels: ["node", "zone"])
        try info.set([("version", "1")], labels: ["a", "x"])
        try info.set([("version", "2")], labels: ["b", "x"])
        try info.set([("version", "3")], labels: ["a", "x"])
        #expect(
            try Set(place.samples()) == [
                "build_info{node=\"a\",version=\"3\",zone=\"x\"} 1.0",
                "build_info{node=\"b\",version=\"2\",zone=\"x\"} 1.0",
            ])
    }

    @Test(
        "Refuses keys that are no label names, or there already",
        arguments: ["", "1st", "a-b", "a:b", "__own", "node", "twice"])
    func keys(key: String) throws {
        let info = try place.registry.info("build", labels: ["node"])
        try info.set([("version", "1")], labels: ["a"])
        let error = refusal { try info.set([("twice", "2"), (key, "3")], labels: ["a"]) }
        #expect(error?.code == .invalidName)
        #expect(error?.message.contains("\"\(key)\"") == true)
        #expect(try place.samples() == ["build_info{node=\"a\",version=\"1\"} 1.0"])
    }

    @Test("Refuses a wrong number of label values")
    func labelCount() throws {
        let info = try place.registry.info("build", labels: ["node"])
        for labels in [[], ["a", "b"]] {
            let error = refusal { try info.set([("version", "1")], labels: labels) }
            #expect(error?.code == .labels)
            #expect(error?.message.contains("build has 1 labels, \(labels.count) values") == true)
        }
        #expect(try place.samples().isEmpty)
    }
}

@Suite("State set")
struct StateSetTests {
    private let place: TestRegistry

    init() throws { place = try TestRegistry() }

    private func lines(_ labels: String, _ states: [String], on: String) -> [String] {
        states.map { "phase{\(labels)phase=\"\($0)\"} \($0 == on ? "1.0" : "0.0")" }
    }

    @Test("One state is on, the first at first, for all processes")
    func states() throws {
        let states = ["starting", "ready", "draining"]
        let phase = try place.registry.stateSet("phase", states: states)
        #expect(try place.samples() == lines("", states, on: "starting"))
        try phase.set("draining")
        #expect(try place.samples() == lines("", states, on: "draining"))
        try place.join().stateSet("phase", states: states).set("ready")
        #expect(try place.samples() == lines("", states, on: "ready"))
        try phase.set("starting")
        #expect(try place.samples() == lines("", states, on: "starting"))
    }

    @Test("Has a state for each set of label values")
    func labels() throws {
        let states = ["on", "off"]
        let phase = try place.registry.stateSet("phase", states: states, labels: ["node"])
        #expect(try place.samples().isEmpty)
        try phase.set("off", labels: ["a"])
        try phase.set("on", labels: ["b"])
        #expect(
            try Set(place.samples())
                == Set(lines("node=\"a\",", states, on: "off") + lines("node=\"b\",", states, on: "on")))
        let error = refusal { try phase.set("on") }
        #expect(error?.code == .labels)
    }

    @Test("Refuses a state that was not declared, and changes nothing")
    func unknown() throws {
        let phase = try place.registry.stateSet("phase", states: ["on", "off"])
        try phase.set("off")
        let error = refusal { try phase.set("on ") }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == "\"on \" is not a state of phase: use one of [\"on\", \"off\"]")
        #expect(try place.samples() == lines("", ["on", "off"], on: "off"))
    }
}
