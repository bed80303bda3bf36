// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import FDMetricsTestSupport
import Testing

@Suite("Where the sections of a segment are")
struct GeometryTests {
    @Test("Segments have the documented geometry", arguments: 0..<16)
    func documented(segment: Int) throws {
        let rows = try #require(MarkdownTables(repositoryText("docs/file-format.md")).rows["Geometry"])
        let geometry = SegmentGeometry(segment: segment, laneCount: 4)
        let values = [
            "indexOffset": geometry.indexOffset, "indexCapacity": geometry.indexCapacity,
            "slotsOffset": geometry.slotsOffset, "slotCapacity": geometry.slotCapacity,
            "recordsOffset": geometry.recordsOffset, "recordsSize": geometry.recordsSize,
            "lanesOffset": geometry.lanesOffset, "laneGroups": geometry.laneGroups,
        ]
        for (name, value) in values {
            let row = try #require(rows.first { code($0[0]) == name })
            #expect(row[2 + min(segment, 4)] == String(value), "\(name) of segment \(segment)")
        }
        let size = try #require(rows.first { code($0[0]) == "fileSize" })[2 + min(segment, 4)]
        let lanes = Int(size.drop { !$0.isNumber }.prefix { $0.isNumber }) ?? 1
        let factor = size == "+ L MiB" ? 1 : lanes
        #expect(geometry.fileSize == geometry.lanesOffset + factor * 4 << 20)
    }

    @Test("Sections begin on pages and follow each other", arguments: [1, 2, 4, 8, 16])
    func sections(lanes: Int) {
        for segment in 0..<StoreFormat.maxSegments {
            let geometry = SegmentGeometry(segment: segment, laneCount: lanes)
            let ends = [
                geometry.indexOffset, geometry.slotsOffset, geometry.recordsOffset, geometry.lanesOffset,
                geometry.fileSize,
            ]
            #expect(ends == ends.sorted())
            for end in ends { #expect(end % StoreFormat.reserveStep == 0) }
            // A record's offset has 32 bits in an index slot.
            #expect(geometry.lanesOffset <= Int(UInt32.max))
            #expect(geometry.cellsSize < Int(SeriesLayout.noCells))
            #expect(geometry.indexCapacity & (geometry.indexCapacity - 1) == 0)
            #expect(geometry.maxEntries < geometry.indexCapacity)
        }
    }

    @Test("Each lane of each cell has bytes of its own")
    func cellOffsets() {
        var random = SeededGenerator(for: "cellOffsets")
        for segment in 0..<4 {
            let geometry = SegmentGeometry(segment: segment, laneCount: 4)
            #expect(geometry.fileOffset(ofCell: 0) == geometry.lanesOffset)
            var last = geometry.fileOffset(ofCell: geometry.cellsSize - 16) + 3 * StoreFormat.laneStride + 16
            #expect(last == geometry.fileSize)
            var seen: Set<Int> = []
            for _ in 0..<200 {
                let cell = Int.random(in: 0..<geometry.cellsSize / 16, using: &random) * 16
                let (group, within) = cell.quotientAndRemainder(dividingBy: StoreFormat.laneStride)
                for lane in 0..<4 {
                    last = geometry.fileOffset(ofCell: cell) + lane * StoreFormat.laneStride
                    // The formula of the document.
                    #expect(last == geometry.lanesOffset + (group * 4 + lane) * StoreFormat.laneStride + within)
                    seen.insert(last)
                }
            }
            #expect(seen.count % 4 == 0)
        }
    }

    @Test("The offsets of a handle's words are those of its fields")
    func handleOffsets() {
        #expect(MemoryLayout<SeriesHandle>.offset(of: \.cell) == SeriesHandle.cellOffset)
        #expect(MemoryLayout<SeriesHandle>.offset(of: \.laneMask) == SeriesHandle.laneMaskOffset)
        #expect(MemoryLayout<SeriesHandle>.offset(of: \.auxiliary) == SeriesHandle.auxiliaryOffset)
        #expect(MemoryLayout<SeriesHandle>.offset(of: \.record) == SeriesHandle.recordOffset)
    }
}
