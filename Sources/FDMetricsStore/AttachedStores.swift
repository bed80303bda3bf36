// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The stores that this process has attached: opening one directory twice gives one store.
///
/// A fixed array of words, so that it needs no lock and a fork child can use it as it finds it.
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

    /// The store in a directory, attached if it is not yet.
    package static func open(
        _ directory: String, lanes: Int? = nil, seriesLimit: Int? = nil
    ) throws(StoreError) -> Store {
        try open(directory, lanes: lanes, seriesLimit: seriesLimit).store
    }

    private static func open(
        _ directory: String, lanes: Int?, seriesLimit: Int?
    ) throws(StoreError) -> (store: Store, slot: Int) {
        let path = try StoreDirectory.prepare(directory)
        if let known = find(path) { return known }
        let made = try attach(directory, lanes: lanes, seriesLimit: seriesLimit)
        let kept = Unmanaged.passRetained(made)
        for index in 0..<capacity {
            let result = slots[index].compareExchange(
                expected: 0, desired: UInt(bitPattern: kept.toOpaque()), ordering: .acquiringAndReleasing)
            if result.exchanged {
                // Another thread may have attached the same directory meanwhile; the lower slot is the one that counts.
                if let first = find(path), first.slot < index {
                    slots[index].store(0, ordering: .releasing)
                    made.close()
                    kept.release()
                    return first
                }
                return (made, index)
            }
        }
        made.close()
        kept.release()
        throw StoreError(.invalidArgument, "this process has \(capacity) stores open: close some")
    }

    /// Attaches, again if the store was removed under it by its last user: that takes microseconds.
    private static func attach(_ directory: String, lanes: Int?, seriesLimit: Int?) throws(StoreError) -> Store {
        for _ in 0..<100 {
            do throws(StoreError) {
                return try Store(directory: directory, lanes: lanes, seriesLimit: seriesLimit)
            } catch  where error.code == .notFound {
                usleep(100)
            }
        }
        return try Store(directory: directory, lanes: lanes, seriesLimit: seriesLimit)
    }

    private static func find(_ path: String) -> (store: Store, slot: Int)? {
        for index in 0..<capacity {
            let bits = slots[index].load(ordering: .acquiring)
            if bits != 0, store(bits).directory == path { return (store(bits), index) }
        }
        return nil
    }

    /// The attached store at an address; nil: there is none (any more).
    package static func store(at address: UnsafeRawPointer) -> Store? {
        let bits = UInt(bitPattern: address)
        for index in 0..<capacity where slots[index].load(ordering: .acquiring) == bits { return store(bits) }
        return nil
    }

    /// The store of the default directory; the same one ever after its first success.
    package static func defaultStore() throws(StoreError) -> Store {
        let known = defaultSlot.load(ordering: .acquiring)
        if known != 0 { return store(slots[known - 1].load(ordering: .acquiring)) }
        let directory = String(cString: StoreDirectory.defaultDirectory())
        let (store, slot) = try open(directory, lanes: nil, seriesLimit: nil)
        if defaultSlot.compareExchange(expected: 0, desired: slot + 1, ordering: .acquiringAndReleasing).exchanged {
            // Absolute from here on: a child process may have another working directory.
            setenv(StoreDirectory.variable, store.directory, 1)
            atexit { AttachedStores.leaveDefault() }
        }
        return store
    }

    private static func leaveDefault() {
        let slot = defaultSlot.load(ordering: .acquiring)
        if slot == 0 { return }
        let store = store(slots[slot - 1].load(ordering: .acquiring))
        store.accountOwnTime()
        store.removeIfLast()
    }

    /// Closes a store that `open` gave. False: it is the default store, or not attached.
    package static func close(_ store: Store) -> Bool {
        let bits = UInt(bitPattern: Unmanaged.passUnretained(store).toOpaque())
        for index in 0..<capacity where slots[index].load(ordering: .acquiring) == bits {
            if defaultSlot.load(ordering: .acquiring) == index + 1 { return false }
            slots[index].store(0, ordering: .releasing)
            store.close()
            Unmanaged.passUnretained(store).release()
            return true
        }
        return false
    }
}
