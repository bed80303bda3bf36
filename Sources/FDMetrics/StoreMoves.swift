// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import FDMetricsStore
import Synchronization

// What happens to a process whose store was deleted under it. It notices when it registers or renders, and once a second when
// it looks a series up; then everything that it has of the store moves to the one that is in the directory now: handles lead to
// series of the same names there, which count from zero, as after a restart, and a process's gauges keep their values. Totals are
// not carried over: a store that another process has made may have been scraped already, and what would then be added to it
// looks to Prometheus as if it had all happened since. From zero on, a rate is right.
//
// A process that does nothing but update handles that it has goes on in the deleted store until it does one of these.

/// Moves what a process has of a deleted store.
package enum StoreMoves {
    /// The store that a store stands for, after a look at whether its files are still there.
    /// - Parameter now: look in any case; else once a second.
    package static func current(_ store: Store, now: Bool) -> Store {
        let present = store.current
        let isTime = present.isTimeToLook
        if !now && !isTime { return present }
        if present.isInPlace {
            // Handles that were just being made at the time of the move, or for which there was no room.
            if isTime { alone { finish(present) } }
            return present
        }
        alone { move(present) }
        return present.current
    }

    /// The same for all stores of this process: for updates, now and then.
    /// - Parameter whenLast: as of `AttachedStores.close`.
    package static func lookAtAll(whenLast: (Store) -> Void) {
        AttachedStores.forEach({ _ = current($0, now: false) }, whenLast: whenLast)
    }

    /// Does something unless another thread of this process is doing it.
    private static func alone(_ body: () -> Void) {
        guard ProcessLock.move.take() else { return }
        body()
        ProcessLock.move.release()
    }

    private static func move(_ store: Store) {
        if store.successor != nil || !store.removeRest() { return }
        do throws(StoreError) {
            let next = try store.attachSuccessor()
            for left in next.predecessors { carry(left, to: next) }
            store.leave(for: next)
            // What other threads did meanwhile.
            carry(store, to: next)
            Notices.say(
                .storeDeleted,
                "the store in \(store.directory) was deleted while it was in use: this process goes on in a new one there, "
                    + "from zero; see what deletes it (fdmctl doctor)")
        } catch {
            Notices.say(
                .storeDeleted,
                "the store in \(store.directory) was deleted while it was in use, and no other can be had: \(error.message)"
            )
        }
    }

    /// Goes once more through the stores that were left a second ago or more, when no thread is on its way in them any more,
    /// and lets go of what they need no longer.
    private static func finish(_ present: Store) {
        for left in present.predecessors where left.retire() { carry(left, to: present) }
    }

    // MARK: - What is carried over

    private static func carry(_ store: Store, to next: Store) {
        var families: [UnsafeMutableRawPointer: Family?] = [:]
        for number in 0..<StoreFormat.maxSegments {
            guard let segment = store.segments[number] else { break }
            for position in 0..<segment.pointee.geometry.indexCapacity {
                let entry = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
                guard entry != 0, let series = SeriesRecord(segment.pointee, offset: Int(entry & 0xFFFF_FFFF)),
                    series.isLive
                else { continue }
                carry(series, segment, of: store, to: next, &families)
            }
        }
        LogicalWorkers.carry(from: store, to: next)
    }

    private static func carry(
        _ series: SeriesRecord, _ segment: UnsafeMutablePointer<Segment>, of store: Store, to next: Store,
        _ families: inout [UnsafeMutableRawPointer: Family?]
    ) {
        let handle = segment.pointee.handle(ofRecord: series.record - segment.pointee.base)
        guard let record = FamilyRecord(segment.pointee, offset: series.familyOffset) else { return }
        // Nobody's in particular: they come from the store that was left last.
        let isShared = (record.type == .info || record.type == .stateSet) && store === next.predecessors.last
        let known = handle.filledRecord
        // Another process's.
        if known == nil, !isShared { return }
        let hasMoved = known.map { next.contains($0) } ?? false
        if hasMoved, record.type != .gauge { return }
        let registered = families[record.record] ?? family(of: record.descriptor, in: next, after: store)
        families[record.record] = .some(registered)
        guard let family = registered else { return }
        if record.type == .info {
            if isShared { carryInfo(series, family) }
            return
        }
        if isShared { carryState(series, family) }
        guard known != nil, let moved = next.series(like: series, of: family) else { return }
        if record.type == .gauge {
            let own = store.ownInstance(of: series)
            if !hasMoved { redirect(handle, to: moved, with: own) }
            if let own { drain(own, into: handle) }
        } else {
            handle.redirect(to: moved.pointee, cell: moved.pointee.cell)
        }
    }

    /// A family of a store that was left, in the one that has taken its place. A declaration that was replaced is not brought
    /// back by whoever had it; where somebody who did not know has done so, it is replaced once more.
    private static func family(of descriptor: FamilyDescriptor, in next: Store, after store: Store) -> Family? {
        if store.isReplaced(descriptor) { return nil }
        let present = (try? next.descriptor(ofFamily: descriptor.name)).flatMap { $0 }
        return try? next.family(descriptor, replacing: present.map { store.isReplaced($0) } ?? false)
    }

    /// Makes a gauge's handle lead to a series of another store.
    /// - Parameter own: this process's instance in the old one.
    static func redirect(
        _ handle: UnsafeMutablePointer<SeriesHandle>, to moved: UnsafeMutablePointer<SeriesHandle>,
        with own: UnsafeMutableRawPointer?
    ) {
        // Without an instance the next update makes one.
        handle.redirect(to: moved.pointee, cell: own == nil ? nil : GaugeInstances.findOrMake(moved))
    }

    /// Takes the value out of an instance that was left, and adds it to what a gauge's handle leads to now: a set or an inc of
    /// a thread that was on its way to the old instance, and of one that has come to the new one already, are in the sum. (Of two
    /// sets within that moment the sum is wrong until the next one.)
    static func drain(_ old: UnsafeMutableRawPointer, into handle: UnsafeMutablePointer<SeriesHandle>) {
        let pair = SharedPair(old + InstanceLayout.value)
        var taken = pair.guess()
        while true {
            if UInt64(taken.first) == Update.unset { return }
            let rest = WordPair(first: UInt(Update.unset), second: taken.second)
            let result = pair.exchange(expected: taken, desired: rest)
            if result.exchanged { break }
            taken = result.original
        }
        let value = Double(bitPattern: UInt64(taken.first))
        guard handle.isMostRecent else {
            _ = Update.addToGauge(handle, value)
            return
        }
        if let instance = Update.ownInstance(handle) {
            let present = SharedPair(instance + InstanceLayout.value).guess()
            if present.second < taken.second { Update.setAt(instance, value, UInt64(taken.second)) }
        } else {
            Update.set(handle, value, at: Double(taken.second) / 1e9)
        }
    }

    /// An info is nobody's: it goes with whoever moves first, unless it was set anew.
    private static func carryInfo(_ series: SeriesRecord, _ family: Family) {
        let labels = family.descriptor.labelNames.count
        let count = (series.valueCount - labels) / 2
        guard count >= 0, !family.store.hasSeries(of: family, withFirst: labels, valuesOf: series) else { return }
        let keys = (0..<count).map { text(series, labels + count + $0) }
        _ = try? family.store.series(
            family, names: family.descriptor.labelNames + keys, values: (0..<(labels + count)).map { text(series, $0) })
    }

    /// So is a state set: of two states the one that was set last counts.
    private static func carryState(_ series: SeriesRecord, _ family: Family) {
        guard let moved = family.store.series(like: series, of: family), let record = moved.filledRecord else { return }
        let (time, state) = SharedPair(series.record + SeriesLayout.statePair).load()
        let pair = SharedPair(record + SeriesLayout.statePair)
        let known = pair.guess()
        if known.first < UInt(time) {
            _ = pair.exchange(expected: known, desired: WordPair(first: UInt(time), second: UInt(state)))
        }
    }
}

