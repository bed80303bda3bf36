// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import FDMetrics
package import FDMetricsStore
import Synchronization

/// A family at one scrape: its declaration, and a sample group for each series that is shown.
struct FamilySnapshot {
    let plan: GatherPlan.FamilyPlan
    var series: [SeriesSnapshot] = []
    /// The numbers of all series, one after the other; see `SeriesSnapshot.first`.
    ///
    ///   counter, gauge, info   1: the value
    ///   summary                2: count, sum
    ///   histogram              bounds + 2: the count of each bucket (not cumulative, +Inf last), the sum
    ///   state set              1: the index of the state that is on
    var values: [Double] = []
    /// Of a gauge of mode `all` or `liveAll`: whether all values that it has ever had are of one process slot or logical
    /// worker. Its samples then have no label for that, as those of a program that runs alone.
    var hasOneOwner = false
}

extension FamilySnapshot {
    /// When a series was registered, ns since the epoch; 0: not known.
    func created(_ series: SeriesSnapshot) -> UInt64 {
        series.index < 0 ? 0 : plan.series[series.index].record.createdTime
    }
}

/// A series at one scrape. Kept small, as a scrape may have hundreds of thousands: 32 bytes.
struct SeriesSnapshot {
    private var textStart: UnsafeRawPointer?
    private var textCount: UInt32
    private let firstValue: UInt32
    private let planIndex: Int32
    private let owner: Int32
    private let ownerPid: UInt32

    @inline(__always)
    init(text: UnsafeRawBufferPointer, first: Int, index: Int = -1, worker: Int = -1, pid: UInt64 = 0) {
        textStart = text.baseAddress
        textCount = UInt32(truncatingIfNeeded: text.count)
        firstValue = UInt32(truncatingIfNeeded: first)
        planIndex = Int32(truncatingIfNeeded: index)
        owner = Int32(truncatingIfNeeded: worker)
        // Linux has none above 2^22; only a damaged store says otherwise.
        ownerPid = UInt32(truncatingIfNeeded: pid)
    }

    /// {a="x",b="y"}, or empty.
    @inline(__always)
    var text: UnsafeRawBufferPointer {
        get { UnsafeRawBufferPointer(start: textStart, count: Int(textCount)) }
        set {
            textStart = newValue.baseAddress
            textCount = UInt32(truncatingIfNeeded: newValue.count)
        }
    }
    /// Where its numbers begin.
    @inline(__always)
    var first: Int { Int(firstValue) }
    /// Which series of the family's plan it is; -1: none of the store, but a counter or gauge of a scrape's own.
    @inline(__always)
    var index: Int { Int(planIndex) }
    /// Of gauges of mode `all` and `liveAll`: the process slot and the process id. -1: no such label.
    var worker: Int { Int(owner) }
    var pid: UInt64 { UInt64(ownerPid) }
}

extension FamilyDescriptor {
    /// The label that tells the owners of a gauge's samples apart: "worker", or "pid" if that was asked for; a family that
    /// has such a label itself gets another name, so that no sample has a label twice.
    package func ownerLabel(byPid: Bool) -> String {
        var label = byPid ? "pid" : "worker"
        while labelNames.contains(label) { label += "_" }
        return label
    }

    /// The label of a state set's states: the family's own name. A label name has no colon.
    package var stateLabel: String { String(name.map { $0 == ":" ? "_" : $0 }) }
}

/// The label that tells the owners of a family's samples apart, as one scrape writes it.
struct OwnerLabel {
    let name: String
    /// Where it is written among the labels of a series.
    let place: LabelPlace
    private let isByPid: Bool
    private let isShown: Bool

    /// - Parameter byPid: the process id was asked for, which is shown in any case.
    init(_ family: FamilySnapshot, byPid: Bool) {
        name = family.plan.descriptor.ownerLabel(byPid: byPid)
        place = LabelPlace(of: name, among: family.plan.descriptor.labelNames)
        isByPid = byPid
        isShown = byPid || !family.hasOneOwner
    }

    /// Its value in a sample; nil: the sample has no such label.
    func value(_ series: SeriesSnapshot) -> UInt64? {
        if series.worker < 0 || !isShown { return nil }
        return isByPid ? series.pid : UInt64(series.worker)
    }
}

