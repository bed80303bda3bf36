// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import FDMetrics
import FDMetricsStore

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
    /// Room for a text somewhat longer than the latest.
    private var capacity = 4096
    /// The latest scrape; nil before the first.
    private var latest: Cost?

    init(_ source: any SegmentSource) {
        self.source = source
        plan = GatherPlan(source)
    }

    /// Renders the store.
    /// - Parameters:
    ///   - names: If not empty: only the families that have one of these names, or a sample of such a name.
    ///   - counters: What is shown besides the store's own families.
    /// - Throws: `damaged`, `foreign`, `noSpace`, `system`.
    func render(
        _ format: ExpositionFormat, _ options: RenderOptions, _ names: [String], _ counters: [AddedCounter] = []
    ) throws(StoreError) -> Renderer.Text {
        let start = MonotonicTime.now
        let text: Renderer.Text
        do {
            text = try write(format, options, names.isEmpty ? nil : NameFilter(names, options.escaping), counters)
        } catch {
            // Whatever was learned before an error may be the reason for it.
            plan = GatherPlan(source)
            throw error
        }
        // Changed only where it must be: a text of another size would not fit where the one before it was.
        if text.count + text.count / 16 > capacity || capacity > 2 * text.count + 8192 {
            capacity = text.count + text.count / 8
        }
        latest = Cost(nanoseconds: MonotonicTime.now &- start, bytes: text.count)
        return text
    }

    private func write(
        _ format: ExpositionFormat, _ options: RenderOptions, _ filter: NameFilter?, _ counters: [AddedCounter]
    ) throws(StoreError) -> Renderer.Text {
        let text: (text: UnsafeMutablePointer<CChar>, count: Int)?
        switch format {
        case .text, .openMetrics:
            var writer = TextFormatWriter(capacity: capacity, format: format, options: options)
            try write(options, filter, counters, to: &writer)
            text = writer.finish()
        case .protobuf:
            var writer = ProtobufFormatWriter(capacity: capacity, options: options)
            try write(options, filter, counters, to: &writer)
            text = writer.finish()
        }
        guard let text else {
            throw StoreError(.noSpace, "there is no memory for the text of \(source.directory)")
        }
        return (text.text, text.count)
    }

    /// Writes the families by name, each as soon as it is gathered, so that the numbers of one are all that is held at a
    /// time. How many series there are is known at the end, and then goes to its place.
    private func write(
        _ options: RenderOptions, _ filter: NameFilter?, _ counters: [AddedCounter],
        to writer: inout some FormatWriter & ~Copyable
    ) throws(StoreError) {
        let gatherer = try Gatherer(plan, source)
        let added = try addedFamilies(options, counters).filter { filter?.admits($0.plan.descriptor) ?? true }
        let isCounting = options.contains(.selfMetrics)
        var countPlace: Int?
        var seriesCount = 0
        var next = 0
        func writeAdded(before name: [UInt8]?, _ writer: inout some FormatWriter & ~Copyable) {
            while next < added.count {
                let one = added[next]
                if let name, !one.plan.nameBytes.lexicographicallyPrecedes(name) { return }
                next += 1
                if SelfMetrics.isSeriesCount(one) {
                    countPlace = writer.count
                } else {
                    writer.write(one)
                }
            }
        }
        for family in plan.families {
            writeAdded(before: family.nameBytes, &writer)
            let isShown = filter?.admits(family.descriptor) ?? true
            // What the store says of itself counts all families, whichever are shown.
            if !isShown && !isCounting { continue }
            let snapshot = try gatherer.snapshot(of: family)
            seriesCount += snapshot.series.count
            if isShown { writer.write(snapshot) }
        }
        writeAdded(before: nil, &writer)
        guard let countPlace else { return }
        let end = writer.count
        writer.write(SelfMetrics.series(count: seriesCount))
        writer.moveTail(after: end, to: countPlace)
    }

    /// All families that a render shows, by name.
    func families(_ options: RenderOptions) throws(StoreError) -> [FamilySnapshot] {
        let gatherer = try Gatherer(plan, source)
        let gathered = try plan.families.map { family throws(StoreError) in try gatherer.snapshot(of: family) }
        let counted = SelfMetrics.series(count: gathered.reduce(0) { $0 + $1.series.count })
        let added = try addedFamilies(options).map { SelfMetrics.isSeriesCount($0) ? counted : $0 }
        return (gathered + added).sorted { $0.plan.nameBytes.lexicographicallyPrecedes($1.plan.nameBytes) }
    }

    /// The families of the processes and of the store itself, if they are asked for, and those of whoever renders, by name;
    /// the count of series is not known yet. A family that somebody has registered under the name of one of them is shown
    /// in its place.
    private func addedFamilies(
        _ options: RenderOptions, _ counters: [AddedCounter] = []
    ) throws(StoreError) -> [FamilySnapshot] {
        var added = counters.map { $0.family }
        if options.contains(.processMetrics) || options.contains(.processMetricsByWorker) {
            added += try ProcessMetrics(source, byWorker: options.contains(.processMetricsByWorker)).families()
        }
        if options.contains(.selfMetrics) {
            added += try SelfMetrics(
                source, familyCount: plan.families.count, damagedRecords: plan.damagedRecords, latestScrape: latest
            ).families()
            added.append(SelfMetrics.series(count: 0))
        }
        return added.filter { !plan.hasFamily(writtenAs: $0.plan.descriptor.name, options.escaping) }
            .sorted { $0.plan.nameBytes.lexicographicallyPrecedes($1.plan.nameBytes) }
    }
}

/// Writes families in some format, one after the other.
protocol FormatWriter: ~Copyable {
    /// The bytes written so far.
    var count: Int { get }
    mutating func write(_ family: FamilySnapshot)
    /// Moves all bytes after the first `end` to an earlier place, and what stands there behind them.
    mutating func moveTail(after end: Int, to place: Int)
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
        CFDMetricsLinux_monotonic_time()
    }
}
