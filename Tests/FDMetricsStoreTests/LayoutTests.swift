// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Foundation
import Testing

/// One row of a table of bytes.
private struct Field: Hashable, CustomStringConvertible {
    let name: String
    let offset: Int
    let length: Int

    init(_ name: String, _ offset: Int, _ length: Int) {
        self.name = name
        self.offset = offset
        self.length = length
    }

    var description: String { "\(name) at \(offset), \(length) bytes" }
}

private let header = [
    Field("magic", HeaderLayout.magic, 8), Field("version", HeaderLayout.version, 4),
    Field("headerSize", HeaderLayout.headerSize, 4), Field("layoutSignature", HeaderLayout.layoutSignature, 8),
    Field("storeID", HeaderLayout.storeID, 16), Field("bootID", HeaderLayout.bootID, 16),
    Field("segmentNumber", HeaderLayout.segmentNumber, 4), Field("laneCount", HeaderLayout.laneCount, 4),
    Field("laneStride", HeaderLayout.laneStride, 8), Field("fileSize", HeaderLayout.fileSize, 8),
    Field("indexOffset", HeaderLayout.indexOffset, 8), Field("indexCapacity", HeaderLayout.indexCapacity, 8),
    Field("slotsOffset", HeaderLayout.slotsOffset, 8), Field("slotCapacity", HeaderLayout.slotCapacity, 8),
    Field("recordsOffset", HeaderLayout.recordsOffset, 8), Field("recordsSize", HeaderLayout.recordsSize, 8),
    Field("lanesOffset", HeaderLayout.lanesOffset, 8), Field("laneGroups", HeaderLayout.laneGroups, 8),
    Field("hashSeed", HeaderLayout.hashSeed, 8), Field("createdTime", HeaderLayout.createdTime, 8),
    Field("flags", HeaderLayout.flags, 8), Field("seriesLimit", HeaderLayout.seriesLimit, 8),
    Field("checksum", HeaderLayout.checksum, 8), Field("recordsNext", HeaderLayout.recordsNext, 8),
    Field("recordsReserved", HeaderLayout.recordsReserved, 8), Field("cellsNext", HeaderLayout.cellsNext, 8),
    Field("cellsReserved", HeaderLayout.cellsReserved, 8), Field("entries", HeaderLayout.entries, 8),
    Field("sealed", HeaderLayout.sealed, 8), Field("slotsReserved", HeaderLayout.slotsReserved, 8),
    Field("removals", HeaderLayout.removals, 8), Field("droppedNoSpace", HeaderLayout.droppedNoSpace, 8),
    Field("droppedSeriesLimit", HeaderLayout.droppedSeriesLimit, 8), Field("conflicts", HeaderLayout.conflicts, 8),
    Field("lostUpdates", HeaderLayout.lostUpdates, 8), Field("growthFailures", HeaderLayout.growthFailures, 8),
    Field("moves", HeaderLayout.moves, 8),
    Field("rootProcess", HeaderLayout.rootProcess, 8), Field("rootStart", HeaderLayout.rootStart, 8),
    Field("rootNamespace", HeaderLayout.rootNamespace, 8), Field("cpuTicks", HeaderLayout.cpuTicks, 8),
]

private let slot = [
    Field("generation", SlotLayout.generation, 4), Field("name", SlotLayout.name, 4), Field("pid", SlotLayout.pid, 8),
    Field("pidNamespace", SlotLayout.pidNamespace, 8), Field("startTime", SlotLayout.startTime, 8),
    Field("attachedTime", SlotLayout.attachedTime, 8), Field("command", SlotLayout.command, 16),
    Field("cpuAccounted", SlotLayout.cpuAccounted, 8),
]

private let record = [
    Field("size", RecordLayout.size, 4), Field("kind", RecordLayout.kind, 4),
    Field("checksum", RecordLayout.checksum, 8),
]

private let family = [
    Field("nameHash", FamilyLayout.nameHash, 8), Field("type", FamilyLayout.type, 4),
    Field("gaugeMode", FamilyLayout.gaugeMode, 4), Field("labelCount", FamilyLayout.labelCount, 4),
    Field("boundCount", FamilyLayout.boundCount, 4), Field("stateCount", FamilyLayout.stateCount, 4),
    Field("boundsOffset", FamilyLayout.boundsOffset, 4), Field("createdTime", FamilyLayout.createdTime, 8),
    Field("seriesCount", FamilyLayout.seriesCount, 8), Field("strings", FamilyLayout.strings, 8),
]

private let series = [
    Field("keyHash", SeriesLayout.keyHash, 8), Field("family", SeriesLayout.family, 4),
    Field("valueCount", SeriesLayout.valueCount, 4), Field("cells", SeriesLayout.cells, 4),
    Field("textLength", SeriesLayout.textLength, 4), Field("textOffset", SeriesLayout.textOffset, 4),
    Field("tableOffset", SeriesLayout.tableOffset, 4), Field("createdTime", SeriesLayout.createdTime, 8),
    Field("state", SeriesLayout.state, 8), Field("statePair", SeriesLayout.statePair, 16),
    Field("instances", SeriesLayout.instances, 8),
]