/// Reads the numbers of a store into snapshots, family by family: one pass over the cells, no lock, no write.
struct Gatherer {
    private let plan: GatherPlan
    private let source: any SegmentSource
    private let probe: Liveness

    /// Brings the plan up to date; one scrape is made with it.
    init(_ plan: GatherPlan, _ source: any SegmentSource) throws(StoreError) {
        self.plan = plan
        self.source = source
        probe = Liveness(source)
        try plan.refresh()
    }

    /// A family of the plan as it is now.
    /// - Throws: `system` or `notFound` where it cannot be asked who is alive, and that decides what is shown; `noSpace` where
    ///   there is no memory.
    func snapshot(of family: GatherPlan.FamilyPlan) throws(StoreError) -> FamilySnapshot {
        try StoreError.throwIfMemoryIsShort()
        let values = StoreSnapshot.valueCount(family.descriptor) * MemoryLayout<Double>.stride
        // Twice, because an array that grows has its elements in two places for a moment.
        try StoreError.throwUnlessThereIsMemory(
            forBytes: 2 * family.series.count * (MemoryLayout<SeriesSnapshot>.stride + values))
        var snapshot = FamilySnapshot(plan: family)
        if family.descriptor.type == .gauge {
            snapshot.series.reserveCapacity(family.series.count)
            snapshot.values.reserveCapacity(family.series.count)
            gatherGauges(family, &snapshot)
            try probe.throwIfUnanswered()
        } else {
            gatherShared(family, &snapshot)
        }
        return snapshot
    }

    /// Families whose numbers belong to no process.
    private func gatherShared(_ family: GatherPlan.FamilyPlan, _ snapshot: inout FamilySnapshot) {
        if family.descriptor.type == .info { return gatherInfos(family, &snapshot) }
        // In one segment no two series have the same labels.
        if family.byLabels == nil, family.descriptor.type != .stateSet { return gatherEach(family, &snapshot) }
        for index in family.series.indices where !family.series[index].isLinked {
            var current = index
            var isShown = false
            let first = snapshot.values.count
            var stateTime: UInt64 = 0
            while current >= 0 {
                let series = family.series[current]
                current = series.next
                if !series.record.isLive { continue }
                let isFirst = !isShown
                if family.descriptor.type == .stateSet {
                    // Of two segments' words the one set last counts. (time, state): the time changes with every set.
                    let (time, state) = SharedPair(series.record.record + SeriesLayout.statePair).load()
                    // A state that is none: the word is damaged.
                    if state >= UInt64(family.descriptor.states.count) { continue }
                    isShown = true
                    if isFirst {
                        snapshot.values.append(Double(state))
                    } else if time > stateTime {
                        snapshot.values[first] = Double(state)
                    }
                    stateTime = max(stateTime, time)
                    continue
                }
                isShown = true
                switch family.descriptor.type {
                case .counter:
                    add(
                        counterTotal(series.cell.unsafelyUnwrapped, laneMask: series.laneMask), isFirst, first,
                        &snapshot)
                case .summary:
                    let total = pairTotal(series.cell.unsafelyUnwrapped, laneMask: series.laneMask)
                    add(Double(total.count), isFirst, first, &snapshot)
                    add(total.sum, isFirst, first + 1, &snapshot)
                case .histogram:
                    var sum = 0.0
                    for bucket in 0..<family.boundTexts.count {
                        let total = pairTotal(series.cell.unsafelyUnwrapped + bucket * 16, laneMask: series.laneMask)
                        add(Double(total.count), isFirst, first + bucket, &snapshot)
                        sum += total.sum
                    }
                    add(sum, isFirst, first + family.boundTexts.count, &snapshot)
                case .gauge, .info, .stateSet: break
                }
            }
            if isShown {
                let series = family.series[index]
                snapshot.series.append(SeriesSnapshot(text: series.text, first: first, index: index))
            }
        }
    }

    /// The latest text of each set of label values. One that was replaced is shown as long as the plan does not have the one
    /// that came in its place: it was the one when the plan was brought up to date.
    private func gatherInfos(_ family: GatherPlan.FamilyPlan, _ snapshot: inout FamilySnapshot) {
        for index in family.latestTexts.values.sorted() {
            let series = family.series[index]
            guard series.record.isLive || series.record.isReplaced else { continue }
            snapshot.series.append(SeriesSnapshot(text: series.text, first: snapshot.values.count, index: index))
            snapshot.values.append(1)
        }
    }

