// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
package import FDMetricsStore

extension StoreListing {
    /// The listing for people, a line for each thing. What belongs to a line is indented below it.
    /// - Throws: `notFound`, `system`, where the processes of the store cannot be asked for.
    package func text() throws(StoreError) -> TextBuffer {
        var lines = ListingLines(reader: reader, holders: try SlotHolders(reader))
        lines.addHeader(self)
        for segment in segments { lines.add(segment) }
        for process in processes { lines.add(process) }
        for family in families { lines.add(family) }
        return lines.finish()
    }
}

private struct ListingLines: ~Copyable {
    let reader: StoreReader
    var holders: SlotHolders
    private var out = TextBuffer()

    init(reader: StoreReader, holders: consuming SlotHolders) {
        self.reader = reader
        self.holders = holders
    }

    consuming func finish() -> TextBuffer { out }

    mutating func addHeader(_ store: StoreListing) {
        out.add("store ")
        out.add(store.directory, as: .plain)
        out.add("\n  id ")
        out.addStoreID(store)
        add(", layout version ", UInt64(StoreFormat.version))
        out.add(", created ")
        out.add(time: store.createdTime)
        add(", ", UInt64(store.laneCount))
        add(" lanes, series limit ", store.seriesLimit)
        if store.isAutomatic { out.add(", removed by its maker") }
        add("\n  removals ", store.removals)
        add(", dropped for want of space ", store.droppedNoSpace)
        add(", dropped by the series limit ", store.droppedSeriesLimit)
        add(", conflicts ", store.conflicts)
        out.add("\n")
    }

    mutating func add(_ segment: StoreListing.SegmentEntry) {
        let geometry = segment.geometry
        add("segment ", UInt64(segment.number))
        add(": ", UInt64(geometry.fileSize))
        out.add(segment.isSealed ? " bytes, sealed" : " bytes")
        add("\n  index ", segment.entries)
        add(" of ", UInt64(geometry.indexCapacity))
        add(" slots\n  records ", segment.recordsNext)
        add(" bytes taken, ", segment.recordsReserved)
        add(" reserved, ", UInt64(geometry.recordsSize))
        add(" in all\n  cells ", segment.cellsNext)
        add(" bytes of each lane taken, ", segment.cellsReserved)
        add(" reserved, ", UInt64(geometry.cellsSize))
        out.add(" in all\n")
        for (index, position) in segment.damaged.enumerated() {
            add(index == 0 ? "  damaged records at index slots " : ", ", UInt64(position))
        }
        if !segment.damaged.isEmpty { out.add("\n") }
    }

    mutating func add(_ process: ProcessEntry) {
        add("process slot ", UInt64(process.slot))
        add(", generation ", UInt64(process.generation))
        out.add(process.isAlive ? ": alive" : ": dead")
        add(", pid ", process.pid)
        add(" in namespace ", process.pidNamespace)
        add(", started at tick ", process.startTime)
        out.add(", attached ")
        out.add(time: process.attachedTime)
        out.add(", command ")
        out.add(process.command, as: .quoted)
        if let name = process.givenName {
            out.add(", name ")
            out.add(name, as: .quoted)
        }
        out.add("\n")
    }

    mutating func add(_ family: StoreListing.FamilyEntry) {
        let descriptor = family.descriptor
        out.add("family ")
        out.add(descriptor.name, as: .plain)
        out.add(": ")
        out.add(descriptor.type.name, as: .plain)
        if let mode = descriptor.gaugeMode { add(", mode ", [mode.name], as: .plain) }
        if !descriptor.unit.isEmpty { add(", unit ", [descriptor.unit], as: .plain) }
        add(", labels ", descriptor.labelNames, as: .plain)
        for (index, bound) in descriptor.bounds.enumerated() {
            out.add(index == 0 ? ", bounds " : ", ")
            out.add(bound)
        }
        add(", states ", descriptor.states, as: .quoted)
        if family.isReplaced { out.add(", replaced by another declaration") }
        if !descriptor.help.isEmpty { add("\n  help ", [descriptor.help], as: .quoted) }
        for record in family.records {
            add("\n  record in segment ", UInt64(record.segment))
            add(" at ", UInt64(record.offset))
            out.add(", ")
            out.add(Int(record.seriesCount))
            out.add(" series")
        }
        out.add("\n")
        for series in family.series { add(series, descriptor) }
    }

