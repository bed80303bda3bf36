// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// The stores that this process has attached: opening one directory twice gives one store.
///
/// A fixed array of words, so that looking needs no lock and a fork child can use it as it finds it. A store's object is never
/// freed, so that who finds it while another thread closes it may look at it.
package enum AttachedStores {
    private static let capacity = 1024
    nonisolated(unsafe) private static let slots: UnsafeMutablePointer<Atomic<UInt>> = {
        let slots = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: capacity)
        for index in 0..<capacity { (slots + index).initialize(to: Atomic(0)) }
        return slots
    }()
    /// The slot of the default store plus one; 0: there is none yet.
    private static let defaultSlot = Atomic<Int>(0)

    private static func store(_ bits: UInt) -> Store {
        Unmanaged<Store>.fromOpaque(UnsafeRawPointer(bitPattern: bits).unsafelyUnwrapped).takeUnretainedValue()
    }

    /// The store in a directory, attached if it is not yet. Each call is one to be taken back by `close`.
    package static func open(
        _ directory: String, lanes: Int? = nil, seriesLimit: Int? = nil
    ) throws(StoreError) -> Store {
        try openOnce(directory, lanes: lanes, seriesLimit: seriesLimit).store
    }

    private static func openOnce(
        _ directory: String, lanes: Int?, seriesLimit: Int?
    ) throws(StoreError) -> (store: Store, slot: Int) {
        let settings = StoreSettings(
            lanes: lanes, seriesLimit: seriesLimit, isAutomatic: StoreDirectory.isAutomatic(directory))
        let place = try prepare(directory)
        if let known = find(place) { return known }
        let lock = ProcessLock.attaching(place)
        let isTaken = lock.wait()
        defer { if isTaken { lock.release() } }
        // Another thread may have attached it meanwhile.
        if let known = find(place) { return known }
        let made = try attach(place, settings)
        let kept = Unmanaged.passRetained(made)
        for index in 0..<capacity {
            let result = slots[index].compareExchange(
                expected: 0, desired: UInt(bitPattern: kept.toOpaque()), ordering: .acquiringAndReleasing)
            if result.exchanged { return (made, index) }
        }
        made.close()
        throw StoreError(.invalidArgument, "this process has \(capacity) stores open: close some")
    }

    /// Prepares a directory, again if what was there was removed meanwhile.
    private static func prepare(_ directory: String) throws(StoreError) -> String {
        for _ in 0..<10 {
            do throws(StoreError) {
                return try StoreDirectory.prepare(directory)
            } catch  where error.errno == ENOENT {
                continue
            }
        }
        return try StoreDirectory.prepare(directory)
    }

    /// The store of a place that is open, opened once more; nil: there is none.
    private static func find(_ place: String) -> (store: Store, slot: Int)? {
        for index in 0..<capacity {
            let bits = slots[index].load(ordering: .acquiring)
            if bits != 0, store(bits).place == place, store(bits).openAgain() { return (store(bits), index) }
        }
        return nil
    }

    /// The attached store at an address; nil: there is none (any more).
    package static func store(at address: UnsafeRawPointer) -> Store? {
        let bits = UInt(bitPattern: address)
        for index in 0..<capacity where slots[index].load(ordering: .acquiring) == bits { return store(bits) }
        return nil
    }

    // MARK: - The default store

    /// The store of the default directory; the same one ever after its first success.
    ///
    /// Where no store can be made in the directory that the environment names, the automatic directory serves.
    package static func defaultStore() throws(StoreError) -> Store {
        if let known = knownDefaultStore { return known }
        let opened = try openDefault(lanes: nil, seriesLimit: nil)
        if defaultSlot.compareExchange(expected: 0, desired: opened.slot + 1, ordering: .acquiringAndReleasing)
            .exchanged
        {
            CFDMetricsLinux_atexit { AttachedStores.leaveDefault() }
        }
        return opened.store
    }

    /// The store of the default directory, opened once more: one to be taken back by `close`.
    package static func openDefaultDirectory(lanes: Int?, seriesLimit: Int?) throws(StoreError) -> Store {
        try openDefault(lanes: lanes, seriesLimit: seriesLimit).store
    }

    private static func openDefault(
        lanes: Int?, seriesLimit: Int?
    ) throws(StoreError) -> (store: Store, slot: Int) {
        let directory = String(cString: StoreDirectory.defaultDirectory())
        do throws(StoreError) {
            return try openOnce(directory, lanes: lanes, seriesLimit: seriesLimit)
        } catch  where error.isUnusableDirectory && !StoreDirectory.isAutomatic(directory) {
            let automatic = String(cString: StoreDirectory.plan())
            let opened = try openOnce(automatic, lanes: lanes, seriesLimit: seriesLimit)
            Notices.say(
                .otherDirectory, "metrics go to \(automatic), which this service's processes share: \(error.message)")
            return opened
        }
    }

    /// The default store if it is attached.
    package static var knownDefaultStore: Store? {
        let known = defaultSlot.load(ordering: .acquiring)
        return known == 0 ? nil : store(slots[known - 1].load(ordering: .acquiring))
    }

    private static func leaveDefault() {
        guard let store = knownDefaultStore?.current else { return }
        store.accountOwnTime()
        store.removeIfLast()
    }

    /// Does something with each store, none of which is closed meanwhile.
    /// - Parameter whenLast: as of `close`, of a store that another thread has closed meanwhile.
    package static func forEach(_ body: (Store) -> Void, whenLast: (Store) -> Void) {
        for index in 0..<capacity {
            let bits = slots[index].load(ordering: .acquiring)
            if bits == 0 { continue }
            if defaultSlot.load(ordering: .acquiring) == index + 1 {
                body(store(bits))
            } else if store(bits).openAgain() {
                body(store(bits))
                _ = close(store(bits), whenLast: whenLast)
            }
        }
    }

    // MARK: - Closing

    /// Takes back one opening of a store; the last one closes it. False: it is the default store, or not attached.
    package static func close(_ store: Store, whenLast: (Store) -> Void = { _ in }) -> Bool {
        let bits = UInt(bitPattern: Unmanaged.passUnretained(store).toOpaque())
        for index in 0..<capacity where slots[index].load(ordering: .acquiring) == bits {
            if defaultSlot.load(ordering: .acquiring) == index + 1 { return false }
            guard let isLast = store.closeOnce() else { return false }
            if isLast {
                slots[index].store(0, ordering: .releasing)
                whenLast(store)
                store.close()
            }
            return true
        }
        return false
    }
}

extension Store {
    /// Counts one more opening; false: it is closed, or being closed.
    fileprivate func openAgain() -> Bool {
        var count = opens.load(ordering: .relaxed)
        while count > 0 {
            let result = opens.compareExchange(expected: count, desired: count + 1, ordering: .acquiringAndReleasing)
            if result.exchanged { return true }
            count = result.original
        }
        return false
    }

    /// Counts one closing: whether it was the last; nil: it is closed already.
    fileprivate func closeOnce() -> Bool? {
        var count = opens.load(ordering: .relaxed)
        while count > 0 {
            let result = opens.compareExchange(expected: count, desired: count - 1, ordering: .acquiringAndReleasing)
            if result.exchanged { return count == 1 }
            count = result.original
        }
        return nil
    }
}