private let instance = [
    Field("owner", InstanceLayout.owner, 8), Field("value", InstanceLayout.value, 16),
    Field("carry", InstanceLayout.carry, 16), Field("next", InstanceLayout.next, 8),
    Field("pid", InstanceLayout.pid, 8),
]

private let name = [Field("owner", NameLayout.owner, 8), Field("text", NameLayout.text, NameLayout.capacity)]

@Suite("The layout is the one of docs/file-format.md")
struct LayoutTests {
    private let tables: MarkdownTables

    init() throws { tables = MarkdownTables(try repositoryText("docs/file-format.md")) }

    private func documented(_ heading: String) -> [Field] {
        (tables.rows[heading] ?? []).compactMap { row in
            guard row.count == 5, let offset = Int(row[0]) else { return nil }
            return Field(code(row[3]), offset, Int(row[1].prefix { $0.isNumber }) ?? 0)
        }
    }

    @Test(
        "Each table has the fields of the code, and no others",
        arguments: [
            ("Header", header), ("Process slots", slot), ("Records", record), ("Family", family), ("Series", series),
            ("Gauge instance", instance), ("Process name", name),
        ])
    private func fields(heading: String, fields: [Field]) {
        let documented = documented(heading)
        #expect(Set(documented) == Set(fields))
        for (one, next) in zip(documented, documented.dropFirst()) {
            #expect(one.offset + one.length <= next.offset, "\(one) overlaps \(next)")
            #expect(next.offset % min(next.length, 8) == 0 || heading == "Header", "\(next) is not aligned")
        }
    }

    @Test("No field of the source is left out of these tests")
    func sourceFields() throws {
        let source = try repositoryText("Sources/FDMetricsStore/Layout/StoreFormat.swift")
        let known = Set((header + slot + record + family + series + instance + name).map { $0.name })
        let declaration =
            /static (?:let|var) (\w+)(?:: Int)? (?:= \d+|\{ \d+ \})  \/\/ (?:u32|u64|pair|16 bytes|112 bytes)/
        let declared = source.matches(of: declaration).map { String($0.output.1) }
        #expect(declared.count >= 60)
        for name in declared { #expect(known.contains(name), "\(name) is not compared with the document") }
    }

    @Test("Sizes and special values are the documented ones")
    func values() throws {
        let text = try repositoryText("docs/file-format.md")
        #expect(
            HeaderLayout.size == 4096 && SlotLayout.size == 64 && InstanceLayout.size == 64 && IndexLayout.slotSize == 8
        )
        #expect(
            withUnsafeBytes(of: StoreFormat.magic.littleEndian) { String(decoding: $0, as: UTF8.self) } == "FDMSTORE")
        #expect((RecordLayout.family, RecordLayout.series, RecordLayout.instance) == (1, 2, 3))
        #expect((RecordLayout.name, NameLayout.size, NameLayout.capacity) == (4, 128, 112))
        #expect(NameAddress(segment: 3, offset: 640).bits == 3 << 26 | 10)
        #expect((SeriesLayout.live, SeriesLayout.removed, SeriesLayout.noCells) == (1, 2, 0xFFFF_FFFF))
        #expect((SeriesLayout.narrowTable, SeriesLayout.wideTable, FamilyLayout.fixedStrings) == (64, 128, 3))
        #expect(FamilyLayout.boundsPadding == 8 && HeaderLayout.flagAutomatic == 1)
        #expect((StoreFormat.maxSegments, StoreFormat.maxSlots, StoreFormat.maxLanes) == (16, 4096, 16))
        #expect(StoreFormat.leaseBase == 1 << 60)
        #expect(LeaseToken(slot: 5, generation: 7).bits == 6 << 32 | 7)
        #expect(LeaseToken(slot: 5, generation: 7).byte == 1 << 60 + 5 << 32 + 7)
        #expect(StoreAddress(segment: 2, offset: 640).bits == 3 << 32 | 640)
        #expect(text.contains("Layout version \(StoreFormat.version)."))
        #expect(text.contains("The result is 0x\(String(StoreFormat.layoutSignature, radix: 16, uppercase: true))."))
    }

    @Test("Types and gauge modes have the documented numbers")
    func numbers() throws {
        let row = try #require(tables.rows["Family"]?.first { code($0[3]) == "type" })
        for type in MetricType.allCases {
            let name = type == .stateSet ? "state set" : type.name
            #expect(row[4].contains("\(type.rawValue) \(name)"))
        }
        var documented: [String: String] = [:]
        for row in tables.rows["Gauges"] ?? [] where row.count == 3 && row[1].first?.isNumber == true {
            for (name, number) in zip(codes(row[0]), row[1].split(separator: ", ")) {
                documented[name] = String(number)
            }
        }
        #expect(documented.count == GaugeMode.allCases.count)
        for mode in GaugeMode.allCases { #expect(documented[mode.name] == String(mode.rawValue)) }
    }

    @Test("Cells have the documented lengths")
    func cells() {
        #expect(MetricType.counter.cellSize(boundCount: 0) == 16 && MetricType.summary.cellSize(boundCount: 0) == 16)
        #expect(MetricType.histogram.cellSize(boundCount: 14) == 240)
        for type in [MetricType.gauge, .info, .stateSet] { #expect(type.cellSize(boundCount: 0) == 0) }
        #expect(MetricType.allCases.filter { $0.isWide } == [.gauge, .stateSet])
    }
}
