// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

extension SegmentFile {
    /// Opens a segment, checks every byte of its header that says what it is, and maps it. nil: there is no such file.
    ///
    /// Nothing is written, and nothing beyond the header is read, before all checks have passed.
    /// - Parameter identity: what the store's first segment says, for the later ones.
    package static func open(
        directory: String, number: Int, identity: StoreIdentity?, writable: Bool
    ) throws(StoreError) -> (segment: Segment, identity: StoreIdentity)? {
        let path = "\(directory)/\(StoreFormat.fileName(segment: number))"
        let descriptor = CFDMetricsLinux_open(path, writable ? 1 : 0)
        if descriptor < 0 {
            if errno == ENOENT { return nil }
            if errno == ELOOP {
                throw StoreError(
                    .foreign, "\(path) is a symbolic link; a segment is a regular file: remove it", errno: ELOOP)
            }
            throw .system("cannot open \(path)", errno)
        }
        // The segment keeps it, if there comes one of it.
        var isKept = false
        defer { if !isKept { CFDMetricsLinux_close(descriptor) } }
        var info = CFDMetricsLinux_file()
        if CFDMetricsLinux_fstat(descriptor, &info) != 0 { throw .system("cannot stat \(path)", errno) }
        if info.is_regular == 0 {
            throw StoreError(.foreign, "\(path) is not a regular file: move it away")
        }
        if writable, info.user != CFDMetricsLinux_geteuid() {
            throw StoreError(
                .directory,
                "\(path) belongs to user \(info.user), this process runs as user \(CFDMetricsLinux_geteuid()): run the service as one user"
            )
        }
        let found = try checkHeader(descriptor, path: path, number: number, fileSize: Int(info.size))
        if let identity, found.identity != identity {
            throw StoreError(
                .foreign, "\(path) belongs to another store than its segment 0: remove the directory's fdmetrics-*.seg")
        }
        let geometry = found.geometry
        guard let base = CFDMetricsLinux_map(descriptor, geometry.fileSize, writable ? 1 : 0) else {
            throw .system("cannot map \(geometry.fileSize) bytes of \(path)", errno)
        }
        var handles: UnsafeMutableRawPointer?
        if writable {
            // Handles are half as large as records. Only touched pages cost memory. A fork child gets its own copies.
            guard let memory = CFDMetricsLinux_map_memory(geometry.recordsSize / 2) else {
                let error = errno
                CFDMetricsLinux_unmap(base, geometry.fileSize)
                throw .system("cannot map the handles of \(path)", error)
            }
            handles = memory
        }
        let segment = Segment(
            base: base, geometry: geometry, handles: handles, device: info.device, inode: info.inode,
            descriptor: KeptDescriptor(descriptor))
        isKept = true
        if let problem = countersProblem(segment) {
            unmap(segment)
            throw StoreError(.damaged, "\(path) is damaged: \(problem)")
        }
        return (segment, found.identity)
    }

    /// The error where there is no segment after a sealed one: it came before the seal.
    static func missing(_ directory: String, _ number: Int) -> StoreError {
        StoreError(
            .damaged,
            "\(directory)/\(StoreFormat.fileName(segment: number)) is missing though the segment before it is sealed: something deleted it"
        )
    }

    package static func unmap(_ segment: Segment) {
        segment.descriptor.close(of: segment)
        CFDMetricsLinux_unmap(segment.base, segment.geometry.fileSize)
        if let handles = segment.handles { CFDMetricsLinux_unmap(handles, segment.geometry.recordsSize / 2) }
    }

    /// What is wrong with the changing words of a header, or nil.
    package static func countersProblem(_ segment: Segment) -> String? {
        func value(_ offset: Int) -> UInt64 { segment.header(offset).pointee.load(ordering: .acquiring) }
        let geometry = segment.geometry
        // The words are read in this order because others may be writing: taken never passes reserved.
        let step = UInt64(StoreFormat.reserveStep)
        let recordsNext = value(HeaderLayout.recordsNext), recordsReserved = value(HeaderLayout.recordsReserved)
        if recordsReserved > UInt64(geometry.recordsSize) || recordsNext > recordsReserved || recordsNext % 64 != 0
            || recordsReserved % step != 0
        {
            return
                "recordsNext \(recordsNext) and recordsReserved \(recordsReserved) do not fit \(geometry.recordsSize) bytes"
        }
        let cellsNext = value(HeaderLayout.cellsNext), cellsReserved = value(HeaderLayout.cellsReserved)
        if cellsReserved > UInt64(geometry.cellsSize) || cellsNext > cellsReserved || cellsNext % 16 != 0
            || cellsReserved % step != 0
        {
            return "cellsNext \(cellsNext) and cellsReserved \(cellsReserved) do not fit \(geometry.cellsSize) bytes"
        }
        if value(HeaderLayout.sealed) > 1 { return "sealed is \(value(HeaderLayout.sealed)), neither 0 nor 1" }
        if value(HeaderLayout.entries) > UInt64(geometry.indexCapacity) {
            return "entries \(value(HeaderLayout.entries)) exceeds the index's \(geometry.indexCapacity) slots"
        }
        let slots = value(HeaderLayout.slotsReserved)
        if slots > UInt64(geometry.slotCapacity) || slots % UInt64(StoreFormat.reserveStep / SlotLayout.size) != 0 {
            return "slotsReserved \(slots) does not fit \(geometry.slotCapacity) slots"
        }
        return nil
    }

