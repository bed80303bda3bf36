// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// Stretches of a segment that something owns, to find two owners of one.
struct SegmentExtents {
    struct Extent {
        let start: Int
        let end: Int
        let owner: String
    }
    /// Of the file.
    var records: [Extent] = []
    /// Of each lane.
    var cells: [Extent] = []
}

// Headers, files, process slots and space. What a segment's header says besides its changing words was checked when it
// was opened (`SegmentFile.open`).
extension StoreCheck {
    /// The changing words of a header.
    mutating func checkCounters(_ segment: UnsafeMutablePointer<Segment>) {
        // Taken before reserved: whoever takes has reserved before, and neither ever shrinks.
        if let problem = SegmentFile.countersProblem(segment.pointee) {
            error(place(segment), "counters", "counters that fit the segment", problem)
        }
        let words = [("recordsReserved", HeaderLayout.recordsReserved), ("cellsReserved", HeaderLayout.cellsReserved)]
        for (name, offset) in words {
            let value = segment.pointee.header(offset).pointee.load(ordering: .acquiring)
            if value % UInt64(StoreFormat.reserveStep) != 0 {
                error(place(segment), name, "a multiple of \(StoreFormat.reserveStep)", "\(value)")
            }
        }
        if segment.pointee.geometry.number == 0 { return }
        let counters = [
            ("removals", HeaderLayout.removals), ("droppedNoSpace", HeaderLayout.droppedNoSpace),
            ("droppedSeriesLimit", HeaderLayout.droppedSeriesLimit), ("conflicts", HeaderLayout.conflicts),
        ]
        for (name, offset) in counters {
            let value = segment.pointee.header(offset).pointee.load(ordering: .acquiring)
            if value != 0 { error(place(segment), name, "0, since segment 0 alone counts them", "\(value)") }
        }
    }

    /// The chain of segments: n is sealed exactly if n + 1 exists. `count` of them can be reached.
    mutating func checkFiles(count: Int) {
        guard count > 0, let last = segment(count - 1) else { return }
        // The seal is set after the file has its name. So a seal that is seen means a file that is there.
        if last.pointee.isSealed, count < StoreFormat.maxSegments, segment(count) == nil,
            !damagedSegments.contains(count)
        {
            error(place(last), "sealed", "the next segment, \(StoreFormat.fileName(segment: count))", "no such file")
        }
        if !last.pointee.isSealed, exists(count) {
            checkUnsealedSuccessor(count, after: last)
        }
        for number in (count + 1)..<max(count + 1, StoreFormat.maxSegments) where exists(number) && !exists(number - 1)
        {
            let missing = StoreFormat.fileName(segment: number - 1)
            error(StoreFormat.fileName(segment: number), "chain of segments", "\(missing) before it", "no such file")
        }
        for name in leftoverNames() {
            note(
                name, "file", "none",
                "what the maker of a segment leaves that is killed before it links it; may be removed")
        }
    }

    /// A maker that is killed between link and seal leaves a successor that nobody uses, since the seal leads to it.
    private mutating func checkUnsealedSuccessor(_ number: Int, after last: UnsafeMutablePointer<Segment>) {
        let file = StoreFormat.fileName(segment: number)
        let successor: Segment
        do throws(StoreError) {
            guard let first = segment(0),
                let (segment, _) = try SegmentFile.open(
                    directory: reader.directory, number: number, identity: nil, writable: false)
            else { return }
            successor = segment
            let id = { (segment: Segment, offset: Int) in segment.constant(HeaderLayout.storeID + offset) }
            if id(successor, 0) != id(first.pointee, 0) || id(successor, 8) != id(first.pointee, 8) {
                error(file, "store id", "that of segment 0", "another")
            }
        } catch {
            self.error(file, "header", "a sound header of this store", error.message)
            return
        }
        defer { SegmentFile.unmap(successor) }
        let taken = successor.header(HeaderLayout.recordsNext).pointee.load(ordering: .acquiring)
        // Read after it: nobody takes space of a successor before he has seen the seal.
        if last.pointee.isSealed { return }
        if taken == 0 {
            note(
                place(last), "sealed", "1, as the next segment exists", "0: its maker was killed; the next one seals it"
            )
        } else {
            error(place(last), "sealed", "1, as \(file) has records", "0")
        }
    }

    private func exists(_ number: Int) -> Bool {
        var info = CFDMetricsLinux_file()
        return CFDMetricsLinux_lstat("\(reader.directory)/\(StoreFormat.fileName(segment: number))", &info) == 0
    }

    /// Names of segments that were never linked.
    private func leftoverNames() -> [String] {
        (directoryEntries(reader.directory) ?? []).filter { name in
            // By bytes: String.contains(_: String) would bring the regular expressions of the standard library along.
            let parts = name.utf8.split(separator: UInt8(ascii: "."))
            return name.hasPrefix(".fdmetrics-") && parts.count == 3 && parts[1].elementsEqual("seg".utf8)
        }
    }

    mutating func checkProcessSlots(_ segment: UnsafeMutablePointer<Segment>) {
        let slots = ProcessSlots(segment)
        for slot in 0..<slots.count {
            // The description before the generation: a holder writes it after it raised the generation.
            let address = slots.address(slot)
            let attached = word(address + SlotLayout.attachedTime).pointee.load(ordering: .acquiring)
            let pid = word(address + SlotLayout.pid).pointee.load(ordering: .acquiring)
            if slots.latest(slot).isNone, pid != 0 || attached != 0 {
                error(place(segment, "process slot \(slot)"), "generation", "1 or more, as it has a holder", "0")
            }
            checkName(of: slot, slots)
        }
    }

