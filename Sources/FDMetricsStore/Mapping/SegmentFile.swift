// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

/// The identity of a store: what all of its segments have in common.
package struct StoreIdentity: Sendable, Equatable {
    package var id: (UInt64, UInt64)
    package var hashSeed: UInt64
    package var laneCount: Int
    package var seriesLimit: UInt64
    package var flags: UInt64

    package static func == (a: StoreIdentity, b: StoreIdentity) -> Bool {
        a.id == b.id && a.hashSeed == b.hashSeed && a.laneCount == b.laneCount && a.seriesLimit == b.seriesLimit
            && a.flags == b.flags
    }

    package static func random(laneCount: Int, seriesLimit: UInt64, flags: UInt64) throws(StoreError) -> StoreIdentity {
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        let error = withUnsafeMutableBytes(of: &words) { CFDMetricsLinux_random($0.baseAddress, $0.count) }
        if error != 0 { throw .system("getrandom", error) }
        return StoreIdentity(
            id: (words.0, words.1), hashSeed: words.2, laneCount: laneCount, seriesLimit: seriesLimit, flags: flags)
    }
}

/// Makes and opens segment files. Nothing here waits for another process, and nothing writes to a file that another
/// process can see: a segment is made whole under a name of its own and then linked to its final name, so that of two
/// makers one wins and the other uses the winner's.
package enum SegmentFile {
    /// Makes a segment. False: it exists already.
    package static func create(
        directory: String, number: Int, identity: StoreIdentity
    ) throws(StoreError) -> Bool {
        let geometry = SegmentGeometry(segment: number, laneCount: identity.laneCount)
        let path = "\(directory)/\(StoreFormat.fileName(segment: number))"
        let draft = try SegmentDraft(directory, number)
        defer { draft.discard() }
        let error = CFDMetricsLinux_truncate(draft.descriptor, Int64(geometry.fileSize))
        if error != 0 {
            throw .system("cannot size a segment of \(path) to \(geometry.fileSize) bytes", error)
        }
        // Header, index and the first page of process slots are reserved here; the rest when it is first needed.
        let fixed = geometry.slotsOffset + (number == 0 ? StoreFormat.reserveStep : 0)
        let reserveError = CFDMetricsLinux_reserve(draft.descriptor, 0, Int64(fixed))
        if reserveError != 0 { throw reservationError(reserveError, path: path, bytes: fixed) }
        try writeHeader(draft.descriptor, geometry: geometry, identity: identity, path: path)
        let linkError = draft.link(to: path)
        if linkError == EEXIST { return false }
        if linkError != 0 { throw .system("cannot link the segment to \(path)", linkError) }
        return true
    }

    package static func reservationError(_ error: Int32, path: String, bytes: Int) -> StoreError {
        if error == EOPNOTSUPP || error == ENOSYS {
            return StoreError(
                .unsupported,
                "the file system of \(path) cannot reserve space (fallocate): set FDMETRICS_DIR to a directory on tmpfs "
                    + "(/dev/shm), ext4, xfs or btrfs", errno: error)
        }
        return .system("cannot reserve \(bytes) bytes for \(path)", error)
    }

    private static func writeHeader(
        _ descriptor: Int32, geometry: SegmentGeometry, identity: StoreIdentity, path: String
    ) throws(StoreError) {
        let boot = try bootID()
        var bytes = [UInt8](repeating: 0, count: HeaderLayout.size)
        bytes.withUnsafeMutableBytes { raw in
            func put(_ offset: Int, _ value: UInt64) {
                raw.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
            }
            put(HeaderLayout.magic, StoreFormat.magic)
            raw.storeBytes(of: StoreFormat.version, toByteOffset: HeaderLayout.version, as: UInt32.self)
            raw.storeBytes(of: UInt32(HeaderLayout.size), toByteOffset: HeaderLayout.headerSize, as: UInt32.self)
            put(HeaderLayout.layoutSignature, StoreFormat.layoutSignature)
            put(HeaderLayout.storeID, identity.id.0)
            put(HeaderLayout.storeID + 8, identity.id.1)
            put(HeaderLayout.bootID, boot.0)
            put(HeaderLayout.bootID + 8, boot.1)
            raw.storeBytes(of: UInt32(geometry.number), toByteOffset: HeaderLayout.segmentNumber, as: UInt32.self)
            raw.storeBytes(of: UInt32(geometry.laneCount), toByteOffset: HeaderLayout.laneCount, as: UInt32.self)
            put(HeaderLayout.laneStride, UInt64(StoreFormat.laneStride))
            put(HeaderLayout.fileSize, UInt64(geometry.fileSize))
            put(HeaderLayout.indexOffset, UInt64(geometry.indexOffset))
            put(HeaderLayout.indexCapacity, UInt64(geometry.indexCapacity))
            put(HeaderLayout.slotsOffset, UInt64(geometry.slotsOffset))
            put(HeaderLayout.slotCapacity, UInt64(geometry.slotCapacity))
            put(HeaderLayout.recordsOffset, UInt64(geometry.recordsOffset))
            put(HeaderLayout.recordsSize, UInt64(geometry.recordsSize))
            put(HeaderLayout.lanesOffset, UInt64(geometry.lanesOffset))
            put(HeaderLayout.laneGroups, UInt64(geometry.laneGroups))
            put(HeaderLayout.hashSeed, identity.hashSeed)
            put(HeaderLayout.createdTime, realTime())
            put(HeaderLayout.flags, identity.flags)
            put(HeaderLayout.seriesLimit, identity.seriesLimit)
            let constant = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(raw)[..<HeaderLayout.checksum])
            put(HeaderLayout.checksum, KeyHash.checksum(constant))
            if geometry.number == 0 {
                put(HeaderLayout.slotsReserved, UInt64(StoreFormat.reserveStep / SlotLayout.size))
            }
        }
        let error = bytes.withUnsafeBytes { CFDMetricsLinux_write_at(descriptor, $0.baseAddress, $0.count, 0) }
        if error != 0 { throw .system("cannot write the header of \(path)", error) }
    }
}

/// Nanoseconds since the epoch (CLOCK_REALTIME).
@usableFromInline
package func realTime() -> UInt64 {
    CFDMetricsLinux_real_time()
}

/// The kernel's id of this boot, as two words.
package func bootID() throws(StoreError) -> (UInt64, UInt64) {
    let path = "/proc/sys/kernel/random/boot_id"
    guard let text = readSmallFile(path) else { throw .system("cannot read \(path)", errno) }
    var words: (UInt64, UInt64) = (0, 0)
    var digits = 0
    for byte in text {
        let digit: UInt64
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt64(byte - UInt8(ascii: "a") + 10)
        default: continue
        }
        if digits < 16 { words.0 = words.0 << 4 | digit } else { words.1 = words.1 << 4 | digit }
        digits += 1
    }
    if digits != 32 {
        throw StoreError(.unsupported, "\(path) does not hold a UUID: cannot tell one boot from another")
    }
    return words
}

/// Up to 4 KiB of a file, such as one of /proc; nil: errno says why.
package func readSmallFile(_ path: String) -> [UInt8]? {
    let descriptor = CFDMetricsLinux_open_proc(path)
    if descriptor < 0 { return nil }
    defer { CFDMetricsLinux_close(descriptor) }
    return [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
        count = max(0, CFDMetricsLinux_read(descriptor, buffer.baseAddress, buffer.count))
    }
}