    private mutating func add(_ entry: StoreListing.SeriesEntry, _ family: FamilyDescriptor) {
        out.add("  series ")
        let text = entry.series.text
        if text.isEmpty { out.add("{}") } else { out.add(text, as: .plain) }
        out.add(entry.isRemoved ? " removed: " : ": ")
        let cells = SeriesCells(entry.series, entry.segment)
        // Behind the sum stands where the series is, on the lines below what it is made of.
        func addPlace(_ out: inout TextBuffer) {
            out.add(" (segment ")
            out.add(entry.segment.pointee.geometry.number)
            out.add(" at ")
            out.add(entry.offset)
            out.add(")\n")
        }
        switch family.type {
        case .counter:
            out.add(cells.counterTotal)
            addPlace(&out)
            for lane in 0..<cells.laneCount {
                let cell = cells.counter(lane)
                add("    lane ", UInt64(lane))
                add(": ", cell.whole)
                out.add(" + ")
                out.add(cell.fraction)
                out.add("\n")
            }
        case .histogram:
            add(cells.total(boundCount: family.bounds.count))
            addPlace(&out)
            for bucket in 0...family.bounds.count {
                out.add("    bucket le=")
                out.add(bucket < family.bounds.count ? family.bounds[bucket] : .infinity)
                out.add(": ")
                add(cells.total(bucket: bucket))
                for lane in 0..<cells.laneCount { add("; lane ", lane, cells.pair(lane, bucket: bucket)) }
                out.add("\n")
            }
        case .summary:
            add(cells.total())
            addPlace(&out)
            for lane in 0..<cells.laneCount {
                add("    lane ", lane, cells.pair(lane))
                out.add("\n")
            }
        case .info:
            out.add("1.0")
            addPlace(&out)
        case .stateSet:
            let state = SeriesCells.state(entry.series)
            out.add(state.number < family.states.count ? family.states[state.number] : "", as: .quoted)
            out.add(state.time == 0 ? " is on, never set" : " is on, set ")
            if state.time != 0 { out.add(time: state.time) }
            addPlace(&out)
        case .gauge:
            guard let mode = family.gaugeMode else {
                for (index, counter) in family.states.enumerated() {
                    add(index == 0 ? "" : " - ", [counter], as: .plain)
                }
                return addPlace(&out)
            }
            let (value, instances) = holders.gauge(entry.series, mode, reader)
            if let value { out.add(value) } else { out.add("one value for each process, or none") }
            addPlace(&out)
            for instance in instances { add(instance) }
        }
    }

    private mutating func add(_ instance: GaugeContribution) {
        if let worker = instance.owner.worker {
            add("    instance of logical worker ", UInt64(worker))
        } else {
            add("    instance of process slot ", UInt64(instance.owner.slot))
            add(", generation ", UInt64(instance.owner.generation))
            out.add(holders.isAlive(instance.owner) ? ", alive" : ", dead")
            add(", pid ", instance.pid)
        }
        out.add(": ")
        if let value = instance.value { out.add(value) } else { out.add("not set") }
        addSetTime(instance.time)
        if let carried = instance.carried {
            out.add(", carried from the dead ")
            out.add(carried)
            addSetTime(instance.carriedTime)
        }
        out.add("\n")
    }

    private mutating func addSetTime(_ time: UInt64) {
        if time == 0 { return }
        out.add(", set ")
        out.add(time: time)
    }

    private mutating func add(_ words: StaticString, _ lane: Int, _ pair: CountAndSum) {
        add(words, UInt64(lane))
        out.add(": ")
        add(pair)
    }

    private mutating func add(_ pair: CountAndSum) {
        add("count ", pair.count)
        out.add(", sum ")
        out.add(pair.sum)
    }

    @inline(never)
    private mutating func add(_ words: StaticString, _ number: UInt64) {
        out.add(words)
        out.add(number)
    }

    /// Texts of others behind some words, with commas between them; nothing where there are none.
    private mutating func add(_ words: StaticString, _ texts: [String], as form: ShownForm) {
        for (index, text) in texts.enumerated() {
            out.add(index == 0 ? words : ", ")
            out.add(text, as: form)
        }
    }
}
