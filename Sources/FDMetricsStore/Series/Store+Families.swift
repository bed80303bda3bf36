// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension Store {
    // Which family a name has
    //
    // A family is its name and its declaration: processes that agree on both record into the same series. Of several
    // declarations of a name one counts, the one with the latest record: what was made last in place of another (see
    // `replacing`). Its records may stand in several segments, and more than once in one; series belong to the first record
    // of their family in their segment, which is found first for good, as entries of an index never go. So a declaration that
    // is made again in place of the one that had taken its place gets a further record, for its time, and has its series.

    /// Registers a family, or finds it: the same descriptor gives the same object. Help texts may differ.
    /// - Parameter replacing: a family of this name that is declared otherwise gives way: it is not shown any more, and what
    ///   is recorded through handles of it is not seen until it is declared in place of this one again.
    package func family(_ descriptor: FamilyDescriptor, replacing: Bool = false) throws(StoreError) -> Family {
        if let successor { return try successor.family(descriptor, replacing: replacing) }
        do {
            return try findOrMakeFamily(descriptor, replacing: replacing)
        } catch {
            countDrop(error)
            throw error
        }
    }

    private func findOrMakeFamily(
        _ descriptor: FamilyDescriptor, replacing: Bool
    ) throws(StoreError) -> Family {
        let hash = nameHash(descriptor.name)
        // Two turns, but for a damaged index: the second finds what the first has made, or met.
        for _ in 0..<8 {
            var replaced: UInt64?
            if let latest = try latestFamily(descriptor.name, hash) {
                guard let difference = descriptor.conflict(with: latest.descriptor) else {
                    if let (segment, offset) = try firstRecord(of: descriptor, hash) {
                        return try attachFamily(descriptor, hash, segment, offset)
                    }
                    break
                }
                if !replacing {
                    throw StoreError(
                        .conflict,
                        "\(descriptor.name) is registered already, and \(difference): use one declaration in all processes, "
                            + "or another name")
                }
                replaced = latest.createdTime
            }
            // Later than what it replaces, also where the clock has gone back.
            let time = max(realTime(), replaced.map { $0 == .max ? $0 : $0 + 1 } ?? 0)
            var segment = try lastSegment()
            // Whoever declares the name at the same time, or has replaced the same declaration, is met there.
            while try makeFamilyRecord(
                descriptor, hash, segment, time: time, orElse: { replaced == nil || $0.createdTime > replaced ?? 0 })
                == nil
            {
                segment = try self.segment(after: segment)
            }
        }
        throw StoreError(
            .damaged, "\(descriptor.name) cannot be registered in \(directory): its index is damaged; remove the store")
    }

    /// The descriptor of the family of a name, if there is one.
    package func descriptor(ofFamily name: String) throws(StoreError) -> FamilyDescriptor? {
        if let successor { return try successor.descriptor(ofFamily: name) }
        return try latestFamily(name, nameHash(name))?.descriptor
    }

    /// Whether a declaration is in this store, and another one of its name counts, as far as this process has mapped it. Also
    /// of a store that was left.
    package func isReplaced(_ descriptor: FamilyDescriptor) -> Bool {
        let hash = nameHash(descriptor.name)
        var latest: (place: FamilyPlace, isOther: Bool)?
        var isThere = false
        for number in 0..<StoreFormat.maxSegments {
            guard let segment = segments[number] else { break }
            forEachFamily(segment, descriptor.name, hash) { record, place in
                let isOther = descriptor.conflict(with: record.descriptor) != nil
                if latest.map({ $0.place < place }) ?? true { latest = (place, isOther) }
                if !isOther { isThere = true }
            }
        }
        return isThere && latest?.isOther == true
    }

    /// The record whose declaration counts for a name.
    private func latestFamily(_ name: String, _ hash: UInt64) throws(StoreError) -> FamilyRecord? {
        var latest: (place: FamilyPlace, record: FamilyRecord)?
        var number = 0
        while let segment = try segment(number) {
            forEachFamily(segment, name, hash) { record, place in
                if latest.map({ $0.place < place }) ?? true { latest = (place, record) }
            }
            number += 1
        }
        return latest?.record
    }

    /// Goes through the sound records of a name in a segment.
    private func forEachFamily(
        _ segment: UnsafeMutablePointer<Segment>, _ name: String, _ hash: UInt64,
        _ body: (FamilyRecord, FamilyPlace) -> Void
    ) {
        _ = SeriesIndex.find(segment, hash: hash) { offset in
            if let record = family(segment, offset, named: name) {
                body(record, FamilyPlace(record, segment: segment.pointee.geometry.number, offset: offset))
            }
            return false
        }
    }

    /// The first record of a declaration in the first segment that has one.
    private func firstRecord(
        of descriptor: FamilyDescriptor, _ hash: UInt64
    ) throws(StoreError) -> (UnsafeMutablePointer<Segment>, Int)? {
        var number = 0
        while let segment = try segment(number) {
            if let offset = SeriesIndex.find(segment, hash: hash, isSame: isFamily(segment, descriptor)) {
                return (segment, offset)
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

    /// The record at an offset if it is a sound family of a name.
    private func family(_ segment: UnsafeMutablePointer<Segment>, _ offset: Int, named name: String) -> FamilyRecord? {
        guard let family = FamilyRecord(segment.pointee, offset: offset) else { return nil }
        let isSame = withLabelValue(name) {
            $0.count == family.name.count && sameBytes(family.name.baseAddress!, $0.bytes, $0.count)
        }
        return isSame ? family : nil
    }

    /// Whether the record at an offset is a sound family of a name and a declaration.
    private func isFamily(_ segment: UnsafeMutablePointer<Segment>, _ descriptor: FamilyDescriptor) -> (Int) -> Bool {
        { offset in
            guard let family = self.family(segment, offset, named: descriptor.name) else { return false }
            return descriptor.conflict(with: family.descriptor) == nil
        }
    }

    /// This process's object for a family record. The first one made is kept beside the record.
    private func attachFamily(
        _ descriptor: FamilyDescriptor, _ hash: UInt64, _ segment: UnsafeMutablePointer<Segment>, _ offset: Int
    ) throws(StoreError) -> Family {
        guard let record = FamilyRecord(segment.pointee, offset: offset) else {
            throw StoreError(.damaged, "the record of \(descriptor.name) in \(directory) is damaged: remove the store")
        }
        let place = word(UnsafeMutableRawPointer(segment.pointee.handle(ofRecord: offset)))
        let known = UInt(place.pointee.load(ordering: .acquiring))
        if let pointer = UnsafeRawPointer(bitPattern: known) {
            return Unmanaged<Family>.fromOpaque(pointer).takeUnretainedValue()
        }
        let family = Family(store: self, descriptor: record.descriptor, createdTime: record.createdTime, nameHash: hash)
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
        let hash = nameHash(family.descriptor.name)
        let isSame = isFamily(segment, family.descriptor)
        if SeriesIndex.find(segment, hash: hash, isSame: isSame) == nil,
            // Not later than the family is: its time says which declaration of the name counts.
            try makeFamilyRecord(
                family.descriptor, hash, segment, time: family.createdTime,
                orElse: { family.descriptor.conflict(with: $0.descriptor) == nil }) == nil
        {
            return nil
        }
        // The first of two that were made at once.
        guard let offset = SeriesIndex.find(segment, hash: hash, isSame: isSame) else { return nil }
        family.core.pointee.records[number].store(UInt32(offset), ordering: .releasing)
        return offset
    }

    /// The offset of the family's record in a segment if it is known or can be found; makes nothing.
    func existingFamilyRecord(_ family: Family, in segment: UnsafeMutablePointer<Segment>) -> Int? {
        let number = segment.pointee.geometry.number
        let known = family.core.pointee.records[number].load(ordering: .acquiring)
        if known != 0 { return Int(known) }
        let isSame = isFamily(segment, family.descriptor)
        guard let offset = SeriesIndex.find(segment, hash: nameHash(family.descriptor.name), isSame: isSame) else {
            return nil
        }
        family.core.pointee.records[number].store(UInt32(offset), ordering: .releasing)
        return offset
    }

    /// Writes a family's record and publishes it.
    /// - Parameters:
    ///   - time: its `createdTime`.
    ///   - isOther: whether another record of the name, which may just have come, stands for it.
    /// - Returns: the offset of the record or the other one; nil: the segment is full.
    private func makeFamilyRecord(
        _ descriptor: FamilyDescriptor, _ hash: UInt64, _ segment: UnsafeMutablePointer<Segment>, time: UInt64,
        orElse isOther: (FamilyRecord) -> Bool
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
        putWord(FamilyLayout.createdTime, time)
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
        return SeriesIndex.insert(segment, hash: hash, offset: offset) { other in
            family(segment, other, named: descriptor.name).map(isOther) ?? false
        }
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