    /// The same for series none of which is linked: most, and of counters millions a second. All that does not change is
    /// taken out of the loop, which has no call in it.
    @_optimize(speed)
    private func gatherEach(_ family: GatherPlan.FamilyPlan, _ snapshot: inout FamilySnapshot) {
        let type = family.descriptor.type
        let buckets = family.boundTexts.count
        let width = type == .histogram ? buckets + 1 : type == .summary ? 2 : 1
        let (state, live, stride) = (SeriesLayout.state, SeriesLayout.live, StoreFormat.laneStride)
        family.series.withUnsafeBufferPointer { plan in
            snapshot.values = Array(unsafeUninitializedCapacity: plan.count * width) { values, valueCount in
                snapshot.series = Array(unsafeUninitializedCapacity: plan.count) { shown, shownCount in
                    for index in plan.indices {
                        let series = plan[index]
                        if word(series.record.record + state).pointee.load(ordering: .relaxed) != live { continue }
                        let first = shownCount &* width
                        switch type {
                        case .counter:
                            values.initializeElement(
                                at: first,
                                to: counterTotal(
                                    series.cell.unsafelyUnwrapped, laneMask: series.laneMask, stride: stride))
                        case .summary, .histogram:
                            // A summary is one pair, and its sum stands behind its count as that of a histogram does.
                            var sum = 0.0
                            for bucket in 0..<(width &- 1) {
                                let total = pairTotal(
                                    series.cell.unsafelyUnwrapped + bucket &* 16, laneMask: series.laneMask,
                                    stride: stride)
                                values.initializeElement(at: first &+ bucket, to: Double(total.count))
                                sum += total.sum
                            }
                            values.initializeElement(at: first &+ width &- 1, to: sum)
                        default: values.initializeElement(at: first, to: 1)
                        }
                        shown.initializeElement(
                            at: shownCount, to: SeriesSnapshot(text: series.text, first: first, index: index))
                        shownCount &+= 1
                    }
                    valueCount = shownCount &* width
                }
            }
        }
    }

    @inline(__always)
    private func add(_ value: Double, _ isFirst: Bool, _ place: Int, _ snapshot: inout FamilySnapshot) {
        if isFirst { snapshot.values.append(value) } else { snapshot.values[place] += value }
    }

    @_optimize(speed)
    private func gatherGauges(_ family: GatherPlan.FamilyPlan, _ snapshot: inout FamilySnapshot) {
        guard let mode = family.descriptor.gaugeMode else { return gatherDifferences(family, &snapshot) }
        let (state, live) = (SeriesLayout.state, SeriesLayout.live)
        let ownToken = source.ownToken
        let isByOwner = mode == .all || mode == .liveAll
        var contributions: [GaugeContribution] = []
        family.series.withUnsafeBufferPointer { plan in
            for index in plan.indices where !plan[index].isLinked {
                contributions.removeAll(keepingCapacity: true)
                var current = index
                var isShown = false
                while current >= 0 {
                    let series = plan[current]
                    current = series.next
                    if word(series.record.record + state).pointee.load(ordering: .relaxed) != live {
                        // What was removed had its owners too: the label that has come does not go again.
                        if isByOwner, !family.hasSeveralOwners {
                            family.take(gaugeContributions(series.record, mode: mode, in: source))
                        }
                        continue
                    }
                    isShown = true
                    appendContributions(of: series.record, mode: mode, in: source, to: &contributions)
                }
                if isByOwner { family.take(contributions) }
                if !isShown { continue }
                let text = plan[index].text
                if isByOwner {
                    appendEach(contributions, mode, text, index, &snapshot)
                    continue
                }
                // Most are this process's own, for which nobody need be asked.
                let value = aggregate(contributions, mode: mode, ownToken: ownToken) {
                    $0.bits == ownToken || probe.isAlive($0)
                }
                guard let value else { continue }
                snapshot.series.append(SeriesSnapshot(text: text, first: snapshot.values.count, index: index))
                snapshot.values.append(value)
            }
        }
        snapshot.hasOneOwner = isByOwner && !family.hasSeveralOwners
    }

