// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import Synchronization

/// A registered family, in this process. Never freed while its store is open.
package final class Family: @unchecked Sendable {
    package let store: Store
    package let descriptor: FamilyDescriptor
    /// That of its first record; see `FamilyPlace`.
    let createdTime: UInt64
    package let core: UnsafeMutablePointer<FamilyCore>
    /// The same family in the store that has taken this one's place. 0: not known.
    let movedBits = Atomic<UInt>(0)

    init(store: Store, descriptor: FamilyDescriptor, createdTime: UInt64, nameHash: UInt64) {
        self.store = store
        self.descriptor = descriptor
        self.createdTime = createdTime
        core = .allocate(capacity: 1)
        let records = UnsafeMutablePointer<Atomic<UInt32>>.allocate(capacity: StoreFormat.maxSegments)
        for number in 0..<StoreFormat.maxSegments { (records + number).initialize(to: Atomic(0)) }
        let padded = FamilyRecord.paddedBounds(descriptor.bounds.count)
        let bounds = UnsafeMutableRawPointer.allocate(byteCount: max(1, padded) * 8, alignment: 16)
        for index in 0..<padded {
            let bound = index < descriptor.bounds.count ? descriptor.bounds[index] : .infinity
            bounds.storeBytes(of: bound, toByteOffset: index * 8, as: Double.self)
        }
        var keyHash = KeyHash(seed: store.identity.hashSeed)
        keyHash.combine(nameHash)
        core.initialize(
            to: FamilyCore(
                segments: store.lookUpSegments, records: records, keyHash: keyHash, type: descriptor.type,
                gaugeMode: descriptor.gaugeMode, labelCount: descriptor.labelNames.count,
                boundCount: descriptor.bounds.count, bounds: bounds, family: Unmanaged.passUnretained(self)))
    }

    deinit {
        core.pointee.records.deallocate()
        core.pointee.bounds.deallocate()
        core.deallocate()
    }
}

/// What a look-up of an existing series needs of its family: plain words, reached through a pointer, so that the look-up
/// does no reference counting.
package struct FamilyCore {
    package let segments: SegmentTable
    /// The offset of the family's record in each segment; 0: not known (yet).
    package let records: UnsafeMutablePointer<Atomic<UInt32>>
    /// The hash of a series' key, up to its label values.
    package let keyHash: KeyHash
    package let type: MetricType
    let gaugeMode: GaugeMode?
    package let labelCount: Int
    let boundCount: Int
    /// The bucket bounds, padded with +Inf as a record's are. A copy of this process: an observation finds its bucket by
    /// them, and a damaged one would lead it out of its cell.
    let bounds: UnsafeMutableRawPointer
    package let family: Unmanaged<Family>
}

extension UnsafeMutablePointer where Pointee == FamilyCore {
    /// The hash of a series' key.
    @inline(__always)
    package func hash(_ values: UnsafePointer<LabelValue>, _ count: Int) -> UInt64 {
        var hash = pointee.keyHash
        var index = 0
        while index < count {
            hash.combine(values[index].bytes, count: values[index].count)
            index &+= 1
        }
        return hash.value
    }

    /// The handle of a series that is registered and not removed, in the segments that this process knows. No allocation,
    /// no system call, no lock.
    @_optimize(speed)
    package func find(
        hash: UInt64, _ values: UnsafePointer<LabelValue>, _ count: Int
    ) -> UnsafeMutablePointer<SeriesHandle>? {
        for number in 0..<StoreFormat.maxSegments {
            guard let segment = pointee.segments[number] else { break }
            // Relaxed: the record was checked by the thread that stored its offset, and is constant shared memory.
            let family = pointee.records[number].load(ordering: .relaxed)
            if family == 0 { continue }
            let mask = segment.pointee.geometry.indexCapacity &- 1
            var position = Int(truncatingIfNeeded: hash) & mask
            // A segment is sealed when three quarters of its index are in use, so probing ends at an empty slot soon;
            // the bound is for a damaged index.
            for _ in 0...mask {
                // Acquire: pairs with the release of the exchange that published the record.
                let entry = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
                if entry == 0 { break }
                if entry >> 32 == hash >> 32,
                    let handle = matching(segment, Int(entry & 0xFFFF_FFFF), family, values, count)
                {
                    return handle
                }
                position = (position &+ 1) & mask
            }
        }
        return nil
    }

    @inline(__always)
    private func matching(
        _ segment: UnsafeMutablePointer<Segment>, _ offset: Int, _ family: UInt32, _ values: UnsafePointer<LabelValue>,
        _ count: Int
    ) -> UnsafeMutablePointer<SeriesHandle>? {
        let geometry = segment.pointee.geometry
        // An index slot of a damaged file may hold anything; beyond this check only the record is looked at.
        guard offset >= geometry.recordsOffset, offset < geometry.lanesOffset, offset & 63 == 0 else { return nil }
        let handle = segment.pointee.handle(ofRecord: offset)
        guard let record = handle.filledRecord ?? fillHandle(handle, segment, offset) else { return nil }
        let series = SeriesRecord(sound: record)
        guard half(record, SeriesLayout.family) == family, series.isLive, series.hasValues(values, count) else {
            return nil
        }
        return handle
    }

    /// The handle of the record at an offset of a segment. nil: the record is damaged, or no series.
    package func handle(_ segment: UnsafeMutablePointer<Segment>, _ offset: Int) -> UnsafeMutablePointer<SeriesHandle>?
    {
        let handle = segment.pointee.handle(ofRecord: offset)
        return (handle.filledRecord ?? fillHandle(handle, segment, offset)) == nil ? nil : handle
    }

    /// Checks a series' record, once in a process, and derives its handle. nil: the record is damaged, or no series.
    @inline(never)
    private func fillHandle(
        _ handle: UnsafeMutablePointer<SeriesHandle>, _ segment: UnsafeMutablePointer<Segment>, _ offset: Int
    ) -> UnsafeMutableRawPointer? {
        // One of another family that has the same tag is left to whoever looks for that.
        guard let series = SeriesRecord(segment.pointee, offset: offset), series.isWide == pointee.type.isWide,
            series.familyOffset == Int(pointee.records[segment.pointee.geometry.number].load(ordering: .acquiring))
        else { return nil }
        handle.pointee.laneMask = UInt32(segment.pointee.geometry.laneCount - 1)
        if pointee.type == .gauge {
            handle.pointee.count = pointee.gaugeMode?.rawValue ?? 0
            handle.pointee.auxiliary = pointee.family._withUnsafeGuaranteedRef { $0.store.tokenWord }
        } else {
            handle.pointee.count = UInt32(pointee.boundCount)
            handle.pointee.auxiliary = pointee.bounds
            let size = pointee.type.cellSize(boundCount: pointee.boundCount)
            if size > 0 {
                guard let cell = segment.pointee.cell(of: series, size: size) else { return nil }
                handle.pointee.cell = cell
            }
        }
        handle.fill(record: series.record)
        return series.record
    }
}
