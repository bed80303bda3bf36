// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetricsStore
import Synchronization

// What the cells of a series add up to. A sum over lanes is not a snapshot of one instant: each lane's word is, and words
// only grow, so a later sum is never less than an earlier one.

/// The total of a counter: (whole, fraction) of each lane.
package func counterTotal(_ cell: UnsafeMutableRawPointer, laneMask: UInt32) -> Double {
    var whole: UInt64 = 0
    var fraction = 0.0
    for lane in 0...Int(laneMask) {
        let lane = cell + lane &* StoreFormat.laneStride
        whole &+= word(lane).pointee.load(ordering: .relaxed)
        fraction += Double(bitPattern: word(lane + 8).pointee.load(ordering: .relaxed))
    }
    return Double(whole) + fraction
}

/// Count and sum of one bucket, or of a summary, over the lanes: of exactly the same observations.
package func pairTotal(_ pair: UnsafeMutableRawPointer, laneMask: UInt32) -> (count: UInt64, sum: Double) {
    var count: UInt64 = 0
    var sum = 0.0
    for lane in 0...Int(laneMask) {
        let observed = SharedPair(pair + lane &* StoreFormat.laneStride).load()
        count &+= observed.first
        sum += Double(bitPattern: observed.second)
    }
    return (count, sum)
}

/// Count and sum of all buckets of a histogram.
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