    /// A gauge without a mode is the difference of the two counters that its states name. The subtrahend is read first, so
    /// that what is counted in both meanwhile makes the difference greater, never negative.
    private func gatherDifferences(_ family: GatherPlan.FamilyPlan, _ snapshot: inout FamilySnapshot) {
        guard family.descriptor.states.count == 2, let minuend = plan.family(named: family.descriptor.states[0]),
            let subtrahend = plan.family(named: family.descriptor.states[1]),
            minuend.descriptor.type == .counter, subtrahend.descriptor.type == .counter
        else { return }
        let less = totals(subtrahend), more = totals(minuend)
        for index in family.series.indices where !family.series[index].isLinked {
            let labels = Array(family.series[index].text)
            guard isShown(family, index), let sent = more[labels] else { continue }
            snapshot.series.append(
                SeriesSnapshot(text: family.series[index].text, first: snapshot.values.count, index: index))
            snapshot.values.append(sent - (less[labels] ?? 0))
        }
    }

    /// The totals of a family of counters, by their rendered labels.
    private func totals(_ family: GatherPlan.FamilyPlan) -> [[UInt8]: Double] {
        var totals: [[UInt8]: Double] = [:]
        for series in family.series where series.record.isLive {
            totals[Array(series.text), default: 0] += counterTotal(
                series.cell.unsafelyUnwrapped, laneMask: series.laneMask)
        }
        return totals
    }

    /// Whether one of the series with these labels is not removed.
    private func isShown(_ family: GatherPlan.FamilyPlan, _ index: Int) -> Bool {
        var current = index
        while current >= 0 {
            if family.series[current].record.isLive { return true }
            current = family.series[current].next
        }
        return false
    }

    /// One sample for each process slot and logical worker, by number. Where both have a number the worker is shown, so that
    /// no sample is there twice.
    private func appendEach(
        _ contributions: [GaugeContribution], _ mode: GaugeMode, _ text: UnsafeRawBufferPointer, _ index: Int,
        _ snapshot: inout FamilySnapshot
    ) {
        func order(_ token: LeaseToken) -> (Int, Int) { (token.number, token.worker == nil ? 1 : 0) }
        var last = -1
        for one in contributions.sorted(by: { order($0.owner) < order($1.owner) }) {
            let number = order(one.owner).0
            guard let value = one.value, number != last else { continue }
            if mode == .liveAll, !probe.isAlive(one.owner) { continue }
            last = number
            // What stands for the process in the samples of a logical worker is the worker, whoever it was last.
            snapshot.series.append(
                SeriesSnapshot(
                    text: text, first: snapshot.values.count, index: index, worker: number,
                    pid: one.owner.worker.map { UInt64($0) } ?? one.pid))
            snapshot.values.append(value)
        }
    }
}

extension LeaseToken {
    /// What stands in the label `worker`: the number of the logical worker, or of the process's slot.
    fileprivate var number: Int { worker ?? slot }
}

extension GatherPlan.FamilyPlan {
    /// Takes notice of whose values there are; see `FamilySnapshot.hasOneOwner`.
    fileprivate func take(_ contributions: [GaugeContribution]) {
        for one in contributions where !hasSeveralOwners {
            if let owner, owner != one.owner.number { hasSeveralOwners = true }
            owner = one.owner.number
        }
    }
}

/// Asks the kernel who is alive, and opens the file for it only when somebody asks.
private final class Liveness {
    private let source: any SegmentSource
    private var probe: LivenessProbe?
    private var isOpened = false
    private var openError: StoreError?

    init(_ source: any SegmentSource) { self.source = source }

    /// Throws where somebody who was asked about may be alive or not.
    func throwIfUnanswered() throws(StoreError) {
        if let openError { throw openError }
        try probe?.throwIfUnanswered(source.directory)
    }

    func isAlive(_ token: LeaseToken) -> Bool {
        // A logical worker has no end but the one that it is told.
        if token.bits == source.ownToken || token.worker != nil { return true }
        if !isOpened {
            isOpened = true
            do throws(StoreError) {
                if let segment = try source.segment(0) {
                    probe = try LivenessProbe(directory: source.directory, segment: segment)
                }
            } catch {
                openError = error
            }
        }
        return probe?.isAlive(token) ?? false
    }
}
