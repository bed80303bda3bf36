// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetrics
import CFDMetricsLinux
import FDMetrics
import FDMetricsStore

// Look-ups by C strings, and the recording functions. The latter are what a million calls a second go through: one test
// for NULL, and the inlined update.
//
// They are declared with @c, the newer spelling of @_cdecl: it makes one function with the C convention, where @_cdecl
// makes a Swift function and a thunk that jumps to it, which costs as much as a third of an increment.

/// The series of a family of a type, by C strings.
@inline(__always)
private func labels(
    _ type: MetricType, _ family: OpaquePointer?, _ values: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int,
    _ handle: UnsafeMutablePointer<OpaquePointer?>?
) -> fdm_status {
    guard let handle else { return invalidArgument("the \(type.name) is NULL: give the address of a handle") }
    guard let core = familyCore(family), core.pointee.type == type, isAtMost(count, MetricDeclaration.maxLabels),
        count == 0 || values != nil
    else {
        handle.pointee = OpaquePointer(InertHandle.of(type))
        return labelsFailure(type, family, values != nil)
    }
    return withUnsafeTemporaryAllocation(of: LabelValue.self, capacity: max(1, count)) { key in
        for index in 0..<count {
            guard let value = values.unsafelyUnwrapped[index] else {
                handle.pointee = OpaquePointer(InertHandle.of(type))
                return invalidArgument("label value \(index) is NULL: give \"\" for an empty one")
            }
            key[index] = LabelValue(bytes: value, count: CFDMetricsLinux_strlen(value))
        }
        let result = find(core, UnsafePointer(key.baseAddress.unsafelyUnwrapped), count) {
            handle.pointee = OpaquePointer($0)
        }
        if result != 0 { handle.pointee = OpaquePointer(InertHandle.of(type)) }
        return result
    }
}

@inline(never)
private func labelsFailure(_ type: MetricType, _ family: OpaquePointer?, _ hasValues: Bool = true) -> fdm_status {
    guard let core = familyCore(family) else {
        return invalidArgument("the family is NULL or could not be registered; see fdm_register's error")
    }
    if core.pointee.type != type {
        let name = core.pointee.family.takeUnretainedValue().descriptor.name
        return failure(StoreError(.labels, "\(name) is a \(core.pointee.type.name), not a \(type.name)"))
    }
    if !hasValues { return invalidArgument("the label values are NULL, and their count is not 0") }
    return failure(
        StoreError(.labels, "too many label values; a family has at most \(MetricDeclaration.maxLabels) labels"))
}

/// The counter with these label values.
@_cdecl("fdm_counter_labels") @implementation
@_optimize(speed)
public func fdm_counter_labels(
    _ family: OpaquePointer!, _ values: UnsafePointer<UnsafePointer<CChar>?>!, _ count: Int,
    _ counter: UnsafeMutablePointer<OpaquePointer?>!
) -> fdm_status { labels(.counter, family, values, count, counter) }

/// The gauge with these label values.
@_cdecl("fdm_gauge_labels") @implementation
@_optimize(speed)
public func fdm_gauge_labels(
    _ family: OpaquePointer!, _ values: UnsafePointer<UnsafePointer<CChar>?>!, _ count: Int,
    _ gauge: UnsafeMutablePointer<OpaquePointer?>!
) -> fdm_status { labels(.gauge, family, values, count, gauge) }

/// The histogram with these label values.
@_cdecl("fdm_histogram_labels") @implementation
@_optimize(speed)
public func fdm_histogram_labels(
    _ family: OpaquePointer!, _ values: UnsafePointer<UnsafePointer<CChar>?>!, _ count: Int,
    _ histogram: UnsafeMutablePointer<OpaquePointer?>!
) -> fdm_status { labels(.histogram, family, values, count, histogram) }

/// The summary with these label values.
@_cdecl("fdm_summary_labels") @implementation
@_optimize(speed)
public func fdm_summary_labels(
    _ family: OpaquePointer!, _ values: UnsafePointer<UnsafePointer<CChar>?>!, _ count: Int,
    _ summary: UnsafeMutablePointer<OpaquePointer?>!
) -> fdm_status { labels(.summary, family, values, count, summary) }

