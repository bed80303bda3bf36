// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetricsLinux
public import FDMetricsStore
public import Synchronization

// The update of each instrument: what happens a million times a second. Everything here is inlined into the Swift API and
// into the C entry points; none of it allocates, locks, calls the kernel or can fail.

/// Updates of a series through its handle.
@usableFromInline
package enum Update {
    /// Adds 1 to a counter. Relaxed: the sum of the cells is all that anybody reads of it.
    @inlinable @inline(__always)
    package static func increment(_ handle: UnsafeMutablePointer<SeriesHandle>) {
        word(handle.laneCell(cpu: CFDMetricsLinux_cpu())).pointee.wrappingAdd(1, ordering: .relaxed)
    }

    /// Adds a whole amount to a counter.
    @inlinable @inline(__always)
    package static func add(_ handle: UnsafeMutablePointer<SeriesHandle>, whole amount: UInt64) {
        word(handle.laneCell(cpu: CFDMetricsLinux_cpu())).pointee.wrappingAdd(amount, ordering: .relaxed)
    }

    /// Adds an amount to a counter; false, and nothing added, if it is negative or not a number.
    @inlinable @inline(__always)
    package static func add(_ handle: UnsafeMutablePointer<SeriesHandle>, _ amount: Double) -> Bool {
        guard amount >= 0 else { return false }
        let cell = handle.laneCell(cpu: CFDMetricsLinux_cpu())
        // A whole amount below 2^53 goes to the word of whole numbers, which takes one locked add.
        if amount < 9_007_199_254_740_992 {
            let whole = UInt64(truncatingIfNeeded: Int64(amount))
            if Double(whole) == amount {
                word(cell).pointee.wrappingAdd(whole, ordering: .relaxed)
                return true
            }
        }
        addDouble(cell + 8, amount)
        return true
    }

    /// Counts an observation in its bucket of a histogram.
    @inlinable @inline(__always)
    package static func observe(histogram handle: UnsafeMutablePointer<SeriesHandle>, _ value: Double) {
        let count = Int(handle.pointee.count)
        let bucket = bucketIndex(value, handle.pointee.auxiliary.unsafelyUnwrapped, count)
        SharedPair(handle.laneCell(cpu: CFDMetricsLinux_cpu()) + bucket &* 16).observe(value)
    }

    /// Counts an observation of a summary.
    @inlinable @inline(__always)
    package static func observe(summary handle: UnsafeMutablePointer<SeriesHandle>, _ value: Double) {
        SharedPair(handle.laneCell(cpu: CFDMetricsLinux_cpu())).observe(value)
    }

    /// How many bounds lie below a value: the index of its bucket, whose upper bound is inclusive. NaN is above all.
    ///
    /// Bounds are padded with +Inf to a multiple of 8, so whole vectors are compared without a branch that depends on the
    /// value; from the third vector on a test ends the search early.
    @inlinable @inline(__always)
    static func bucketIndex(_ value: Double, _ bounds: UnsafeMutableRawPointer, _ count: Int) -> Int {
        if value != value { return count }
        var below = SIMD8<Int64>(repeating: 0)
        var next = 0
        while next < count {
            let vector = (bounds + next &* 8).loadUnaligned(as: SIMD8<Double>.self)
            below = below.replacing(with: below &+ 1, where: vector .< value)
            next = next &+ 8
            if next >= 16, next < count, vector[7] >= value { break }
        }
        return Int(truncatingIfNeeded: below.wrappedSum())
    }
}