    private static func checkHeader(
        _ descriptor: Int32, path: String, number: Int, fileSize: Int
    ) throws(StoreError) -> (geometry: SegmentGeometry, identity: StoreIdentity) {
        if fileSize < HeaderLayout.size {
            throw StoreError(
                .damaged,
                "\(path) has \(fileSize) bytes, a header has \(HeaderLayout.size): it is empty, truncated or not a store"
            )
        }
        var bytes = [UInt8](repeating: 0, count: HeaderLayout.size)
        let count = bytes.withUnsafeMutableBytes { CFDMetricsLinux_pread(descriptor, $0.baseAddress, $0.count, 0) }
        if count != HeaderLayout.size { throw .system("cannot read the header of \(path)", count < 0 ? errno : EIO) }
        func word(_ offset: Int) -> UInt64 {
            bytes.withUnsafeBytes { $0.load(fromByteOffset: offset, as: UInt64.self) }
        }
        func half(_ offset: Int) -> UInt32 {
            bytes.withUnsafeBytes { $0.load(fromByteOffset: offset, as: UInt32.self) }
        }
        func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

        if word(HeaderLayout.magic) != StoreFormat.magic {
            throw StoreError(
                .foreign,
                "\(path) is not a store: its magic is \(hex(word(HeaderLayout.magic))), expected \(hex(StoreFormat.magic))"
            )
        }
        if half(HeaderLayout.version) != StoreFormat.version {
            throw StoreError(
                .foreign,
                "\(path) has layout version \(half(HeaderLayout.version)), this library reads version \(StoreFormat.version): "
                    + "use one version of the library in all processes, and a new directory")
        }
        let constant = bytes.withUnsafeBytes {
            KeyHash.checksum(UnsafeRawBufferPointer(rebasing: $0[..<HeaderLayout.checksum]))
        }
        if word(HeaderLayout.layoutSignature) != StoreFormat.layoutSignature {
            throw StoreError(
                .foreign,
                "\(path) has layout signature \(hex(word(HeaderLayout.layoutSignature))), this library's is "
                    + "\(hex(StoreFormat.layoutSignature)): it was built with other sizes; use one build in all processes"
            )
        }
        if word(HeaderLayout.checksum) != constant {
            throw StoreError(
                .damaged, "\(path) is damaged: the checksum of its header does not match")
        }
        let boot = try bootID()
        if (word(HeaderLayout.bootID), word(HeaderLayout.bootID + 8)) != boot {
            throw StoreError(
                .foreign,
                "\(path) was made before this host's last boot (its boot id differs)"
            )
        }
        if half(HeaderLayout.headerSize) != UInt32(HeaderLayout.size) {
            throw StoreError(
                .damaged,
                "\(path): its header says that it has \(half(HeaderLayout.headerSize)) bytes, not \(HeaderLayout.size)")
        }
        let laneCount = Int(half(HeaderLayout.laneCount))
        guard half(HeaderLayout.segmentNumber) == UInt32(number), laneCount >= 1, laneCount <= StoreFormat.maxLanes,
            laneCount & (laneCount - 1) == 0
        else {
            throw StoreError(
                .damaged,
                "\(path) says segment \(half(HeaderLayout.segmentNumber)) with \(laneCount) lanes; it was renamed or is damaged"
            )
        }
        let geometry = SegmentGeometry(segment: number, laneCount: laneCount)
        let stored = [
            (HeaderLayout.fileSize, geometry.fileSize), (HeaderLayout.indexOffset, geometry.indexOffset),
            (HeaderLayout.indexCapacity, geometry.indexCapacity), (HeaderLayout.slotsOffset, geometry.slotsOffset),
            (HeaderLayout.slotCapacity, geometry.slotCapacity), (HeaderLayout.recordsOffset, geometry.recordsOffset),
            (HeaderLayout.recordsSize, geometry.recordsSize), (HeaderLayout.lanesOffset, geometry.lanesOffset),
            (HeaderLayout.laneGroups, geometry.laneGroups), (HeaderLayout.laneStride, StoreFormat.laneStride),
        ]
        for (offset, expected) in stored where word(offset) != UInt64(expected) {
            throw StoreError(
                .damaged,
                "\(path): the header's word at \(offset) is \(word(offset)), a segment \(number) has \(expected)")
        }
        if fileSize != geometry.fileSize {
            throw StoreError(
                .damaged,
                "\(path) has \(fileSize) bytes, its header says \(geometry.fileSize): it was truncated"
            )
        }
        let identity = StoreIdentity(
            id: (word(HeaderLayout.storeID), word(HeaderLayout.storeID + 8)), hashSeed: word(HeaderLayout.hashSeed),
            laneCount: laneCount, seriesLimit: word(HeaderLayout.seriesLimit), flags: word(HeaderLayout.flags))
        return (geometry, identity)
    }
}
