// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

extension ProcessSlots {
    /// Writes the name of a slot's holder, which is this process. Of threads that write at once each writes the name that
    /// was set last, in the end.
    /// - Parameters:
    ///   - name: at most `NameLayout.capacity` bytes; none: the slot shows no name.
    ///   - takeRecord: zeroed space for a record; nil: there is none.
    /// - Returns: false: there is no room for the name.
    func write(
        _ name: UnsafeRawBufferPointer, of token: LeaseToken, in source: any SegmentSource,
        takeRecord: () -> (segment: UnsafeMutablePointer<Segment>, offset: Int)?
    ) -> Bool {
        let place = halfWord(address(token.slot) + SlotLayout.name)
        let known = place.pointee.load(ordering: .acquiring)
        var record = NameRecord(NameAddress(bits: known), in: source)?.record
        if record == nil {
            if name.isEmpty { return true }
            guard let (segment, offset) = takeRecord() else { return false }
            let made = segment.pointee.base + offset
            made.storeBytes(of: UInt32(NameLayout.size), toByteOffset: RecordLayout.size, as: UInt32.self)
            made.storeBytes(of: RecordLayout.name, toByteOffset: RecordLayout.kind, as: UInt32.self)
            let address = NameAddress(segment: segment.pointee.geometry.number, offset: offset)
            // Release: who finds the record finds its size and kind.
            let result = place.pointee.compareExchange(
                expected: known, desired: address.bits, ordering: .acquiringAndReleasing)
            // Another thread was faster: that record serves, and the space of this one is lost.
            record = result.exchanged ? made : NameRecord(NameAddress(bits: result.original), in: source)?.record
        }
        guard let record else { return false }
        let owner = word(record + NameLayout.owner)
        owner.pointee.store(0, ordering: .relaxed)
        for offset in stride(from: 0, to: NameLayout.capacity, by: 8) {
            // Release: who sees a byte of it sees that the record is nobody's.
            word(record + NameLayout.text + offset).pointee.store(
                wordOf(name, offset, name.count), ordering: .releasing)
        }
        // Release: who sees the token sees the name.
        owner.pointee.store(token.bits, ordering: .releasing)
        return true
    }

    /// The name that a slot's holder was given, as a call or its environment said; nil: none.
    package func name(of token: LeaseToken, in source: any SegmentSource) -> String? {
        let place = halfWord(address(token.slot) + SlotLayout.name).pointee.load(ordering: .acquiring)
        return NameRecord(NameAddress(bits: place), in: source)?.name(of: token)
    }
}

/// Where a slot's name is: the segment's number << 26 | the offset in its file / 64. 0: nowhere.
package struct NameAddress: Equatable {
    package let bits: UInt32

    package init(bits: UInt32) { self.bits = bits }
    package init(segment: Int, offset: Int) {
        bits = UInt32(segment) << 26 | UInt32(offset / StoreFormat.recordAlignment)
    }

    package var isNull: Bool { bits == 0 }
    package var segment: Int { Int(bits >> 26) }
    package var offset: Int { Int(bits & (1 << 26 - 1)) * StoreFormat.recordAlignment }
}

/// The record of a process's name that a slot leads to: kind and size checked; all else of it changes.
struct NameRecord {
    let record: UnsafeMutableRawPointer

    /// nil: the address is nowhere, or no such record is there.
    init?(_ address: NameAddress, in source: any SegmentSource) {
        guard !address.isNull, let segment = try? source.segment(address.segment),
            let (record, size) = soundRecord(segment.pointee, offset: address.offset, kind: RecordLayout.name),
            size >= NameLayout.size
        else { return nil }
        self.record = record
    }

    /// The name, if it is that of a holder of the slot; nil: it has none, or it is just being changed.
    func name(of token: LeaseToken) -> String? {
        let owner = word(record + NameLayout.owner)
        for _ in 0..<100 {
            let before = owner.pointee.load(ordering: .acquiring)
            if before != 0, before != token.bits { return nil }
            if before == token.bits {
                let name = (0..<NameLayout.capacity / 8).flatMap { index in
                    let bits = word(record + NameLayout.text + index * 8).pointee.load(ordering: .acquiring)
                    return (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
                }
                if owner.pointee.load(ordering: .relaxed) == before {
                    return name[0] == 0 ? nil : String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
                }
            }
            CFDMetricsLinux_yield()
        }
        return nil
    }
}
