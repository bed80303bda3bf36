// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

extension Store {
    /// Registers a family, or finds it: the same descriptor gives the same object. Help texts may differ.
    package func family(_ descriptor: FamilyDescriptor) throws(StoreError) -> Family {
        if let successor { return try successor.family(descriptor) }
        do {
            return try findOrMakeFamily(descriptor)
        } catch {
            countDrop(error)
            throw error
        }
    }

    private func findOrMakeFamily(_ descriptor: FamilyDescriptor) throws(StoreError) -> Family {
        let hash = nameHash(descriptor.name)
        var number = 0
        while let segment = try segment(number) {
            if let offset = SeriesIndex.find(segment, hash: hash, isSame: isFamily(segment, descriptor.name)) {
                return try attachFamily(descriptor, hash, segment, offset)
            }
            number += 1
        }
        var segment = try lastSegment()
        while true {
            if let offset = try makeFamilyRecord(descriptor, hash, segment) {
                return try attachFamily(descriptor, hash, segment, offset)
            }
            segment = try self.segment(after: segment)
        }
    }

    /// The descriptor of the family of a name, if there is one.
    package func descriptor(ofFamily name: String) throws(StoreError) -> FamilyDescriptor? {
        if let successor { return try successor.descriptor(ofFamily: name) }
        let hash = nameHash(name)
        var number = 0
        while let segment = try segment(number) {
            if let offset = SeriesIndex.find(segment, hash: hash, isSame: isFamily(segment, name)) {
                return FamilyRecord(segment.pointee, offset: offset)?.descriptor
            }
            number += 1
        }
        return nil
    }

    private func nameHash(_ name: String) -> UInt64 {
        var hash = KeyHash(seed: identity.hashSeed)
        withLabelValue(name) { hash.combine($0.bytes, count: $0.count) }
        return hash.value
    }

    /// Whether the record at an offset is a sound family of a name.
    private func isFamily(_ segment: UnsafeMutablePointer<Segment>, _ name: String) -> (Int) -> Bool {
        { offset in
            guard let family = FamilyRecord(segment.pointee, offset: offset) else { return false }
            return withLabelValue(name) {
                $0.count == family.name.count && sameBytes(family.name.baseAddress!, $0.bytes, $0.count)
            }
        }
    }

    /// This process's object for a family record. The first one made is kept beside the record.
    private func attachFamily(
        _ descriptor: FamilyDescriptor, _ hash: UInt64, _ segment: UnsafeMutablePointer<Segment>, _ offset: Int
    ) throws(StoreError) -> Family {
        guard let record = FamilyRecord(segment.pointee, offset: offset) else {
            throw StoreError(.damaged, "the record of \(descriptor.name) in \(directory) is damaged: remove the store")
        }
        let existing = record.descriptor
        if let difference = descriptor.conflict(with: existing) {
            throw StoreError(
                .conflict,
                "\(descriptor.name) is registered already, and \(difference): use one declaration in all processes, or another name"
            )
        }
        let place = word(UnsafeMutableRawPointer(segment.pointee.handle(ofRecord: offset)))
        let known = UInt(place.pointee.load(ordering: .acquiring))
        if let pointer = UnsafeRawPointer(bitPattern: known) {
            return Unmanaged<Family>.fromOpaque(pointer).takeUnretainedValue()
        }
        let family = Family(store: self, descriptor: existing, nameHash: hash)
        family.core.pointee.records[segment.pointee.geometry.number].store(UInt32(offset), ordering: .releasing)
        // Kept for the life of the store: handles, and C callers, hold it without counting.
        let kept = Unmanaged.passRetained(family)
        let result = place.pointee.compareExchange(
            expected: 0, desired: UInt64(UInt(bitPattern: kept.toOpaque())), ordering: .acquiringAndReleasing)
        if result.exchanged { return family }
        kept.release()
        return Unmanaged<Family>.fromOpaque(UnsafeRawPointer(bitPattern: UInt(result.original)).unsafelyUnwrapped)
            .takeUnretainedValue()
    }

    /// The offset of a family's record in a segment, made if need be. nil: the segment is full.
    func familyRecord(_ family: Family, in segment: UnsafeMutablePointer<Segment>) throws(StoreError) -> Int? {
        let number = segment.pointee.geometry.number
        let known = family.core.pointee.records[number].load(ordering: .acquiring)
        if known != 0 { return Int(known) }
        let name = family.descriptor.name
        let hash = nameHash(name)
        let found = SeriesIndex.find(segment, hash: hash, isSame: isFamily(segment, name))
        let made = found == nil ? try makeFamilyRecord(family.descriptor, hash, segment) : found
        guard let offset = made else { return nil }
        guard let record = FamilyRecord(segment.pointee, offset: offset),
            family.descriptor.conflict(with: record.descriptor) == nil
        else {
            throw StoreError(
                .conflict, "\(name) stands in two segments of \(directory) with different descriptors: remove the store"
            )
        }
        family.core.pointee.records[number].store(UInt32(offset), ordering: .releasing)
        return offset
    }

