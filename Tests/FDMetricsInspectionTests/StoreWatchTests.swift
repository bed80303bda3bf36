// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsInspection
import FDMetricsStore
import FDMetricsTestSupport
import Foundation
import Testing

/// What the page's server answers.
@Suite("Store watch")
struct StoreWatchTests {
    private let store: WatchedStore
    private let requests: MetricFamily<Counter>

    init() throws {
        store = try WatchedStore()
        requests = try store.registry.counterFamily("requests", labels: ["path", "code"], help: "Requests.")
        for (path, code, amount) in [("/a", "200", 60.0), ("/a", "500", 3), ("/B", "200", 40)] {
            requests[path, code].increment(by: amount)
        }
        try store.registry.gauge("level", mode: .max).set(4)
        let delay = try store.registry.histogram("delay_seconds", bounds: [0.1, 1])
        for value in [0.05, 0.5, 0.5, 7] { delay.observe(value) }
    }

    @Test("Families with their totals, without series that nobody asked for")
    func totals() throws {
        let answer = try store.answer()
        #expect(answer.names == ["delay_seconds", "level", "requests"])
        let family = answer.family("requests")
        #expect(family.numbers("totals") == [103] && family.labels == [])
        #expect(family["series_count"] as? Int == 3 && family["help"] as? String == "Requests.")
        let delay = answer.family("delay_seconds")
        #expect(delay.numbers("totals") == [1, 2, 1, 8.05] && delay.numbers("bounds") == [0.1, 1])
        let level = answer.family("level")
        #expect(level["least"] as? Double == 4 && level["totals"] == nil && level["mode"] as? String == "max")
        // A single series stands for its family.
        #expect(level.labels == [""])
        #expect(answer["directory"] as? String == store.place.directory)
    }

