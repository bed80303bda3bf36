// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import FDMetricsStore
public import Synchronization

// What the cells of a series add up to. A sum over lanes is not a snapshot of one instant: each lane's word is, and words
// only grow, so a later sum is never less than an earlier one.

/// The total of a counter: (whole, fraction) of each lane.
@_optimize(speed)
package func counterTotal(_ cell: UnsafeMutableRawPointer, laneMask: UInt32) -> Double {
    counterTotal(cell, laneMask: laneMask, stride: StoreFormat.laneStride)
}

/// The same within a caller's loop, which knows the distance of two lanes.
@inlinable @inline(__always)
package func counterTotal(_ cell: UnsafeMutableRawPointer, laneMask: UInt32, stride: Int) -> Double {
    var whole: UInt64 = 0
    var fraction = 0.0
    var address = cell
    for _ in 0...laneMask {
        whole &+= word(address).pointee.load(ordering: .relaxed)
        fraction += Double(bitPattern: word(address + 8).pointee.load(ordering: .relaxed))
        address += stride
    }
    return Double(whole) + fraction
}

/// Count and sum of one bucket, or of a summary, over the lanes: of exactly the same observations.
@_optimize(speed)
package func pairTotal(_ pair: UnsafeMutableRawPointer, laneMask: UInt32) -> (count: UInt64, sum: Double) {
    pairTotal(pair, laneMask: laneMask, stride: StoreFormat.laneStride)
}

/// The same within a caller's loop, which knows the distance of two lanes.
@inlinable @inline(__always)
package func pairTotal(
    _ pair: UnsafeMutableRawPointer, laneMask: UInt32, stride: Int
) -> (count: UInt64, sum: Double) {
    var count: UInt64 = 0
    var sum = 0.0
    var address = pair
    for _ in 0...laneMask {
        let observed = SharedPair(address).load()
        count &+= observed.first
        sum += Double(bitPattern: observed.second)
        address += stride
    }
    return (count, sum)
}

/// Count and sum of all buckets of a histogram.
@_optimize(speed)
package func histogramTotal(
    _ cell: UnsafeMutableRawPointer, laneMask: UInt32, boundCount: Int
) -> (count: UInt64, sum: Double) {
    var total = (count: UInt64(0), sum: 0.0)
    for bucket in 0...boundCount {
        let pair = pairTotal(cell + bucket &* 16, laneMask: laneMask)
        total.count &+= pair.count
        total.sum += pair.sum
    }
    return total
}
