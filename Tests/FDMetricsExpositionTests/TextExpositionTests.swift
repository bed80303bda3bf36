// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import Glibc
import Testing

/// Whole texts, compared byte for byte with files in Tests/exposition/golden.
@Suite("Text exposition")
struct TextExpositionTests {
    private let exposed: ExposedStore
    private var registry: MetricRegistry { exposed.registry }

    init() throws { exposed = try ExposedStore() }

    @Test("The content types are those of the formats")
    func contentType() {
        #expect(
            ExpositionFormat.allCases.map(\.contentType) == [
                "text/plain; version=0.0.4; charset=utf-8",
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            ])
    }

    @Test("A store without families is an empty text")
    func nothing() throws {
        #expect(try exposed.text() == "")
        #expect(try TextExposition.render(registry, as: .openMetrics) == "# EOF\n")
        #expect(try exposed.textOfReader() == "")
    }

    @Test("Every type, with and without labels, whatever the order of registering")
    func everyType() throws {
        let waits = try registry.histogramFamily(
            "wait", labels: ["queue"], bounds: [0.5], help: "Time that a job waits.", unit: "seconds")
        try waits.labels("small").observe(0.75)
        _ = try waits.labels("large")
        let run = try registry.histogram(
            "run_seconds", bounds: [0.1, 1, 1e6], help: "Time that a job takes.", unit: "seconds")
        for value in [0.1, 1, 1_999_998.9] { run.observe(value) }
        let replies = try registry.summary("reply_bytes", help: "Bytes of a reply.")
        for value in [1000, 0.5] { replies.observe(value) }
        try registry.summaryFamily("request_bytes", labels: ["route"], help: "Bytes of a request.").labels("/").observe(
            0)
        try registry.counter("jobs", help: "Jobs done.").increment(by: 3 as UInt64)
        let jobs = try registry.counterFamily("jobs_by_queue_total", labels: ["queue"], help: "Jobs done of a queue.")
        jobs["small"].increment()
        jobs["large"].increment(by: 1_234_567.75)
        jobs[""].increment(by: 1e16)
        try registry.gauge("depth", mode: .sum, help: "Items that wait.", unit: "items").set(2.5)
        let depths = try registry.gaugeFamily(
            "depth_by_queue_items", labels: ["queue", "kind"], mode: .liveMax, help: "Items that wait in a queue.",
            unit: "items")
        depths["small", "new"].decrement(by: 3)
        depths["large", "new"].set(1e6)
        try registry.gauge("resident_memory_bytes", mode: .all, help: "Memory of each process.").set(15e6)
        let nodes = try registry.stateSet(
            "node_phase", states: ["starting", "ready"], labels: ["node"], help: "What a node does.")
        try nodes.set("ready", labels: ["a"])
        try nodes.set("starting", labels: ["b"])
        _ = try registry.stateSet("phase", states: ["starting", "ready"], help: "What the service does.")
        try registry.info("build", help: "What runs here.").set([("version", "1.2.3"), ("revision", "0a1b2c")])
        let builds = try registry.info("node_build", labels: ["node"], help: "What runs on a node.")
        try builds.set([("version", "1.2.3")], labels: ["a"])
        try builds.set([("version", "1.2.4")], labels: ["b"])

        let expected = try golden("every_type")
        #expect(try exposed.text() == expected)
        // Again, from the plan that was kept; by another process; and by one that only reads.
        #expect(try exposed.text() == expected)
        #expect(try TextExposition.render(exposed.join()) == expected)
        #expect(try exposed.textOfReader() == expected)
        #expect(try TextExposition.render(registry, as: .openMetrics) == golden("every_type", as: .openMetrics))
    }

    @Test("Escapes help and label values, and repairs what is not UTF-8")
    func escaping() throws {
        let help = "A backslash \\, a \"quotation mark\", a line\nfeed, a tab\tand Größe 测试 🚀."
        let counters = try registry.counterFamily("c0", labels: ["a", "b"], help: help)
        let values = [
            ("back\\slash", "\\"), ("\"quoted\"", "\""), ("two\nlines", "\n"), ("\\n is no line feed", "\\\\\"\n"),
            ("Größe 测试 🚀", "{}=,# "), ("", ""),
        ]
        for (index, (a, b)) in values.enumerated() { try counters.labels(a, b).increment(by: UInt64(index + 1)) }
        let broken: [[UInt8]] = [[0x62, 0x72, 0x6F, 0xFF, 0x6B, 0x65, 0x6E, 0xC3], [0x80]]
        let handle = try withUnsafeBytes(broken) { first, second in
            try registry.store.series(counters.family, [first, second], 2)
        }
        Counter(handle: SeriesAddress(handle)).increment(by: 7 as UInt64)
        try registry.info("i0", help: "\\\\\n\n").set([("text", "a\\b\"c\nd")])
        _ = try registry.stateSet("s0", states: ["a\\b", "\"c\"", "d\ne", "é"], help: "\"States\"")

        #expect(try exposed.text() == golden("escaping"))
        #expect(try exposed.textOfReader() == golden("escaping"))
        #expect(try TextExposition.render(registry, as: .openMetrics) == golden("escaping", as: .openMetrics))
    }

    /// The bytes of two arrays, borrowed.
    private func withUnsafeBytes<Result>(
        _ arrays: [[UInt8]], _ body: (LabelValue, LabelValue) throws -> Result
    ) rethrows -> Result {
        try arrays[0].withUnsafeBytes { first in
            try arrays[1].withUnsafeBytes { second in
                try body(
                    LabelValue(bytes: first.baseAddress, count: first.count),
                    LabelValue(bytes: second.baseAddress, count: second.count))
            }
        }
    }

    @Test("Names with colons stay as they are, and a counter's _total is there once")
    func zmq() throws {
        let address = "ipc:///dev/shm/router.ipc"
        let sent = try registry.counterFamily(
            "fastdeploy:zmq:msg_send_total", labels: ["address"], help: "Total number of zmq messages sent")
        sent[address].increment()
        _ = try registry.counterFamily(
            "fastdeploy:zmq:msg_send_failed", labels: ["address"],
            help: "Total number of zmq messages that could not be sent"
        ).labels(address)
        let latency = try registry.histogramFamily(
            "fastdeploy:zmq:latency", labels: ["address"], bounds: [0.5, 1],
            help: "Latency of zmq messages, from send to receive (in milliseconds)")
        latency[address].observe(0.75)
        latency[address].observe(3)
        #expect(try exposed.text() == golden("zmq"))
    }

    @Test("A state set with colons in its name has a label name that Prometheus takes")
    func stateSetWithColons() throws {
        _ = try registry.stateSet("fastdeploy:engine:phase", states: ["on", "off"], help: "Phase.")
        #expect(
            try exposed.samples() == [
                "fastdeploy:engine:phase{fastdeploy_engine_phase=\"on\"} 1.0",
                "fastdeploy:engine:phase{fastdeploy_engine_phase=\"off\"} 0.0",
            ])
    }

    @Test("Families without series have their headers")
    func empty() throws {
        _ = try registry.histogramFamily("wait_seconds", labels: ["queue"], help: "Time that a job waits.")
        _ = try registry.summaryFamily("reply_bytes", labels: ["route"], help: "Bytes of a reply.")
        _ = try registry.counterFamily("jobs", labels: ["queue"], help: "Jobs done.")
        _ = try registry.stateSet("node_phase", states: ["on", "off"], labels: ["node"], help: "What a node does.")
        _ = try registry.info("build", help: "What runs here.")
        _ = try registry.gaugeFamily("depth_items", labels: ["queue"], mode: .sum, help: "Items that wait.")
        _ = try registry.gauge("latest_items", mode: .mostRecent, help: "What was set last.")
        #expect(try exposed.text() == golden("empty"))

        // The same text remains when all series are removed again.
        let jobs = try registry.counterFamily("jobs", labels: ["queue"])
        jobs["small"].increment()
        #expect(try exposed.text() != golden("empty"))
        try jobs.remove("small")
        #expect(try exposed.text() == golden("empty"))
        #expect(try exposed.textOfReader() == golden("empty"))
    }

    @Test("A family without help has an empty one")
    func withoutHelp() throws {
        try registry.counter("jobs").increment()
        #expect(try exposed.text() == "# HELP jobs_total \n# TYPE jobs_total counter\njobs_total 1.0\n")
    }

    @Test("Each process's sample of a gauge carries its slot, or its process id")
    func workerLabel() throws {
        let own = try registry.gaugeFamily("memory_bytes", labels: ["kind"], mode: .all)
        own["heap"].set(1)
        try exposed.join().gaugeFamily("memory_bytes", labels: ["kind"], mode: .all).labels("heap").set(2)
        #expect(
            try exposed.samples() == [
                "memory_bytes{kind=\"heap\",worker=\"0\"} 1.0", "memory_bytes{kind=\"heap\",worker=\"1\"} 2.0",
            ])
        let text = try Renderer.render(registry.store, as: .text, options: .labelsByPid)
        defer { free(text.start) }
        let pid = "pid=\"\(getpid())\""
        let lines = String(cString: text.start).split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines == ["memory_bytes{kind=\"heap\",\(pid)} 1.0", "memory_bytes{kind=\"heap\",\(pid)} 2.0"])
        #expect(text.count == strlen(text.start))
    }

    @Test(
        "A gauge of one process alone has no label for it, until a second process has had a value",
        arguments: [GaugeMode.all, .liveAll])
    func oneProcess(mode: GaugeMode) throws {
        let own = try registry.gaugeFamily("level", labels: ["kind"], mode: mode)
        own["heap"].set(1)
        own["stack"].set(2)
        let alone = ["level{kind=\"heap\"} 1.0", "level{kind=\"stack\"} 2.0"]
        #expect(try exposed.samples() == alone)
        // One that has it declared, and has never set it, changes nothing.
        let other = try exposed.join().gaugeFamily("level", labels: ["kind"], mode: mode)
        _ = try other.labels("heap")
        #expect(try exposed.samples() == alone)
        other["stack"].set(3)
        let both = [
            "level{kind=\"heap\",worker=\"0\"} 1.0", "level{kind=\"stack\",worker=\"0\"} 2.0",
            "level{kind=\"stack\",worker=\"1\"} 3.0",
        ]
        #expect(try exposed.samples() == both)
        // What has come stays, also to who sees the store for the first time.
        try own.remove("stack")
        #expect(try exposed.samples() == [both[0]])
        #expect(try exposed.textOfReader().contains(both[0] + "\n"))
        // Another gauge is another matter.
        try registry.gauge("depth", mode: mode).set(4)
        #expect(try exposed.samples() == ["depth 4.0", both[0]])
    }

    @Test("Labels are written in the order of their names, also those that a sample has besides")
    func order() throws {
        let labels = ["zone", "Method", "_a", "method", "kind"]
        let values = ["1", "2", "3", "4", "5"]
        try registry.counterFamily("c", labels: labels).labels(values).increment()
        try registry.histogramFamily("h", labels: labels, bounds: [1]).labels(values).observe(1)
        try registry.histogramFamily("h1", labels: ["a"], bounds: [1]).labels("b").observe(1)
        try registry.histogramFamily("h2", labels: ["z", "y"], bounds: [1]).labels("b", ",le=\"").observe(1)
        let gauge = try registry.gaugeFamily("g", labels: ["x", "a"], mode: .all)
        gauge["\",x", "}"].set(1)
        try exposed.join().gaugeFamily("g", labels: ["x", "a"], mode: .all).labels("y", "b").set(2)
        try registry.stateSet("s", states: ["on"], labels: ["t", "r"]).set("on", labels: ["1", "2"])
        let all = #"Method="2",_a="3",kind="5""#
        #expect(
            try exposed.samples() == [
                #"c_total{\#(all),method="4",zone="1"} 1.0"#,
                #"g{a="}",worker="0",x="\",x"} 1.0"#, #"g{a="b",worker="1",x="y"} 2.0"#,
                #"h_bucket{\#(all),le="1.0",method="4",zone="1"} 1.0"#,
                #"h_bucket{\#(all),le="+Inf",method="4",zone="1"} 1.0"#,
                #"h_count{\#(all),method="4",zone="1"} 1.0"#, #"h_sum{\#(all),method="4",zone="1"} 1.0"#,
                #"h1_bucket{a="b",le="1.0"} 1.0"#, #"h1_bucket{a="b",le="+Inf"} 1.0"#,
                #"h1_count{a="b"} 1.0"#, #"h1_sum{a="b"} 1.0"#,
                #"h2_bucket{le="1.0",y=",le=\"",z="b"} 1.0"#, #"h2_bucket{le="+Inf",y=",le=\"",z="b"} 1.0"#,
                #"h2_count{y=",le=\"",z="b"} 1.0"#, #"h2_sum{y=",le=\"",z="b"} 1.0"#,
                #"s{r="2",s="on",t="1"} 1.0"#,
            ])
    }

    @Test("The process's label gives way to a label of the family, so that no sample has one twice")
    func ownWorkerLabel() throws {
        let other = try exposed.join()
        for mode in [GaugeMode.all, .liveAll] {
            let name = "memory_\(mode.name)"
            try registry.gaugeFamily(name, labels: ["worker"], mode: mode).labels("w").set(1)
            try registry.gaugeFamily("\(name)_2", labels: ["worker_", "pid", "worker"], mode: mode).labels(
                "a", "b", "c"
            ).set(2)
            try other.gaugeFamily(name, labels: ["worker"], mode: mode).labels("x").set(3)
            try other.gaugeFamily("\(name)_2", labels: ["worker_", "pid", "worker"], mode: mode).labels(
                "a", "b", "c"
            ).set(4)
            #expect(
                try exposed.samples().filter { $0.hasPrefix(name) } == [
                    "\(name){worker=\"w\",worker_=\"0\"} 1.0",
                    "\(name){worker=\"x\",worker_=\"1\"} 3.0",
                    "\(name)_2{pid=\"b\",worker=\"c\",worker_=\"a\",worker__=\"0\"} 2.0",
                    "\(name)_2{pid=\"b\",worker=\"c\",worker_=\"a\",worker__=\"1\"} 4.0",
                ])
        }
        // Other modes have no such label.
        try registry.gaugeFamily("depth", labels: ["worker"], mode: .sum).labels("w").set(3)
        #expect(try exposed.samples().filter { $0.hasPrefix("depth") } == ["depth{worker=\"w\"} 3.0"])
    }
}
