// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import FDMetrics
package import FDMetricsStore
import Synchronization

/// Renders stores, and keeps the plan of an attached store from one scrape to the next.
package enum Renderer {
    /// A rendered text, or bytes of the protobuf format: `count` bytes and a zero, to be released with free().
    package typealias Text = (start: UnsafeMutablePointer<CChar>, count: Int)

    /// A kept plan and who is using it: 0 nobody, else that process's id. One for each store that was rendered.
    private final class Kept: @unchecked Sendable {
        let store: Store
        let user = Atomic<Int32>(0)
        var scraper: Scraper
        init(_ store: Store) {
            self.store = store
            scraper = Scraper(store)
        }
    }

    private static let capacity = 64
    nonisolated(unsafe) private static let kept: UnsafeMutablePointer<Atomic<UInt>> = {
        let slots = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: capacity)
        for index in 0..<capacity { (slots + index).initialize(to: Atomic(0)) }
        return slots
    }()

    /// Renders an attached store.
    ///
    /// Nobody waits for the kept plan: who finds it in use, by another thread or by one of the parent process at the time
    /// of a fork, makes one for itself.
    /// - Parameters:
    ///   - names: If not empty: only the families that have one of these names, or a sample of such a name.
    ///   - added: What is shown besides the store's own families.
    package static func render(
        _ store: Store, as format: ExpositionFormat, options: RenderOptions, names: [String] = [],
        adding added: [AddedCounter] = []
    ) throws(StoreError) -> Text {
        let store = StoreMoves.current(store, now: true)
        guard let kept = keptPlan(store) else {
            return try Scraper(store).render(format, options, names, added)
        }
        let own = Int32(CFDMetricsLinux_getpid())
        let claim = kept.user.compareExchange(expected: 0, desired: own, ordering: .acquiring)
        if !claim.exchanged {
            // In use by another thread; or copied by a fork while a thread of the parent was using it. That thread is not
            // here, and its plan may be half-changed: leave it alone for good.
            guard claim.original != own,
                kept.user.compareExchange(expected: claim.original, desired: own, ordering: .acquiring).exchanged
            else { return try Scraper(store).render(format, options, names, added) }
            _ = Unmanaged.passRetained(kept.scraper)
            kept.scraper = Scraper(store)
        }
        defer { kept.user.store(0, ordering: .releasing) }
        return try kept.scraper.render(format, options, names, added)
    }

    /// Renders the store in a directory, once; who does it again and again keeps a `DirectoryRenderer`.
    /// - Parameter names: If not empty: only the families that have one of these names, or a sample of such a name.
    package static func render(
        directory: String, as format: ExpositionFormat, options: RenderOptions, names: [String] = []
    ) throws(StoreError) -> Text {
        try Scraper(try StoreReader(directory: directory)).render(format, options, names)
    }

    /// Forgets the plans of a store that is about to be closed, and of those that it has gone through.
    package static func forgetAll(_ store: Store) {
        (store.current.predecessors + [store.current]).forEach(forget)
    }

    /// Forgets the plan of a store that is about to be closed.
    package static func forget(_ store: Store) {
        for index in 0..<capacity {
            let bits = kept[index].load(ordering: .acquiring)
            guard let pointer = UnsafeRawPointer(bitPattern: bits) else { continue }
            let entry = Unmanaged<Kept>.fromOpaque(pointer)
            if entry.takeUnretainedValue().store === store {
                kept[index].store(0, ordering: .releasing)
                entry.release()
            }
        }
    }

    private static func keptPlan(_ store: Store) -> Kept? {
        var fresh: Unmanaged<Kept>?
        defer { fresh?.release() }
        for index in 0..<capacity {
            var bits = kept[index].load(ordering: .acquiring)
            if bits == 0 {
                let made = fresh ?? Unmanaged.passRetained(Kept(store))
                fresh = made
                let result = kept[index].compareExchange(
                    expected: 0, desired: UInt(bitPattern: made.toOpaque()), ordering: .acquiringAndReleasing)
                if result.exchanged {
                    fresh = nil
                    return made.takeUnretainedValue()
                }
                bits = result.original
            }
            guard let pointer = UnsafeRawPointer(bitPattern: bits) else { continue }
            let entry = Unmanaged<Kept>.fromOpaque(pointer).takeUnretainedValue()
            if entry.store === store { return entry }
        }
        return nil
    }
}