    /// The offset of the family's record in a segment if it is known or can be found; makes nothing.
    func existingFamilyRecord(_ family: Family, in segment: UnsafeMutablePointer<Segment>) -> Int? {
        let number = segment.pointee.geometry.number
        let known = family.core.pointee.records[number].load(ordering: .acquiring)
        if known != 0 { return Int(known) }
        let name = family.descriptor.name
        guard let offset = SeriesIndex.find(segment, hash: nameHash(name), isSame: isFamily(segment, name)),
            let record = FamilyRecord(segment.pointee, offset: offset),
            family.descriptor.conflict(with: record.descriptor) == nil
        else { return nil }
        family.core.pointee.records[number].store(UInt32(offset), ordering: .releasing)
        return offset
    }

    /// Writes a family's record and publishes it. nil: the segment is full.
    private func makeFamilyRecord(
        _ descriptor: FamilyDescriptor, _ hash: UInt64, _ segment: UnsafeMutablePointer<Segment>
    ) throws(StoreError) -> Int? {
        if segment.pointee.isSealed || !SeriesIndex.hasRoom(segment) { return nil }
        let strings = [descriptor.name, descriptor.help, descriptor.unit] + descriptor.labelNames + descriptor.states
        let textBytes = strings.reduce(0) { $0 + $1.utf8.count }
        let table = FamilyLayout.strings
        let boundsOffset = (table + strings.count * 8 + 15) / 16 * 16
        let paddedBounds = FamilyRecord.paddedBounds(descriptor.bounds.count)
        let textOffset = boundsOffset + paddedBounds * 8
        let size = (textOffset + textBytes + 63) / 64 * 64
        if textBytes > StoreFormat.maxTexts || size > StoreFormat.maxRecord {
            throw StoreError(
                .invalidArgument,
                "the texts of \(descriptor.name) (help, labels, states) have \(textBytes) bytes: use at most "
                    + "\(StoreFormat.maxTexts)")
        }
        guard let offset = try takeRecord(segment, size: size) else { return nil }

        let record = segment.pointee.base + offset
        func put(_ at: Int, _ value: UInt32) { record.storeBytes(of: value, toByteOffset: at, as: UInt32.self) }
        func putWord(_ at: Int, _ value: UInt64) { record.storeBytes(of: value, toByteOffset: at, as: UInt64.self) }
        put(RecordLayout.size, UInt32(size))
        put(RecordLayout.kind, RecordLayout.family)
        putWord(FamilyLayout.nameHash, hash)
        put(FamilyLayout.type, descriptor.type.rawValue)
        put(FamilyLayout.gaugeMode, descriptor.gaugeMode?.rawValue ?? 0)
        put(FamilyLayout.labelCount, UInt32(descriptor.labelNames.count))
        put(FamilyLayout.boundCount, UInt32(descriptor.bounds.count))
        put(FamilyLayout.stateCount, UInt32(descriptor.states.count))
        put(FamilyLayout.boundsOffset, UInt32(boundsOffset))
        putWord(FamilyLayout.createdTime, realTime())
        for index in 0..<paddedBounds {
            let bound = index < descriptor.bounds.count ? descriptor.bounds[index] : Double.infinity
            record.storeBytes(of: bound, toByteOffset: boundsOffset + index * 8, as: Double.self)
        }
        var next = textOffset
        for (index, string) in strings.enumerated() {
            put(table + index * 8, UInt32(next))
            put(table + index * 8 + 4, UInt32(string.utf8.count))
            next = store(string, in: record, at: next)
        }
        putWord(
            RecordLayout.checksum,
            KeyHash.checksum(bytes(record, 0, 8), bytes(record, 16, 56), bytes(record, FamilyLayout.strings, size)))
        return SeriesIndex.insert(segment, hash: hash, offset: offset, isSame: isFamily(segment, descriptor.name))
    }

    /// Copies a string's UTF-8 to an offset of a record; returns the offset after it.
    func store(_ string: String, in record: UnsafeMutableRawPointer, at offset: Int) -> Int {
        withLabelValue(string) { value in
            if let bytes = value.bytes { (record + offset).copyMemory(from: bytes, byteCount: value.count) }
            return offset + value.count
        }
    }
}

/// The UTF-8 of a string, borrowed.
package func withLabelValue<Result>(_ string: String, _ body: (LabelValue) -> Result) -> Result {
    var string = string
    return string.withUTF8 { body(LabelValue(bytes: $0.baseAddress, count: $0.count)) }
}
