// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/// A quantile of observations that were counted in buckets, as PromQL's histogram_quantile() gives it for classic
/// histograms (https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile): the bucket that the
/// quantile falls into is found, and within it observations count as evenly spread. The lowest bucket begins at 0 if its
/// bound is above that; a quantile in the bucket of +Inf is the highest finite bound.
///
/// - Parameters:
///   - counts: of each bucket, not cumulative; one more than bounds, the last of +Inf.
///   - bounds: ascending.
/// - Returns: nil where nothing was observed, or there is only the bucket of +Inf.
package func histogramQuantile(
    _ quantile: Double, counts: some RandomAccessCollection<Double>, bounds: [Double]
) -> Double? {
    let total = counts.reduce(0, +)
    guard total > 0, !bounds.isEmpty else { return nil }
    let rank = quantile * total
    var before = 0.0
    for (bucket, count) in zip(bounds.indices, counts) {
        if before + count >= rank {
            let end = bounds[bucket]
            if bucket == 0 && end <= 0 { return end }
            let start = bucket == 0 ? 0 : bounds[bucket - 1]
            // A quantile of 0 of an empty first bucket.
            return count > 0 ? start + (end - start) * ((rank - before) / count) : start
        }
        before += count
    }
    return bounds[bounds.count - 1]
}
