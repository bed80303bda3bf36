// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import Synchronization

#if arch(arm64)
public import CFDMetricsLinux
#endif

// The only place where shared memory becomes an atomic. Every word of a store that two processes may touch at once is
// reached through these; docs/memory-ordering.md lists each with its partner.

/// A shared 64-bit word.
@inlinable @inline(__always)
package func word(_ address: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Atomic<UInt64>> {
    address.assumingMemoryBound(to: Atomic<UInt64>.self)
}

/// A shared 32-bit word.
@inlinable @inline(__always)
package func halfWord(_ address: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Atomic<UInt32>> {
    address.assumingMemoryBound(to: Atomic<UInt32>.self)
}

/// Adds to a shared 64-bit word that holds a double. Relaxed: the sum is the only thing that it publishes.
@inlinable @inline(__always)
package func addDouble(_ address: UnsafeMutableRawPointer, _ amount: Double) {
    let cell = word(address)
    var old = cell.pointee.load(ordering: .relaxed)
    while true {
        let new = (Double(bitPattern: old) + amount).bitPattern
        let result = cell.pointee.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
        if result.exchanged { return }
        old = result.original
    }
}

/// Two shared 64-bit words, 16-byte aligned, that are replaced together by one 128-bit compare-and-swap.
///
/// Reading them needs no 128-bit load, which would need write access on x86-64: `load` takes the first word twice.
@frozen @usableFromInline
package struct SharedPair {
    @usableFromInline package let address: UnsafeMutableRawPointer

    @inlinable @inline(__always)
    package init(_ address: UnsafeMutableRawPointer) { self.address = address }

    @inlinable @inline(__always)
    var pair: UnsafeMutablePointer<Atomic<WordPair>> { address.assumingMemoryBound(to: Atomic<WordPair>.self) }

    /// Both words, perhaps of different updates: good as the first guess of a compare-and-swap, which corrects it. Acquire
    /// costs nothing on x86-64, and lets an heir of a gauge instance check the owner afterwards.
    @inlinable @inline(__always)
    package func guess() -> WordPair {
        WordPair(
            first: UInt(word(address).pointee.load(ordering: .acquiring)),
            second: UInt(word(address + 8).pointee.load(ordering: .acquiring)))
    }

    /// Replaces both words if they are as expected. Relaxed: the pair publishes nothing but itself.
    @inlinable @inline(__always)
    package func exchange(expected: WordPair, desired: WordPair) -> (exchanged: Bool, original: WordPair) {
        #if arch(arm64)
        if CFDMetricsLinux_has_lse() != 0 {
            let found = CFDMetricsLinux_exchange_pair(
                address, CFDMetricsLinux_pair(first: UInt64(expected.first), second: UInt64(expected.second)),
                CFDMetricsLinux_pair(first: UInt64(desired.first), second: UInt64(desired.second)))
            let original = WordPair(first: UInt(found.first), second: UInt(found.second))
            return (original.first == expected.first && original.second == expected.second, original)
        }
        #endif
        return pair.pointee.weakCompareExchange(expected: expected, desired: desired, ordering: .relaxed)
    }

    /// Counts one observation: (count, sum) becomes (count + 1, sum + value), both or neither.
    @inlinable @inline(__always)
    package func observe(_ value: Double) {
        var old = guess()
        // The sum once more, as a number: taken over from the guess it would go through a general register, which costs
        // three cycles on the way to the exchange. Should it be of a later update than the guess, so is the count, and
        // the exchange fails.
        var sum = Double(bitPattern: word(address + 8).pointee.load(ordering: .relaxed))
        while true {
            let new = WordPair(first: old.first &+ 1, second: UInt((sum + value).bitPattern))
            let result = exchange(expected: old, desired: new)
            if result.exchanged { return }
            old = result.original
            sum = Double(bitPattern: UInt64(old.second))
        }
    }

    /// Both words of one update, for pairs whose first word changes with every update (count and sum).
    ///
    /// Acquire on the first two loads keeps the three in order; an update between them changes the count, so equal counts
    /// mean that no update came between.
    @inlinable
    package func load() -> (first: UInt64, second: UInt64) {
        while true {
            let before = word(address).pointee.load(ordering: .acquiring)
            let second = word(address + 8).pointee.load(ordering: .acquiring)
            let after = word(address).pointee.load(ordering: .relaxed)
            if before == after { return (before, second) }
        }
    }
}
