// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import Testing

/// Texts of names that are not legacy. They are registered without the check that refuses them where they are not allowed,
/// which is a setting of the whole process.
@Suite("Text of UTF-8 names")
struct EscapingTextTests {
    private let exposed: ExposedStore
    private var registry: MetricRegistry { exposed.registry }

    init() throws { exposed = try ExposedStore() }

    private func family<Member: Instrument>(
        _ type: Member.Type, _ name: String, _ labels: [String] = [], help: String = "", unit: String = "",
        bounds: [Double] = [], mode: GaugeMode? = nil
    ) throws -> MetricFamily<Member> {
        MetricFamily(
            try registry.register(
                FamilyDescriptor(
                    type: type.type, name: name, help: help, unit: unit, labelNames: labels, bounds: bounds,
                    gaugeMode: mode)))
    }

    private func stateSet(_ name: String, _ states: [String], label: String) throws -> StateSet {
        StateSet(
            try registry.register(FamilyDescriptor(type: .stateSet, name: name, labelNames: [label], states: states)))
    }

    private func setInfo(_ name: String, _ texts: [(String, String)]) throws {
        let info = try registry.register(FamilyDescriptor(type: .info, name: name))
        let current = try registry.store.series(info, names: texts.map(\.0), values: texts.map(\.1)).filledRecord
        try registry.store.remove(info) { $0.record != current }
    }

    private func text(_ escaping: NameEscaping, as format: ExpositionFormat = .text) throws -> String {
        try TextExposition.render(registry, as: format, options: .escaping(escaping))
    }

    /// One family of each type, with labels.
    private func registerEveryType() throws {
        try family(Counter.self, "http.requests", ["http.method", "code"], help: "Größe \"a\"").labels("GET", "2")
            .increment(by: 3 as UInt64)
        try family(Histogram.self, "lat.s", ["route/path"], bounds: [0.5]).labels("/").observe(0.25)
        try family(Summary.self, "wait.time_seconds", unit: "seconds").labels().observe(2)
        try family(Gauge.self, "temp \"in\\out\"\n°C", ["räume"], mode: .sum).labels("a\"b").set(1)
        try family(Gauge.self, "per.worker", mode: .all).labels().set(2)
        try setInfo("build.data", [("git.commit", "abc"), ("dirty", "no")])
        try stateSet("engine.state", ["up", "down"], label: "x.y").set("down", labels: ["1"])
        try family(Counter.self, "legacy_name", ["dotted.label"]).labels("v").increment()
        try registry.counter("legacy:colon").increment()
    }

