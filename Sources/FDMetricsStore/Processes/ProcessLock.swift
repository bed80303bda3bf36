// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// A lock between the threads of a process that no fork child finds taken: its word is in a page which the kernel empties in
/// a child (MADV_WIPEONFORK). For what is rare and slow, as attaching a store; no update takes one.
///
/// The word has the thread that holds it, so that a signal handler which finds its own thread's lock does not wait for it.
package struct ProcessLock {
    private let index: Int
    /// Never freed. nil where the kernel lacks MADV_WIPEONFORK, and no store can be attached.
    nonisolated(unsafe) private static let page = CFDMetricsLinux_wiped_page()
    private static let openings = 254

    /// Held by who moves what the process has of a deleted store.
    package static let move = ProcessLock(index: 0)

    /// Held by who sets this process's name.
    static let naming = ProcessLock(index: openings + 1)

    /// Held by who attaches the store of a place. A few places share one.
    static func attaching(_ place: String) -> ProcessLock {
        var hash: UInt = 5381
        for byte in place.utf8 { hash = hash &* 33 &+ UInt(byte) }
        return ProcessLock(index: 1 + Int(hash % UInt(openings)))
    }

    /// Takes it unless it is taken; false: it is.
    package func take() -> Bool { tryTake() == 0 }

    /// Takes it, once the other thread that has it lets it go.
    /// - Returns: false: this very thread has it already, and goes on having it.
    func wait() -> Bool {
        while true {
            let owner = tryTake()
            if owner == 0 { return true }
            if owner == CFDMetricsLinux_thread() { return false }
            CFDMetricsLinux_sleep(50)
        }
    }

    package func release() {
        guard let page = Self.page else { return }
        // Release: who takes it next sees what was done.
        word(page + 8 * index).pointee.store(0, ordering: .releasing)
    }

    /// Takes it unless it is taken. Returns the thread that has it; 0: none had.
    private func tryTake() -> UInt64 {
        guard let page = Self.page else { return CFDMetricsLinux_thread() }
        return word(page + 8 * index).pointee.compareExchange(
            expected: 0, desired: CFDMetricsLinux_thread(), ordering: .acquiring
        ).original
    }
}
