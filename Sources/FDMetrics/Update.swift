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
    /// Bounds are padded with +Inf to a multiple of 8, so that sixteen are compared without a branch that depends on the
    /// value: a search that branches costs twice as much when values vary, and hardly less when they do not. Adding up as
    /// a tree keeps the way from the value to the address of its bucket short.
    @inlinable @inline(__always)
    static func bucketIndex(_ value: Double, _ bounds: UnsafeMutableRawPointer, _ count: Int) -> Int {
        if value != value { return count }
        let values = SIMD2(repeating: value)
        // -1 in each place where the bound is below the value.
        var below = eightBelow(values, bounds)
        if count > 8 {
            below &+= eightBelow(values, bounds + 64)
            var next = 16
            while next < count {
                // The bound before is the greatest so far: if it is not below, no later one is.
                if (bounds + (next &- 1) &* 8).load(as: Double.self) >= value { break }
                below &+= eightBelow(values, bounds + next &* 8)
                next = next &+ 8
            }
        }
        return Int(truncatingIfNeeded: 0 &- (below[0] &+ below[1]))
    }

    @inlinable @inline(__always)
    static func eightBelow(_ values: SIMD2<Double>, _ bounds: UnsafeMutableRawPointer) -> SIMD2<Int64> {
        (twoBelow(values, bounds) &+ twoBelow(values, bounds + 16))
            &+ (twoBelow(values, bounds + 32) &+ twoBelow(values, bounds + 48))
    }

    @inlinable @inline(__always)
    static func twoBelow(_ values: SIMD2<Double>, _ bounds: UnsafeMutableRawPointer) -> SIMD2<Int64> {
        unsafeBitCast(bounds.load(as: SIMD2<Double>.self) .< values, to: SIMD2<Int64>.self)
    }
}
