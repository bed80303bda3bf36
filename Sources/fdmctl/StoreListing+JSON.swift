// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsInspection
import FDMetricsStore

extension StoreListing {
    /// The listing as one JSON object; times are in nanoseconds since the epoch, as the store has them.
    var json: JSONText {
        .object([
            ("directory", .string(directory)),
            ("store_id", .string(storeID)),
            ("layout_version", .integer(UInt64(StoreFormat.version))),
            ("created_time", .integer(createdTime)),
            ("lanes", .integer(laneCount)),
            ("series_limit", .integer(seriesLimit)),
            ("automatic", .bool(isAutomatic)),
            ("removals", .integer(removals)),
            ("dropped_no_space", .integer(droppedNoSpace)),
            ("dropped_series_limit", .integer(droppedSeriesLimit)),
            ("conflicts", .integer(conflicts)),
            ("segments", .array(segments.map(\.json))),
            ("processes", .array(processes.map(\.json))),
            ("families", .array(families.map(\.json))),
        ])
    }
}

extension StoreListing.SegmentEntry {
    fileprivate var json: JSONText {
        .object([
            ("segment", .integer(number)),
            ("file", .string(StoreFormat.fileName(segment: number))),
            ("file_size", .integer(geometry.fileSize)),
            ("sealed", .bool(isSealed)),
            ("entries", .integer(entries)),
            ("index_offset", .integer(geometry.indexOffset)),
            ("index_capacity", .integer(geometry.indexCapacity)),
            ("slots_offset", .integer(geometry.slotsOffset)),
            ("records_offset", .integer(geometry.recordsOffset)),
            ("records_size", .integer(geometry.recordsSize)),
            ("records_next", .integer(recordsNext)),
            ("records_reserved", .integer(recordsReserved)),
            ("lanes_offset", .integer(geometry.lanesOffset)),
            ("cells_size", .integer(geometry.cellsSize)),
            ("cells_next", .integer(cellsNext)),
            ("cells_reserved", .integer(cellsReserved)),
            ("damaged_index_slots", .array(damaged.map { .integer($0) })),
        ])
    }
}

extension StoreListing.ProcessEntry {
    fileprivate var json: JSONText {
        .object([
            ("slot", .integer(slot)),
            ("generation", .integer(UInt64(generation))),
            ("alive", .bool(isAlive)),
            ("pid", .integer(pid)),
            ("pid_namespace", .integer(pidNamespace)),
            ("start_time", .integer(startTime)),
            ("attached_time", .integer(attachedTime)),
            ("name", .string(name)),
            ("command", .string(command)),
        ])
    }
}

extension StoreListing.FamilyEntry {
    fileprivate var json: JSONText {
        .object([
            ("name", .string(descriptor.name)),
            ("type", .string(descriptor.type.name)),
            ("mode", descriptor.gaugeMode.map { .string($0.name) } ?? .null),
            ("help", .string(descriptor.help)),
            ("unit", .string(descriptor.unit)),
            ("labels", .array(descriptor.labelNames.map { .string($0) })),
            ("bounds", .array(descriptor.bounds.map { .number($0) })),
            ("states", .array(descriptor.states.map { .string($0) })),
            ("replaced", .bool(isReplaced)),
            (
                "records",
                .array(
                    records.map {
                        .object([
                            ("segment", .integer($0.segment)), ("offset", .integer($0.offset)),
                            ("series_count", .signed($0.seriesCount)),
                        ])
                    })
            ),
            ("series", .array(series.map { $0.json(descriptor) })),
        ])
    }
}

extension StoreListing.SeriesEntry {
    fileprivate func json(_ family: FamilyDescriptor) -> JSONText {
        .object(
            [
                ("labels", .object(labels.map { ($0.name, .string($0.value)) })),
                ("text", .string(text)),
                ("segment", .integer(segment)),
                ("offset", .integer(offset)),
                ("state", .string(isRemoved ? "removed" : "live")),
                ("created_time", .integer(createdTime)),
            ] + value.json(family))
    }
}

extension SeriesValue {
    fileprivate func json(_ family: FamilyDescriptor) -> [(String, JSONText)] {
        switch self {
        case .counter(let lanes):
            return [
                ("value", .number(counterTotal(lanes))),
                (
                    "lanes",
                    .array(lanes.map { .object([("whole", .integer($0.whole)), ("fraction", .number($0.fraction))]) })
                ),
            ]
        case .histogram(let buckets):
            let total = Pair.total(buckets.flatMap { $0 })
            return [
                ("count", .integer(total.count)),
                ("sum", .number(total.sum)),
                (
                    "buckets",
                    .array(
                        zip(family.bounds + [.infinity], buckets).map { bound, lanes in
                            .object([
                                ("le", .string(numberText(bound))),
                                ("count", .integer(Pair.total(lanes).count)),
                                ("sum", .number(Pair.total(lanes).sum)),
                                ("lanes", .array(lanes.map(\.json))),
                            ])
                        })
                ),
            ]
        case .summary(let lanes):
            let total = Pair.total(lanes)
            return [
                ("count", .integer(total.count)), ("sum", .number(total.sum)), ("lanes", .array(lanes.map(\.json))),
            ]
        case .gauge(let value, let instances):
            return [("value", .number(value)), ("instances", .array(instances.map(\.json)))]
        case .difference(let counter, let other):
            return [("difference_of", .array([.string(counter), .string(other)]))]
        case .info: return [("value", .number(1))]
        case .stateSet(let state, let time): return [("state_on", .string(state)), ("set_time", .integer(time))]
        }
    }
}

/// The total of a counter's lanes.
func counterTotal(_ lanes: [(whole: UInt64, fraction: Double)]) -> Double {
    Double(lanes.reduce(0) { $0 &+ $1.whole }) + lanes.reduce(0) { $0 + $1.fraction }
}

extension SeriesValue.Pair {
    fileprivate var json: JSONText { .object([("count", .integer(count)), ("sum", .number(sum))]) }
}

extension SeriesValue.Instance {
    fileprivate var json: JSONText {
        .object([
            ("slot", .integer(owner.slot)),
            ("generation", .integer(UInt64(owner.generation))),
            ("alive", .bool(isAlive)),
            ("pid", .integer(pid)),
            ("value", .number(value)),
            ("set_time", .integer(time)),
            ("carried", .number(carried)),
            ("carried_time", .integer(carriedTime)),
        ])
    }
}