    private mutating func checkName(of slot: Int, _ slots: ProcessSlots) {
        let address = NameAddress(
            bits: halfWord(slots.address(slot) + SlotLayout.name).pointee.load(ordering: .acquiring))
        if address.isNull { return }
        let file = StoreFormat.fileName(segment: address.segment)
        let place = "\(file), name of process slot \(slot)"
        guard address.segment < StoreFormat.maxSegments, let segment = segment(address.segment) else {
            return error(place, "segment", "one of this store", "no such file")
        }
        guard NameRecord(address, in: reader) != nil else {
            return error(place, "record at \(address.offset)", "the record of a name", "another one, or none")
        }
        addRecord(segment, address.offset, "name of process slot \(slot)")
    }

    // MARK: - Space

    /// What is reserved but not taken is zero, or the next record would be laid over something.
    ///
    /// Read with pread: a page that is not reserved after all is then neither made nor a bus error.
    mutating func checkFreeSpace(_ segment: UnsafeMutablePointer<Segment>) {
        let geometry = segment.pointee.geometry
        let path = "\(reader.directory)/\(StoreFormat.fileName(segment: geometry.number))"
        let descriptor: Int32
        do throws(StoreError) {
            descriptor = try openSame(path, as: segment.pointee, writable: false)
        } catch {
            self.error(place(segment), "file", "the one that is mapped", error.message)
            return
        }
        defer { CFDMetricsLinux_close(descriptor) }
        // A word that does not fit its section is found by `checkCounters`.
        func value(_ offset: Int, _ limit: Int) -> Int {
            Int(min(segment.pointee.header(offset).pointee.load(ordering: .acquiring), UInt64(limit)))
        }
        let (size, cellsSize) = (geometry.recordsSize, geometry.cellsSize)

        let records = (next: value(HeaderLayout.recordsNext, size), reserved: value(HeaderLayout.recordsReserved, size))
        if let at = firstNonzero(
            descriptor, geometry.recordsOffset + records.next, geometry.recordsOffset + records.reserved),
            // Taken meanwhile: a writer writes only after it took.
            at >= geometry.recordsOffset + value(HeaderLayout.recordsNext, size)
        {
            error(place(segment, "offset \(at)"), "free space of the records", "zero", "something else")
        }
        let cells = (
            next: value(HeaderLayout.cellsNext, cellsSize), reserved: value(HeaderLayout.cellsReserved, cellsSize)
        )
        var start = cells.next
        while start < cells.reserved {
            let end = min(cells.reserved, (start / StoreFormat.reserveStep + 1) * StoreFormat.reserveStep)
            for lane in 0..<geometry.laneCount {
                let offset = geometry.fileOffset(ofCell: start) + lane * StoreFormat.laneStride
                if let at = firstNonzero(descriptor, offset, offset + end - start),
                    start + at - offset >= value(HeaderLayout.cellsNext, cellsSize)
                {
                    error(place(segment, "offset \(at)"), "free cells of lane \(lane)", "zero", "something else")
                }
            }
            start = end
        }
        checkReservation(descriptor, segment, recordsReserved: records.reserved, cellsReserved: cells.reserved)
    }

    /// The offset of the first word of a stretch of a file that is not zero.
    private func firstNonzero(_ descriptor: Int32, _ start: Int, _ end: Int) -> Int? {
        var buffer = [UInt64](repeating: 0, count: 8192)
        var offset = start
        while offset < end {
            let count = buffer.withUnsafeMutableBytes {
                CFDMetricsLinux_pread(descriptor, $0.baseAddress, min($0.count, end - offset), Int64(offset))
            }
            if count < 8 { return nil }
            if let index = buffer[..<(count / 8)].firstIndex(where: { $0 != 0 }) { return offset + index * 8 }
            offset += count / 8 * 8
        }
        return nil
    }

    private mutating func checkReservation(
        _ descriptor: Int32, _ segment: UnsafeMutablePointer<Segment>, recordsReserved: Int, cellsReserved: Int
    ) {
        let geometry = segment.pointee.geometry
        let slots = geometry.slotCapacity == 0 ? 0 : ProcessSlots(segment).count * SlotLayout.size
        let expected = geometry.slotsOffset + slots + recordsReserved + cellsReserved &* geometry.laneCount
        var info = CFDMetricsLinux_file()
        // Read last: the file system's number grows before the header's words do.
        if CFDMetricsLinux_fstat(descriptor, &info) == 0, Int(info.blocks) * 512 < expected {
            note(
                place(segment), "bytes on the file system", "\(expected) at least, as so many are said to be reserved",
                "\(Int(info.blocks) * 512): a sparse copy; a process that records into it could meet a full file system"
            )
        }
    }

    /// No two records, and no two cells, share a byte.
    mutating func checkExtents(_ segment: UnsafeMutablePointer<Segment>) {
        let own = extents[segment.pointee.geometry.number]
        for (what, list) in [("record", own.records), ("cell", own.cells)] {
            let sorted = list.sorted { $0.start < $1.start }
            for (one, next) in zip(sorted, sorted.dropFirst()) where next.start < one.end {
                error(
                    place(segment, next.owner), "\(what) at \(next.start)",
                    "at \(one.end) or later, where \(one.owner) ends",
                    "\(next.start)")
            }
        }
    }
}