func text(_ series: SeriesRecord, _ index: Int) -> String { String(decoding: series.value(index), as: UTF8.self) }

extension Store {
    /// This process's instance of a gauge series, if it has one.
    func ownInstance(of series: SeriesRecord) -> UnsafeMutableRawPointer? {
        let token = ownToken
        if token == 0 { return nil }
        var found: UnsafeMutableRawPointer?
        try? series.forEachInstance(in: self) { instance in
            if instance.owner.bits == token { found = instance.record }
            return found != nil
        }
        return found
    }

    /// The series of a family with the label values of another store's; nil: there is none, and none can be made.
    func series(like series: SeriesRecord, of family: Family) -> UnsafeMutablePointer<SeriesHandle>? {
        let count = family.descriptor.labelNames.count
        guard series.valueCount >= count else { return nil }
        return try? self.series(
            family, names: family.descriptor.labelNames, values: (0..<count).map { text(series, $0) })
    }

    /// Whether a family has a live series that begins with the first values of another.
    func hasSeries(of family: Family, withFirst count: Int, valuesOf other: SeriesRecord) -> Bool {
        for number in 0..<StoreFormat.maxSegments {
            guard let segment = segments[number] else { return false }
            for position in 0..<segment.pointee.geometry.indexCapacity {
                let entry = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
                guard entry != 0, let series = SeriesRecord(segment.pointee, offset: Int(entry & 0xFFFF_FFFF)),
                    series.isLive, let record = FamilyRecord(segment.pointee, offset: series.familyOffset),
                    record.name.elementsEqual(family.descriptor.name.utf8), series.valueCount >= count,
                    (0..<count).allSatisfy({ series.value($0).elementsEqual(other.value($0)) })
                else { continue }
                return true
            }
        }
        return false
    }
}