    @Test("Underscores, in 0.0.4")
    func underscores() throws {
        try registerEveryType()
        #expect(
            try text(.underscores) == """
                # HELP build_data_info \n\
                # TYPE build_data_info gauge
                build_data_info{dirty="no",git_commit="abc"} 1.0
                # HELP engine_state \n\
                # TYPE engine_state gauge
                engine_state{engine_state="up",x_y="1"} 0.0
                engine_state{engine_state="down",x_y="1"} 1.0
                # HELP http_requests_total Größe "a"
                # TYPE http_requests_total counter
                http_requests_total{code="2",http_method="GET"} 3.0
                # HELP lat_s \n\
                # TYPE lat_s histogram
                lat_s_bucket{le="0.5",route_path="/"} 1.0
                lat_s_bucket{le="+Inf",route_path="/"} 1.0
                lat_s_count{route_path="/"} 1.0
                lat_s_sum{route_path="/"} 0.25
                # HELP legacy:colon_total \n\
                # TYPE legacy:colon_total counter
                legacy:colon_total 1.0
                # HELP legacy_name_total \n\
                # TYPE legacy_name_total counter
                legacy_name_total{dotted_label="v"} 1.0
                # HELP per_worker \n\
                # TYPE per_worker gauge
                per_worker 2.0
                # HELP temp__in_out___C \n\
                # TYPE temp__in_out___C gauge
                temp__in_out___C{r_ume="a\\"b"} 1.0
                # HELP wait_time_seconds \n\
                # TYPE wait_time_seconds summary
                wait_time_seconds_count 1.0
                wait_time_seconds_sum 2.0

                """)
        #expect(try exposed.text() == text(.underscores))
        #expect(try exposed.textOfReader() == text(.underscores))
    }

    @Test("Dots, in OpenMetrics")
    func dots() throws {
        try registerEveryType()
        #expect(
            try text(.dots, as: .openMetrics) == """
                # HELP build_dot_data_ \n\
                # TYPE build_dot_data_ info
                build_dot_data__info{dirty="no",git_dot_commit="abc"} 1.0
                # HELP engine_dot_state \n\
                # TYPE engine_dot_state stateset
                engine_dot_state{engine_dot_state="up",x_dot_y="1"} 0.0
                engine_dot_state{engine_dot_state="down",x_dot_y="1"} 1.0
                # HELP http_dot_requests_ Größe \\"a\\"
                # TYPE http_dot_requests_ counter
                http_dot_requests__total{code="2",http_dot_method="GET"} 3.0
                # HELP lat_dot_s \n\
                # TYPE lat_dot_s histogram
                lat_dot_s_bucket{le="0.5",route__path="/"} 1.0
                lat_dot_s_bucket{le="+Inf",route__path="/"} 1.0
                lat_dot_s_count{route__path="/"} 1.0
                lat_dot_s_sum{route__path="/"} 0.25
                # HELP legacy:colon \n\
                # TYPE legacy:colon counter
                legacy:colon_total 1.0
                # HELP legacy_name \n\
                # TYPE legacy_name counter
                legacy_name_total{dotted_dot_label="v"} 1.0
                # HELP per_dot_worker \n\
                # TYPE per_dot_worker gauge
                per_dot_worker 2.0
                # HELP temp____in__out______C \n\
                # TYPE temp____in__out______C gauge
                temp____in__out______C{r__ume="a\\"b"} 1.0
                # HELP wait_dot_time__seconds \n\
                # TYPE wait_dot_time__seconds summary
                # UNIT wait_dot_time__seconds seconds
                wait_dot_time__seconds_count 1.0
                wait_dot_time__seconds_sum 2.0
                # EOF

                """)
    }

    @Test("Values: what Prometheus can turn back")
    func values() throws {
        try registerEveryType()
        let lines = try text(.values, as: .openMetrics).split(separator: "\n")
        #expect(lines.contains("U__http_2e_requests__total{code=\"2\",U__http_2e_method=\"GET\"} 3.0"))
        #expect(lines.contains("# TYPE U__http_2e_requests_ counter"))
        #expect(lines.contains("U__build_2e_data__info{dirty=\"no\",U__git_2e_commit=\"abc\"} 1.0"))
        #expect(lines.contains("U__engine_2e_state{U__engine_2e_state=\"down\",U__x_2e_y=\"1\"} 1.0"))
        #expect(lines.contains("legacy:colon_total 1.0"))
        #expect(try text(.values).contains("# TYPE U__http_2e_requests__total counter\n"))
    }

    @Test("Allowed: names in quotation marks within the braces")
    func allowed() throws {
        try registerEveryType()
        #expect(
            try text(.allowUTF8, as: .openMetrics) == """
                # HELP "build.data" \n\
                # TYPE "build.data" info
                {"build.data_info",dirty="no","git.commit"="abc"} 1.0
                # HELP "engine.state" \n\
                # TYPE "engine.state" stateset
                {"engine.state","engine.state"="up","x.y"="1"} 0.0
                {"engine.state","engine.state"="down","x.y"="1"} 1.0
                # HELP "http.requests" Größe \\"a\\"
                # TYPE "http.requests" counter
                {"http.requests_total",code="2","http.method"="GET"} 3.0
                # HELP "lat.s" \n\
                # TYPE "lat.s" histogram
                {"lat.s_bucket",le="0.5","route/path"="/"} 1.0
                {"lat.s_bucket",le="+Inf","route/path"="/"} 1.0
                {"lat.s_count","route/path"="/"} 1.0
                {"lat.s_sum","route/path"="/"} 0.25
                # HELP legacy:colon \n\
                # TYPE legacy:colon counter
                legacy:colon_total 1.0
                # HELP legacy_name \n\
                # TYPE legacy_name counter
                legacy_name_total{"dotted.label"="v"} 1.0
                # HELP "per.worker" \n\
                # TYPE "per.worker" gauge
                {"per.worker"} 2.0
                # HELP "temp \\"in\\\\out\\"\\n°C" \n\
                # TYPE "temp \\"in\\\\out\\"\\n°C" gauge
                {"temp \\"in\\\\out\\"\\n°C","räume"="a\\"b"} 1.0
                # HELP "wait.time_seconds" \n\
                # TYPE "wait.time_seconds" summary
                # UNIT "wait.time_seconds" seconds
                {"wait.time_seconds_count"} 1.0
                {"wait.time_seconds_sum"} 2.0
                # EOF

                """)
        #expect(try text(.allowUTF8).contains("# TYPE \"http.requests_total\" counter\n"))
    }

    @Test("A unit that the escaped name does not end with is left out")
    func unit() throws {
        try family(Counter.self, "io.time_seconds", unit: "seconds").labels().increment()
        #expect(try text(.underscores, as: .openMetrics).contains("# UNIT io_time_seconds seconds\n"))
        #expect(try !text(.values, as: .openMetrics).contains("# UNIT"))
        #expect(try text(.allowUTF8, as: .openMetrics).contains("# UNIT \"io.time_seconds\" seconds\n"))
    }

    @Test("Families whose names become the same are both shown, the legacy one under its own")
    func collision() throws {
        try family(Counter.self, "a.b").labels().increment()
        try family(Counter.self, "a/b").labels().increment(by: 2 as UInt64)
        #expect(try exposed.samples() == ["a_b_total 1.0", "U__a_2f_b__total 2.0"])
        // A legacy one that comes later takes its name.
        try registry.counter("a_b").increment(by: 3 as UInt64)
        #expect(try exposed.samples() == ["U__a_2e_b__total 1.0", "U__a_2f_b__total 2.0", "a_b_total 3.0"])
        // The names of samples count, not those of families alone; and `values` may be taken as well.
        try family(Gauge.self, "a-b_total", mode: .sum).labels().set(4)
        try registry.gauge("U__a_2d_b__total", mode: .sum).set(5)
        #expect(
            try exposed.samples() == [
                "U__a_2d_b__total 5.0", "U__a_2d_b__total_ 4.0", "U__a_2e_b__total 1.0", "U__a_2f_b__total 2.0",
                "a_b_total 3.0",
            ])
        #expect(try text(.allowUTF8).contains("{\"a.b_total\"} 1.0"))
    }

    @Test("Labels whose names become the same, or one that is taken, are told apart")
    func labelCollision() throws {
        try family(Counter.self, "c", ["a.b", "a_b", "a/b", "..name.."]).labels("1", "2", "3", "4").increment()
        try family(Gauge.self, "g", ["worker", "worker."], mode: .all).labels("1", "2").set(1)
        try stateSet("s.t", ["on"], label: "s_t").set("on", labels: ["1"])
        #expect(
            try exposed.samples() == [
                "c_total{U___2e__2e_name_2e__2e_=\"4\",U__a_2e_b=\"1\",U__a_2f_b=\"3\",a_b=\"2\"} 1.0",
                "g{worker=\"1\",U__worker_2e_=\"2\"} 1.0",
                "s_t{U__s_2e_t=\"on\",s_t=\"1\"} 1.0",
            ])
    }

    @Test("A family of the store under the escaped name of one of the processes' stands in its place")
    func ownFamilies() throws {
        try family(Gauge.self, "process.threads", mode: .sum).labels().set(7)
        let text = try TextExposition.render(registry, options: .processMetrics)
        #expect(text.split(separator: "\n").filter { $0.hasPrefix("process_threads") } == ["process_threads 7.0"])
        #expect(text.components(separatedBy: "# TYPE process_threads ") == 2)
    }

    @Test("An info gets texts of UTF-8 keys when it has been shown already")
    func laterInfo() throws {
        try setInfo("build", [("a", "1")])
        #expect(try exposed.samples() == ["build_info{a=\"1\"} 1.0"])
        try setInfo("build", [("a.b", "2"), ("a_b", "3")])
        #expect(try exposed.samples() == ["build_info{U__a_2e_b=\"2\",a_b=\"3\"} 1.0"])
        #expect(try text(.allowUTF8).hasSuffix("build_info{\"a.b\"=\"2\",a_b=\"3\"} 1.0\n"))
    }

    @Test("The names of a scrape are those that were registered")
    func names() throws {
        try registerEveryType()
        let text = try TextExposition.render(registry, names: ["http.requests", "lat.s_sum"])
        #expect(text.split(separator: "\n").filter { $0.hasPrefix("# TYPE") }.count == 2)
    }
}

extension String {
    /// Into how many parts a separator cuts it.
    fileprivate func components(separatedBy separator: String) -> Int {
        split(separator: separator, omittingEmptySubsequences: false).count
    }
}
