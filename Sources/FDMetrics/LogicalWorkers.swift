// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Synchronization

// A gauge's value may belong to a logical worker instead of the process: "worker 3 of the server", whichever process that
// is at the time. Its instance is owned by a token that no process ever holds (see `LeaseToken.init(worker:)`), so nobody
// inherits it and it does not die with a process; it ends when somebody says so.

/// Handles of gauges for logical workers.
package enum LogicalWorkers {
    // What a gauge's handle refers to by its token word: the store's address, the token, and then the handle itself.
    private static let tokenOffset = 8
    private static let handleOffset = 16
    private static let nextOffset = handleOffset + MemoryLayout<SeriesHandle>.size
    private static let size = nextOffset + 8

    /// The block that was made last; each leads to the one before it. 0: there is none.
    private static let blocks = Atomic<UInt>(0)

    /// A handle of a gauge series that updates the value of a logical worker. A new one at each call, never freed.
    /// - Throws: `noSpace` or `system` where its instance could not be made.
    package static func gauge(
        _ series: UnsafeMutablePointer<SeriesHandle>, worker: Int
    ) throws(StoreError) -> UnsafeMutablePointer<SeriesHandle> {
        let store = Store.ofToken(series.pointee.auxiliary.unsafelyUnwrapped)
        guard let record = series.filledRecord else {
            throw StoreError(.invalidArgument, "the gauge could not be registered: see the error of its look-up")
        }
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        block.storeBytes(of: UInt(bitPattern: Unmanaged.passUnretained(store).toOpaque()), as: UInt.self)
        block.storeBytes(of: LeaseToken(worker: worker).bits, toByteOffset: tokenOffset, as: UInt64.self)
        let handle = (block + handleOffset).bindMemory(to: SeriesHandle.self, capacity: 1)
        handle.initialize(
            to: SeriesHandle(
                cell: nil, laneMask: 0, count: series.pointee.count, auxiliary: block + tokenOffset, record: record))
        // Right away, so that the worker's present value can be read.
        if GaugeInstances.findOrMake(handle) == nil {
            block.deallocate()
            throw StoreError(.noSpace, "there is no room for one more instance of a gauge in \(store.directory)")
        }
        var first = blocks.load(ordering: .relaxed)
        while true {
            block.storeBytes(of: first, toByteOffset: nextOffset, as: UInt.self)
            // Release: who goes through the blocks sees this one whole.
            let result = blocks.compareExchange(
                expected: first, desired: UInt(bitPattern: block), ordering: .releasing)
            if result.exchanged { return handle }
            first = result.original
        }
    }

    /// Makes the handles of a store's workers lead to another store, which has taken its place.
    static func carry(from store: Store, to next: Store) {
        var bits = blocks.load(ordering: .acquiring)
        while let block = UnsafeMutableRawPointer(bitPattern: bits) {
            bits = block.load(fromByteOffset: nextOffset, as: UInt.self)
            let handle = (block + handleOffset).assumingMemoryBound(to: SeriesHandle.self)
            guard let record = handle.filledRecord, let segment = store.segment(of: record) else { continue }
            let series = SeriesRecord(sound: record)
            guard let family = FamilyRecord(segment.pointee, offset: series.familyOffset),
                let own = try? next.family(family.descriptor), let moved = next.series(like: series, of: own)
            else { continue }
            block.storeBytes(of: UInt(bitPattern: Unmanaged.passUnretained(next).toOpaque()), as: UInt.self)
            var target = moved.pointee
            target.auxiliary = block + tokenOffset
            target.cell = nil
            let old = Update.ownInstance(handle)
            handle.redirect(to: target, cell: nil)
            if let old { StoreMoves.drain(old, into: handle) }
        }
    }

    /// Takes a worker's values out of the live modes of all gauges.
    package static func end(_ worker: Int, in store: Store) throws(StoreError) {
        let token = LeaseToken(worker: worker)
        var number = 0
        while let segment = try store.segment(number) {
            for position in 0..<segment.pointee.geometry.indexCapacity {
                let entry = segment.pointee.indexSlot(position).pointee.load(ordering: .acquiring)
                guard entry != 0, let series = SeriesRecord(segment.pointee, offset: Int(entry & 0xFFFF_FFFF)),
                    let family = FamilyRecord(segment.pointee, offset: series.familyOffset), family.type == .gauge,
                    let mode = family.gaugeMode, mode.isLive
                else { continue }
                try end(token, series, mode, store)
            }
            number += 1
        }
    }

    private static func end(
        _ token: LeaseToken, _ series: SeriesRecord, _ mode: GaugeMode, _ store: Store
    ) throws(StoreError) {
        try series.forEachInstance(in: store) { instance in
            if instance.owner != token { return false }
            let pair = SharedPair(instance.record + InstanceLayout.value)
            let ended = WordPair(first: UInt(Update.unset), second: mode.isMostRecent ? 0 : UInt(token.bits))
            var old = pair.guess()
            while true {
                let result = pair.exchange(expected: old, desired: ended)
                if result.exchanged { return true }
                old = result.original
            }
        }
    }
}
