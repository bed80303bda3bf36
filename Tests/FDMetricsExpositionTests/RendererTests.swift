// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsExposition
import FDMetricsStore
import FDMetricsTestSupport
import Glibc
import Testing

/// Which families are rendered, and what a renderer keeps from one scrape to the next.
@Suite("Renderer")
struct RendererTests {
    private let exposed: ExposedStore
    private var registry: MetricRegistry { exposed.registry }

    init() throws { exposed = try ExposedStore() }

    // MARK: - Names

    /// The families that are shown for a list of names.
    private func shown(_ names: [String], _ options: RenderOptions = [], as format: ExpositionFormat = .text)
        throws -> [String]
    {
        try TextExposition.render(registry, as: format, options: options, names: names).split(separator: "\n")
            .compactMap {
                $0.hasPrefix("# TYPE ") ? String($0.split(separator: " ")[2]) : nil
            }
    }

    @Test("A family is shown when its name or that of one of its samples is listed")
    func names() throws {
        try registry.counter("jobs").increment()
        try registry.gauge("depth", mode: .sum).set(1)
        try registry.histogram("wait").observe(1)
        try registry.summary("size").observe(1)
        try registry.info("build").set([("a", "b")])
        #expect(try shown([]).count == 5)
        for name in ["jobs", "jobs_total", "jobs_created"] { #expect(try shown([name]) == ["jobs_total"]) }
        for name in ["wait", "wait_bucket", "wait_sum", "wait_count", "wait_created"] {
            #expect(try shown([name]) == ["wait"])
        }
        for name in ["size", "size_sum", "size_count"] { #expect(try shown([name]) == ["size"]) }
        for name in ["build", "build_info"] { #expect(try shown([name]) == ["build_info"]) }
        #expect(try shown(["depth", "jobs_total", "nothing"]) == ["depth", "jobs_total"])
        for name in ["dept", "depth_total", "depth_sum", "jobs_sum", "size_bucket", "", "Depth"] {
            #expect(try shown([name]) == [])
        }
        #expect(try shown(["jobs"], as: .openMetrics) == ["jobs"])
        #expect(try TextExposition.render(registry, as: .openMetrics, names: ["nothing"]) == "# EOF\n")
        #expect(try TextExposition.renderBytes(registry, as: .protobuf, names: ["nothing"]) == [])
    }

    @Test("Those of processes and of the store are listed like others, and count all families")
    func ownNames() throws {
        try registry.counter("jobs").increment()
        try registry.gauge("depth", mode: .sum).set(1)
        let all: RenderOptions = [.selfMetrics, .processMetrics]
        #expect(
            try shown(["process_threads", "fdmetrics_families"], all) == ["fdmetrics_families", "process_threads"])
        #expect(
            try TextExposition.render(registry, options: all, names: ["fdmetrics_families"]).contains(
                "\nfdmetrics_families 2.0\n"))
        #expect(try shown(["process_threads"]) == [])
    }

    @Test("A difference is right when its two counters are not listed")
    func difference() throws {
        let sent = try registry.counterFamily("sent", labels: ["a"])
        let received = try registry.counterFamily("received", labels: ["a"])
        try registry.difference(
            "in_flight", of: "sent", and: "received", help: "Sent and not received.", labels: ["a"], values: ["x"])
        sent["x"].increment(by: 5 as UInt64)
        received["x"].increment(by: 2 as UInt64)
        #expect(try TextExposition.render(registry, names: ["in_flight"]).hasSuffix("\nin_flight{a=\"x\"} 3.0\n"))
    }

    // MARK: - Directories

    private func samples(_ renderer: DirectoryRenderer, _ options: RenderOptions = []) throws -> [String] {
        let text = try renderer.render(as: .text, options: options)
        defer { free(text.start) }
        return String(cString: text.start).split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
    }

    @Test("A directory's renderer shows what came since, also in a further segment")
    func directory() throws {
        let family = try registry.counterFamily("c", labels: ["n"])
        family["0"].increment()
        let renderer = try DirectoryRenderer(directory: exposed.place.directory)
        #expect(try samples(renderer) == ["c_total{n=\"0\"} 1.0"])
        family["0"].increment()
        for number in 1..<9000 { _ = try family.labels("\(number)") }
        #expect(exposed.place.contents.contains("fdmetrics-1.seg"))
        let shown = try samples(renderer)
        #expect(shown.count == 9000 && shown.contains("c_total{n=\"0\"} 2.0"))
    }

    @Test("It finds the store that came in the place of another, and says when there is none")
    func replaced() throws {
        let place = TemporaryStore()
        let renderer = DirectoryRenderer(expecting: place.directory)
        func missing() {
            let error = #expect(throws: StoreError.self) { try samples(renderer) }
            #expect(error?.code == .notFound)
        }
        missing()
        #expect(throws: StoreError.self) { try DirectoryRenderer(directory: place.directory) }
        for number in 0..<3 {
            let store = try place.open()
            let registry = MetricRegistry(store: store)
            try registry.counter("c\(number)").increment()
            #expect(try samples(renderer) == ["c\(number)_total 1.0"])
            for name in place.contents { place.remove(name) }
            missing()
            // A process that has the file open leaves it for a new one when it registers.
            try registry.counter("d\(number)").increment()
            #expect(try samples(renderer) == ["c\(number)_total 0.0", "d\(number)_total 1.0"])
            for name in place.contents { place.remove(name) }
            missing()
            place.close(store)
        }
        missing()
    }

    @Test("It unmaps a store that has gone")
    func unmapped() throws {
        let place = TemporaryStore()
        let renderer = DirectoryRenderer(expecting: place.directory)
        func mappings() throws -> Int {
            try #require(
                fopen("/proc/self/maps", "re").map { file in
                    defer { fclose(file) }
                    var line = [CChar](repeating: 0, count: 4096)
                    var count = 0
                    while fgets(&line, Int32(line.count), file) != nil {
                        if String(cString: line).contains(place.directory) { count += 1 }
                    }
                    return count
                })
        }
        for _ in 0..<3 {
            let store = try place.open()
            try MetricRegistry(store: store).counter("c").increment()
            _ = try samples(renderer)
            place.close(store)
            #expect(try mappings() > 0)
            for name in place.contents { place.remove(name) }
            #expect(throws: StoreError.self) { try samples(renderer) }
            #expect(try mappings() == 0)
        }
    }

    @Test("It knows what its latest scrape was like, and starts over with another store")
    func scrapeCost() throws {
        try registry.counter("c").increment()
        let renderer = try DirectoryRenderer(directory: exposed.place.directory)
        func cost() throws -> [String] { try samples(renderer, .selfMetrics).filter { $0.contains("_scrape_") } }
        #expect(try cost() == [])
        let text = try renderer.render(as: .openMetrics, options: [])
        free(text.start)
        let shown = try cost()
        #expect(shown.count == 2 && shown[0] == "fdmetrics_scrape_bytes \(Double(text.count))")
        let seconds = try #require(shown[1].split(separator: " ").last.flatMap { Double($0) })
        #expect(shown[1].hasPrefix("fdmetrics_scrape_duration_seconds ") && seconds > 0 && seconds < 60)
    }
}