// MARK: - Counters

/// Adds 1.
@c(fdm_counter_inc) @implementation
public func fdm_counter_inc(_ counter: OpaquePointer!) {
    guard let handle = series(counter) else { return }
    Update.increment(handle)
}

/// Adds an amount.
@c(fdm_counter_add) @implementation
public func fdm_counter_add(_ counter: OpaquePointer!, _ amount: Double) -> fdm_status {
    guard let handle = series(counter) else { return 0 }
    if Update.add(handle, amount) { return 0 }
    return invalidArgument("a counter cannot be increased by \(amount): give an amount of at least 0")
}

/// Adds a whole amount.
@c(fdm_counter_add_u64) @implementation
public func fdm_counter_add_u64(_ counter: OpaquePointer!, _ amount: UInt64) {
    guard let handle = series(counter) else { return }
    Update.add(handle, whole: amount)
}

/// The total over all processes.
@_cdecl("fdm_counter_value") @implementation
public func fdm_counter_value(_ counter: OpaquePointer!) -> Double {
    guard let handle = series(counter) else { return 0 }
    return Counter(handle: SeriesAddress(handle)).value
}

// MARK: - Gauges

/// Sets the value of this process.
@c(fdm_gauge_set) @implementation
public func fdm_gauge_set(_ gauge: OpaquePointer!, _ value: Double) {
    guard let handle = series(gauge) else { return }
    Update.set(handle, value)
}

/// Sets the value of this process as of a time.
@_cdecl("fdm_gauge_set_at") @implementation
public func fdm_gauge_set_at(_ gauge: OpaquePointer!, _ value: Double, _ seconds: Double) {
    guard let handle = series(gauge) else { return }
    Update.set(handle, value, at: seconds)
}

/// Adds to the value of this process.
@c(fdm_gauge_add) @implementation
public func fdm_gauge_add(_ gauge: OpaquePointer!, _ amount: Double) -> fdm_status {
    guard let handle = series(gauge) else { return 0 }
    if Update.addToGauge(handle, amount) { return 0 }
    return invalidArgument("a gauge of a most recent mode cannot be increased: set it")
}

/// Adds 1.
@c(fdm_gauge_inc) @implementation
public func fdm_gauge_inc(_ gauge: OpaquePointer!) {
    guard let handle = series(gauge) else { return }
    _ = Update.addToGauge(handle, 1)
}

/// Subtracts 1.
@c(fdm_gauge_dec) @implementation
public func fdm_gauge_dec(_ gauge: OpaquePointer!) {
    guard let handle = series(gauge) else { return }
    _ = Update.addToGauge(handle, -1)
}

/// The value of this process.
@_cdecl("fdm_gauge_value") @implementation
public func fdm_gauge_value(_ gauge: OpaquePointer!) -> Double {
    guard let handle = series(gauge) else { return 0 }
    return Gauge(handle: SeriesAddress(handle)).value
}

// MARK: - Histograms and summaries

/// Counts an observation.
@c(fdm_histogram_observe) @implementation
public func fdm_histogram_observe(_ histogram: OpaquePointer!, _ value: Double) {
    guard let handle = series(histogram) else { return }
    Update.observe(histogram: handle, value)
}

/// Count and sum over all processes.
@_cdecl("fdm_histogram_value") @implementation
public func fdm_histogram_value(
    _ histogram: OpaquePointer!, _ count: UnsafeMutablePointer<UInt64>!, _ sum: UnsafeMutablePointer<Double>!
) {
    var total = (count: UInt64(0), sum: 0.0)
    if let handle = series(histogram), handle.filledRecord != nil {
        total = Histogram(handle: SeriesAddress(handle)).total
    }
    count?.pointee = total.count
    sum?.pointee = total.sum
}

/// Counts an observation.
@c(fdm_summary_observe) @implementation
public func fdm_summary_observe(_ summary: OpaquePointer!, _ value: Double) {
    guard let handle = series(summary) else { return }
    Update.observe(summary: handle, value)
}

