// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
package import FDMetricsStore

extension StoreListing {
    /// The listing as one JSON object; times are in nanoseconds since the epoch, as the store has them.
    /// - Throws: `notFound`, `system`, where the processes of the store cannot be asked for.
    package func json() throws(StoreError) -> TextBuffer {
        var holders = try SlotHolders(reader)
        var json = JSONLines()
        json.begin("{")
        json.add("directory", directory)
        json.addStoreID("store_id", self)
        json.add("layout_version", UInt64(StoreFormat.version))
        json.add("created_time", createdTime)
        json.add("lanes", laneCount)
        json.add("series_limit", seriesLimit)
        json.add("automatic", isAutomatic)
        json.add("removals", removals)
        json.add("dropped_no_space", droppedNoSpace)
        json.add("dropped_series_limit", droppedSeriesLimit)
        json.add("conflicts", conflicts)
        json.begin("[", "segments")
        for segment in segments { json.add(segment) }
        json.end("]")
        json.begin("[", "processes")
        for process in processes { json.add(process) }
        json.end("]")
        json.begin("[", "families")
        for family in families { json.add(family, &holders, reader) }
        json.end("]")
        json.end("}")
        return json.finish()
    }
}

extension JSONLines {
    fileprivate mutating func add(_ segment: StoreListing.SegmentEntry) {
        let geometry = segment.geometry
        begin("{")
        add("segment", segment.number)
        add("file", StoreFormat.fileName(segment: segment.number))
        add("file_size", geometry.fileSize)
        add("sealed", segment.isSealed)
        add("entries", segment.entries)
        add("index_offset", geometry.indexOffset)
        add("index_capacity", geometry.indexCapacity)
        add("slots_offset", geometry.slotsOffset)
        add("records_offset", geometry.recordsOffset)
        add("records_size", geometry.recordsSize)
        add("records_next", segment.recordsNext)
        add("records_reserved", segment.recordsReserved)
        add("lanes_offset", geometry.lanesOffset)
        add("cells_size", geometry.cellsSize)
        add("cells_next", segment.cellsNext)
        add("cells_reserved", segment.cellsReserved)
        begin("[", "damaged_index_slots")
        for position in segment.damaged { add("", position) }
        end("]")
        end("}")
    }

    fileprivate mutating func add(_ process: ProcessEntry) {
        begin("{")
        add("slot", process.slot)
        add("generation", UInt64(process.generation))
        add("alive", process.isAlive)
        add("pid", process.pid)
        add("pid_namespace", process.pidNamespace)
        add("start_time", process.startTime)
        add("attached_time", process.attachedTime)
        add("name", process.name)
        add("command", process.command)
        end("}")
    }

    fileprivate mutating func add(
        _ family: StoreListing.FamilyEntry, _ holders: inout SlotHolders, _ reader: StoreReader
    ) {
        let descriptor = family.descriptor
        begin("{")
        add("name", descriptor.name)
        add("type", descriptor.type.name)
        add("mode", descriptor.gaugeMode?.name)
        add("help", descriptor.help)
        add("unit", descriptor.unit)
        add("labels", descriptor.labelNames)
        begin("[", "bounds")
        for bound in descriptor.bounds { add("", bound) }
        end("]")
        add("states", descriptor.states)
        add("replaced", family.isReplaced)
        begin("[", "records")
        for record in family.records {
            begin("{")
            add("segment", record.segment)
            add("offset", record.offset)
            add("series_count", Int(record.seriesCount))
            end("}")
        }
        end("]")
        begin("[", "series")
        for series in family.series { add(series, descriptor, &holders, reader) }
        end("]")
        end("}")
    }

    private mutating func add(
        _ entry: StoreListing.SeriesEntry, _ family: FamilyDescriptor, _ holders: inout SlotHolders,
        _ reader: StoreReader
    ) {
        let series = entry.series
        begin("{")
        begin("{", "labels")
        // An info's keys follow its values.
        let count = family.labelNames.count
        let texts = max(0, series.valueCount - count) / 2
        for index in 0..<min(count + texts, series.valueCount) {
            let key = series.valueCount - texts + index - count
            let name = index < count ? family.labelNames[index] : string(series.value(key))
            add(name: name, string(series.value(index)))
        }
        end("}")
        add("text", string(series.text))
        add("segment", entry.segment.pointee.geometry.number)
        add("offset", entry.offset)
        add("state", entry.isRemoved ? "removed" : "live")
        add("created_time", series.createdTime)
        addValue(entry, family, &holders, reader)
        end("}")
    }

    private mutating func addValue(
        _ entry: StoreListing.SeriesEntry, _ family: FamilyDescriptor, _ holders: inout SlotHolders,
        _ reader: StoreReader
    ) {
        let cells = SeriesCells(entry.series, entry.segment)
        switch family.type {
        case .counter:
            add("value", cells.counterTotal)
            begin("[", "lanes")
            for lane in 0..<cells.laneCount {
                let cell = cells.counter(lane)
                begin("{")
                add("whole", cell.whole)
                add("fraction", cell.fraction)
                end("}")
            }
            end("]")
        case .histogram:
            add(cells.total(boundCount: family.bounds.count))
            begin("[", "buckets")
            for bucket in 0...family.bounds.count {
                begin("{")
                addBound(bucket < family.bounds.count ? family.bounds[bucket] : .infinity)
                add(cells.total(bucket: bucket))
                addLanes(cells, bucket)
                end("}")
            }
            end("]")
        case .summary:
            add(cells.total())
            addLanes(cells, 0)
        case .info: add("value", 1.0)
        case .stateSet:
            let state = SeriesCells.state(entry.series)
            add("state_on", state.number < family.states.count ? family.states[state.number] : "")
            add("set_time", state.time)
        case .gauge:
            guard let mode = family.gaugeMode else { return add("difference_of", family.states) }
            let (value, instances) = holders.gauge(entry.series, mode, reader)
            add("value", value)
            begin("[", "instances")
            for instance in instances {
                begin("{")
                add("slot", instance.owner.slot)
                add("generation", UInt64(instance.owner.generation))
                add("alive", holders.isAlive(instance.owner))
                add("pid", instance.pid)
                add("value", instance.value)
                add("set_time", instance.time)
                add("carried", instance.carried)
                add("carried_time", instance.carriedTime)
                end("}")
            }
            end("]")
        }
    }

    private mutating func addLanes(_ cells: SeriesCells, _ bucket: Int) {
        begin("[", "lanes")
        for lane in 0..<cells.laneCount {
            begin("{")
            add(cells.pair(lane, bucket: bucket))
            end("}")
        }
        end("]")
    }

    private mutating func add(_ pair: CountAndSum) {
        add("count", pair.count)
        add("sum", pair.sum)
    }
}

private func string(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