    @Test("Opened families have so many series as were asked for")
    func opened() throws {
        #expect(try store.answer("open=2:requests").family("requests").labels.count == 2)
        #expect(
            try store.answer("open=9:requests&open=5:nothing").family("requests").labels
                == [#"{code="200",path="/B"}"#, #"{code="200",path="/a"}"#, #"{code="500",path="/a"}"#])
    }

    @Test(
        "Filters by names and labels",
        arguments: [
            ("filter=requests", ["requests"], 3), ("filter=PATH%3d%2Fb", ["requests"], 1),
            ("filter=path%3D/a+-code=500", ["requests"], 1), ("filter=level", ["level"], 1),
            ("filter=-requests", ["delay_seconds", "level"], 2), ("filter=%22/a%22", ["requests"], 2),
            ("filter=nothing", [], 0), ("type=gauge", ["level"], 1), ("type=gauge&filter=/a", [], 0),
        ])
    func filters(query: String, names: [String], series: Int) throws {
        let answer = try store.answer(query + "&unfold=50")
        #expect(answer.names == names)
        let matched = answer["matched"] as! [String: Int]
        #expect(matched == ["families": names.count, "series": series])
        if query.hasPrefix("filter") { #expect(answer.families.reduce(0) { $0 + $1.labels.count } == series) }
        let types = try store.answer("type=gauge")["types"] as! [String: Int]
        #expect(types["counter"] == 1 && types["gauge"] == 1 && types["info"] == 0)
    }

    @Test("Orders families and series by name, value, number of series and rate, also the other way round")
    func orders() throws {
        #expect(try store.answer("order=value").names == ["requests", "delay_seconds", "level"])
        #expect(try store.answer("order=series").names.first == "requests")
        #expect(try store.answer("order=name&reverse=1").names == ["requests", "level", "delay_seconds"])
        #expect(try store.answer("order=value&families=1").names == ["requests"])
        let byValue = try store.answer("order=value&open=5:requests").family("requests").labels
        #expect(byValue.first == #"{code="200",path="/a"}"# && byValue.last == #"{code="500",path="/a"}"#)
        requests["/a", "500"].increment(by: 10.0)
        let byRate = try store.freshAnswer("order=rate&open=5:requests")
        #expect(byRate.names.first == "requests")
        #expect(byRate.family("requests").labels.first == #"{code="500",path="/a"}"#)
    }

    @Test("Flow counts what comes, whatever is removed or made again")
    func flow() throws {
        #expect(try store.answer().family("requests").numbers("flow") == [0])
        requests["/a", "200"].increment(by: 5.0)
        requests["/new", "200"].increment(by: 2.0)
        #expect(try store.freshAnswer().family("requests").numbers("flow") == [7])
        try requests.remove("/a", "200")
        #expect(try store.freshAnswer().family("requests").numbers("flow") == [7])
        requests["/a", "200"].increment(by: 9.0)
        let answer = try store.freshAnswer()
        #expect(answer.family("requests").numbers("flow") == [16])
        #expect(answer.family("requests").numbers("totals") == [3 + 40 + 2 + 9])
    }

    @Test("Who asks within a moment gets the same sample, another store begins anew")
    func samples() throws {
        let first = try store.answer()
        requests["/a", "200"].increment(by: 5.0)
        let second = try store.answer()
        #expect(first["time"] as? Double == second["time"] as? Double)
        #expect(second.family("requests").numbers("totals") == [103])
        let third = try store.freshAnswer()
        #expect(third.family("requests").numbers("totals") == [108])
        #expect(third["epoch"] as? UInt64 == first["epoch"] as? UInt64)
        store.reopen()
        let fourth = try store.answer()
        #expect(fourth["epoch"] as? UInt64 != first["epoch"] as? UInt64)
        #expect(fourth.family("requests").numbers("flow") == [0])
    }

    @Test("Numbers that JSON has none for")
    func notFinite() throws {
        try store.registry.gauge("endless", mode: .max).set(.infinity)
        try store.registry.gauge("none", mode: .max).set(.nan)
        requests["/a", "200"].increment(by: .infinity)
        let answer = try store.answer()
        func value(_ name: String) -> Any? {
            ((answer.family(name)["series"] as? [[String: Any]])?.first?["values"] as? [Any])?.first
        }
        #expect(value("endless") as? String == "+Inf" && value("none") as? String == "NaN")
        #expect(answer.family("requests")["totals"] as? [String] == ["+Inf"])
        // Nothing can be told of what came to it any more, but nothing else suffers.
        requests["/B", "200"].increment(by: 2.0)
        #expect(try store.freshAnswer().family("requests").numbers("flow") == [2])
    }

    @Test("Without a store it says why")
    func missing() throws {
        let text = StoreWatch().answer(StoreQuery("")) { () throws(StoreError) in
            try StoreReader(directory: store.place.directory + "/none")
        }.compactText
        #expect(text.hasPrefix("{\"error\":\"there is no directory"))
    }

    @Test("This process is shown alive, with what the kernel says of it")
    func processes() throws {
        let processes = try store.answer()["processes"] as! [String: Any]
        let shown = processes["shown"] as! [[String: Any]]
        #expect(processes["live"] as? Int == 1 && processes["dead"] as? Int == 0 && processes["open"] as? Bool == true)
        #expect(shown.first?["name"] as? String == shown.first?["command"] as? String)
        #expect(shown.first?["pid"] as? Int32 == getpid() && shown.first?["state"] as? String == "alive")
        #expect((shown.first?["threads"] as! Int) > 0 && (shown.first?["resident_bytes"] as! Double) > 1e6)
        let now = try store.answer()["now"] as! Double
        #expect((shown.first?["started"] as! Double) <= now + 1)
        #expect(try (store.answer("processes=0")["processes"] as! [String: Any])["shown"] as? [Int] == [])
    }

    @Test("A store that nobody has open any more is there all the same, and said to be deserted")
    func deserted() throws {
        store.place.close(store.registry.store)
        let answer = try store.freshAnswer()
        let processes = answer["processes"] as! [String: Any]
        #expect(processes["live"] as? Int == 0 && processes["dead"] as? Int == 1 && processes["open"] as? Bool == false)
        #expect(answer.family("requests").numbers("totals") == [103])
    }
}
