// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

package import FDMetricsStore
import Synchronization

/// What one process slot says of a gauge series, read consistently.
package struct GaugeContribution {
    /// Whose value it is.
    package let owner: LeaseToken
    /// nil: not set yet.
    package let value: Double?
    /// When it was set, ns since the epoch; 0 in modes that do not care.
    package let time: UInt64
    /// What earlier holders of the slot left, for `sum`, `min`, `max`; nil: nothing.
    package let carried: Double?
    /// The same for `mostRecent`, with its time.
    package let carriedTime: UInt64
    /// The owner's process id in its own namespace, to be shown.
    package let pid: UInt64

    /// Reads an instance. See Update+Gauge.swift for the order in which it is written: value pair before carry here, so
    /// that a value that is being folded is seen in one of the two, and the tag says when it is in both.
    @_optimize(speed)
    package init(_ instance: GaugeInstance, mode: GaugeMode) {
        let record = instance.record
        func load(_ offset: Int) -> UInt64 { word(record + offset).pointee.load(ordering: .acquiring) }
        while true {
            let owner = instance.owner
            let mark = load(InstanceLayout.value + 8)
            let bits = load(InstanceLayout.value)
            let carryTag = load(InstanceLayout.carry + 8)
            let carryBits = load(InstanceLayout.carry)
            // A mark that changed: another set in the same breath, or an heir. Again; each repetition is an update done.
            if load(InstanceLayout.value + 8) != mark || load(InstanceLayout.carry + 8) != carryTag { continue }
            value = bits == Update.unset || (mode.isMostRecent && mark == 0) ? nil : Double(bitPattern: bits)
            let hasCarry = carryTag != 0 && carryBits != Update.unset
            carried = hasCarry ? Double(bitPattern: carryBits) : nil
            if mode.isMostRecent {
                self.owner = owner
                time = mark
                carriedTime = carryTag
                isFolded = false
            } else {
                self.owner = LeaseToken(bits: mark)
                time = 0
                carriedTime = 0
                isFolded = carryTag == mark
            }
            pid = load(InstanceLayout.pid)
            return
        }
    }

    /// Whether `carried` has `value` in it already: its owner is dead and an heir is just taking over.
    package let isFolded: Bool
}

/// All instances of a gauge series.
package func gaugeContributions(
    _ series: SeriesRecord, mode: GaugeMode, in source: any SegmentSource
) -> [GaugeContribution] {
    var contributions: [GaugeContribution] = []
    appendContributions(of: series, mode: mode, in: source, to: &contributions)
    return contributions
}

/// Adds all instances of a gauge series to an array, whose memory serves for one series after the other.
@_optimize(speed)
package func appendContributions(
    of series: SeriesRecord, mode: GaugeMode, in source: any SegmentSource, to contributions: inout [GaugeContribution]
) {
    // A segment that cannot be read ends the list: what was found so far counts.
    try? series.forEachInstance(in: source) { instance in
        contributions.append(GaugeContribution(instance, mode: mode))
        return false
    }
}

/// The exposed value of the modes that give one sample; nil: no sample.
///
/// A series that nobody has set shows 0, except in the most recent modes and `local`. Sums go on showing a value when
/// all contributors are dead; least and greatest live values have none then.
@_optimize(speed)
package func aggregate(
    _ contributions: [GaugeContribution], mode: GaugeMode, ownToken: UInt64, isAlive: (LeaseToken) -> Bool
) -> Double? {
    var result: Double?
    var resultTime: UInt64 = 0
    let anySet = !contributions.isEmpty
    for one in contributions {
        if mode == .local {
            if one.owner.bits == ownToken, ownToken != 0 { return one.value }
            continue
        }
        if mode == .mostRecent, let carried = one.carried, result == nil || one.carriedTime > resultTime {
            (result, resultTime) = (carried, one.carriedTime)
        }
        if !mode.isLive, !mode.isMostRecent, let carried = one.carried {
            result = GaugeFold.combine(mode, result, carried)
        }
        guard let value = one.value, !one.isFolded || mode.isLive else { continue }
        if mode.isLive, !isAlive(one.owner) { continue }
        if mode.isMostRecent {
            if result == nil || one.time > resultTime { (result, resultTime) = (value, one.time) }
        } else {
            result = GaugeFold.combine(mode, result, value)
        }
    }
    switch mode {
    case .sum, .liveSum: return result ?? 0
    case .min, .max, .liveMin, .liveMax: return anySet ? result : 0
    default: return result
    }
}
