// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
import FDMetricsStore
import Glibc

/// One scrape after the other of one store: its plan, and what the latest scrape was like. Not thread-safe: one render at
/// a time.
final class Scraper {
    /// What a scrape cost.
    struct Cost {
        var nanoseconds: UInt64
        var bytes: Int
    }

    private let source: any SegmentSource
    private var plan: GatherPlan
    /// Room for a text a little longer than the latest.
    private var capacity = 4096
    /// The latest scrape; nil before the first.
    private var latest: Cost?

    init(_ source: any SegmentSource) {
        self.source = source
        plan = GatherPlan(source)
    }

    /// Renders the store.
    /// - Parameter names: If not empty: only the families that have one of these names, or a sample of such a name.
    /// - Throws: `damaged`, `foreign`, `noSpace`, `system`.
    func render(
        _ format: ExpositionFormat, _ options: RenderOptions, _ names: [String]
    ) throws(StoreError) -> Renderer.Text {
        let start = MonotonicTime.now
        let text: Renderer.Text
        do {
            text = try write(format, options, names.isEmpty ? nil : NameFilter(names, options.escaping))
        } catch {
            // Whatever was learned before an error may be the reason for it.
            plan = GatherPlan(source)
            throw error
        }
        capacity = text.count + text.count / 8
        latest = Cost(nanoseconds: MonotonicTime.now &- start, bytes: text.count)
        return text
    }

    private func write(
        _ format: ExpositionFormat, _ options: RenderOptions, _ filter: NameFilter?
    ) throws(StoreError) -> Renderer.Text {
        let shown = try families(options, filter)
        let text: (text: UnsafeMutablePointer<CChar>, count: Int)?
        switch format {
        case .text, .openMetrics:
            var writer = TextFormatWriter(capacity: capacity, format: format, options: options)
            for family in shown { writer.write(family) }
            text = writer.finish()
        case .protobuf:
            var writer = ProtobufFormatWriter(capacity: capacity, options: options)
            for family in shown { writer.write(family) }
            text = writer.finish()
        }
        guard let text else {
            throw StoreError(.noSpace, "there is no memory for the text of \(source.directory)")
        }
        return (text.text, text.count)
    }

    /// The store's families and, if they are asked for, those of the processes and of the store itself, by name. A family
    /// that somebody has registered under the name of one of the latter is shown in its place.
    func families(_ options: RenderOptions, _ filter: NameFilter?) throws(StoreError) -> [FamilySnapshot] {
        // What the store says of itself counts all families, whichever are shown.
        let isWhole = filter == nil || options.contains(.selfMetrics)
        let gathered = try Gatherer(plan: plan, source: source).gather { isWhole || filter?.admits($0) == true }
        var more: [FamilySnapshot] = []
        if options.contains(.processMetrics) || options.contains(.processMetricsByWorker) {
            more += try ProcessMetrics(source, byWorker: options.contains(.processMetricsByWorker)).families()
        }
        if options.contains(.selfMetrics) {
            more += try SelfMetrics(
                source, shown: gathered, damagedRecords: plan.damagedRecords, latestScrape: latest
            ).families()
        }
        var shown = gathered
        if !more.isEmpty {
            shown += more.filter { !plan.hasFamily(writtenAs: $0.plan.descriptor.name, options.escaping) }
            shown.sort { $0.plan.nameBytes.lexicographicallyPrecedes($1.plan.nameBytes) }
        }
        if let filter { shown.removeAll { !filter.admits($0.plan.descriptor) } }
        return shown
    }
}

/// Names of families or of their samples, as scrapers list them in `name[]`.
struct NameFilter {
    private let names: Set<String>
    private let escaping: NameEscaping

    init(_ names: [String], _ escaping: NameEscaping) {
        self.names = Set(names)
        self.escaping = escaping
    }

    /// Whether the family's name, or one of its samples, is listed, as it is or as the scraper sees it.
    func admits(_ family: FamilyDescriptor) -> Bool {
        lists(family.name) || family.sampleNames.contains { lists($0) } || lists(family.name + "_created")
    }

    private func lists(_ name: String) -> Bool {
        names.contains(name) || (!NameEscaping.isLegacy(metric: name) && names.contains(escaping.escaped(metric: name)))
    }
}

/// The clock that no one sets.
private enum MonotonicTime {
    /// In nanoseconds.
    static var now: UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
    }
}
