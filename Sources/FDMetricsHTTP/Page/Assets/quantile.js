// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A quantile of observations that were counted in buckets, as PromQL's histogram_quantile() gives it for classic
 * histograms (https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile): the bucket that it
 * falls into is found, and within it observations count as evenly spread. The lowest bucket begins at 0 if its bound is
 * above that; a quantile in the bucket of +Inf is the highest finite bound. `fdmctl top` computes the same.
 *
 * @param {number} quantile from 0 to 1
 * @param {number[]} counts of each bucket, not cumulative; one more than bounds, the last of +Inf
 * @param {number[]} bounds ascending
 * @returns {?number} null where nothing was observed, or there is only the bucket of +Inf
 */
export function histogramQuantile(quantile, counts, bounds) {
    const total = sum(counts);
    if (!(total > 0) || bounds.length === 0) return null;
    const rank = quantile * total;
    let before = 0;
    for (let bucket = 0; bucket < bounds.length; bucket += 1) {
        const count = counts[bucket];
        if (before + count >= rank) {
            const end = bounds[bucket];
            if (bucket === 0 && end <= 0) return end;
            const start = bucket === 0 ? 0 : bounds[bucket - 1];
            // A quantile of 0 of an empty first bucket.
            return count > 0 ? start + (end - start) * ((rank - before) / count) : start;
        }
        before += count;
    }
    return bounds[bounds.length - 1];
}

/** The sum of numbers. */
export function sum(numbers) {
    return numbers.reduce((total, number) => total + number, 0);
}