/// Count and sum over all processes.
@_cdecl("fdm_summary_value") @implementation
public func fdm_summary_value(
    _ summary: OpaquePointer!, _ count: UnsafeMutablePointer<UInt64>!, _ sum: UnsafeMutablePointer<Double>!
) {
    var total = (count: UInt64(0), sum: 0.0)
    if let handle = series(summary) { total = Summary(handle: SeriesAddress(handle)).total }
    count?.pointee = total.count
    sum?.pointee = total.sum
}

// MARK: - Info and state sets

/// Sets the text of an info family.
@_cdecl("fdm_info_set") @implementation
public func fdm_info_set(
    _ family: OpaquePointer!, _ label_values: UnsafePointer<fdm_string>!, _ label_count: Int,
    _ keys: UnsafePointer<fdm_string>!, _ values: UnsafePointer<fdm_string>!, _ key_count: Int
) -> fdm_status {
    guard let core = familyCore(family) else {
        return invalidArgument("fdm_info_set: the family is NULL or not registered")
    }
    return status { () throws(StoreError) in
        let family = core.pointee.family.takeUnretainedValue()
        if family.descriptor.type != .info {
            throw StoreError(.labels, "\(family.descriptor.name) is a \(family.descriptor.type.name), not an info")
        }
        let names = try texts(keys, key_count, "fdm_info_set"), shown = try texts(values, key_count, "fdm_info_set")
        try Info(family).set(
            Array(zip(names, shown)), labels: try texts(label_values, label_count, "fdm_info_set"))
    }
}

/// Turns one state of a state set on.
@_cdecl("fdm_state_set") @implementation
public func fdm_state_set(
    _ family: OpaquePointer!, _ label_values: UnsafePointer<fdm_string>!, _ label_count: Int,
    _ state: UnsafePointer<CChar>!
) -> fdm_status {
    guard let core = familyCore(family) else {
        return invalidArgument("fdm_state_set: the family is NULL or not registered")
    }
    guard let state else { return invalidArgument("fdm_state_set: state is NULL") }
    return status { () throws(StoreError) in
        let family = core.pointee.family.takeUnretainedValue()
        if family.descriptor.type != .stateSet {
            throw StoreError(.labels, "\(family.descriptor.name) is a \(family.descriptor.type.name), not a state set")
        }
        try StateSet(family).set(String(cString: state), labels: try texts(label_values, label_count, "fdm_state_set"))
    }
}

// MARK: - Logical workers

/// The series of a gauge family for a logical worker.
@_cdecl("fdm_gauge_of_worker") @implementation
public func fdm_gauge_of_worker(
    _ family: OpaquePointer!, _ values: UnsafePointer<fdm_string>!, _ count: Int, _ worker: UInt32,
    _ gauge: UnsafeMutablePointer<OpaquePointer?>!
) -> fdm_status {
    guard let gauge else { return invalidArgument("fdm_gauge_of_worker: gauge is NULL; give the address of a handle") }
    gauge.pointee = OpaquePointer(InertHandle.of(.gauge))
    guard let core = familyCore(family), core.pointee.type == .gauge else { return labelsFailure(.gauge, family) }
    guard worker < UInt32(StoreFormat.maxWorkers) else {
        return invalidArgument("worker \(worker): give a number below \(StoreFormat.maxWorkers)")
    }
    var series: UnsafeMutableRawPointer?
    let result = fdm_labels(family, values, count, &series)
    guard result == 0, let series else { return result }
    return status { () throws(StoreError) in
        gauge.pointee = OpaquePointer(
            try LogicalWorkers.gauge(series.assumingMemoryBound(to: SeriesHandle.self), worker: Int(worker)))
    }
}

/// Takes the values of a logical worker out of the live modes.
@_cdecl("fdm_worker_ended") @implementation
public func fdm_worker_ended(_ store: OpaquePointer!, _ worker: UInt32) -> fdm_status {
    guard let store = Store.of(store) else { return invalidArgument("fdm_worker_ended: store is NULL or closed") }
    guard worker < UInt32(StoreFormat.maxWorkers) else {
        return invalidArgument("worker \(worker): give a number below \(StoreFormat.maxWorkers)")
    }
    return status { () throws(StoreError) in try LogicalWorkers.end(Int(worker), in: store) }
}
