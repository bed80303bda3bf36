// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetrics
import FDMetrics
import FDMetricsStore

/// Registers a family, or finds it.
@_cdecl("fdm_register") @implementation
public func fdm_register(
    _ store: OpaquePointer!, _ descriptor: UnsafePointer<fdm_descriptor>!,
    _ family: UnsafeMutablePointer<OpaquePointer?>!
) -> fdm_status {
    guard let family else { return invalidArgument("fdm_register: family is NULL; give the address of a handle") }
    family.pointee = inertFamily
    guard let store = Store.of(store) else { return invalidArgument("fdm_register: store is NULL or closed") }
    guard let descriptor, descriptor.pointee.struct_size >= MemoryLayout<fdm_descriptor>.size else {
        return invalidArgument(
            "fdm_register: descriptor is NULL or its struct_size is not set to sizeof(fdm_descriptor)")
    }
    let given = descriptor.pointee
    return status { () throws(StoreError) in
        let registered = try MetricRegistry(store: store).register(declaration(given))
        // The store keeps the family; the handle is borrowed.
        family.pointee = OpaquePointer(registered.core)
    }
}

private func declaration(_ given: fdm_descriptor) throws(StoreError) -> FamilyDescriptor {
    guard let name = given.name else { throw StoreError(.invalidArgument, "fdm_register: name is NULL") }
    let metric = String(cString: name)
    guard let type = MetricType(rawValue: given.type) else {
        throw StoreError(
            .invalidArgument, "\(metric): \(given.type) is not a metric type; use FDM_COUNTER to FDM_STATE_SET")
    }
    let mode = GaugeMode(rawValue: given.gauge_mode)
    if type == .gauge, mode == nil {
        throw StoreError(
            .invalidArgument,
            "\(metric): \(given.gauge_mode) is not a mode of gauges; use FDM_GAUGE_ALL to FDM_GAUGE_LOCAL")
    }
    if given.bound_count > MetricDeclaration.maxBounds + 1 || (given.bound_count > 0 && given.bounds == nil) {
        throw StoreError(
            .invalidArgument,
            "\(metric): \(given.bound_count) bounds; give at most \(MetricDeclaration.maxBounds), not NULL")
    }
    return try MetricDeclaration.check(
        type: type, name: metric, help: given.help.map { String(cString: $0) } ?? "",
        unit: given.unit.map { String(cString: $0) } ?? "",
        labelNames: strings(
            given.label_names, given.label_count, MetricDeclaration.maxLabels, "label_names of \(metric)"),
        bounds: Array(UnsafeBufferPointer(start: given.bounds, count: given.bound_count)),
        gaugeMode: type == .gauge ? mode : nil,
        states: strings(given.states, given.state_count, MetricDeclaration.maxStates, "states of \(metric)"))
}

private func strings(
    _ texts: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ limit: Int, _ what: String
) throws(StoreError) -> [String] {
    if count == 0 { return [] }
    guard let texts, count <= limit else {
        throw StoreError(.invalidArgument, "\(what): NULL, or more than \(limit)")
    }
    var strings: [String] = []
    for index in 0..<count {
        guard let text = texts[index] else { throw StoreError(.invalidArgument, "\(what): number \(index) is NULL") }
        strings.append(String(cString: text))
    }
    return strings
}

/// The series with these label values.
@_cdecl("fdm_labels") @implementation
public func fdm_labels(
    _ family: OpaquePointer!, _ values: UnsafePointer<fdm_string>!, _ count: Int,
    _ handle: UnsafeMutablePointer<UnsafeMutableRawPointer?>!
) -> fdm_status {
    guard let handle else { return invalidArgument("fdm_labels: handle is NULL; give the address of a handle") }
    guard let core = familyCore(family) else {
        handle.pointee = UnsafeMutableRawPointer(InertHandle.of(.counter))
        return invalidArgument("fdm_labels: the family is NULL or could not be registered; see fdm_register's error")
    }
    handle.pointee = UnsafeMutableRawPointer(InertHandle.of(core.pointee.type))
    if count != 0, values == nil { return invalidArgument("fdm_labels: values is NULL, count is \(count)") }
    guard count >= 0, count <= MetricDeclaration.maxLabels else {
        return failure(
            StoreError(
                .labels, "fdm_labels: \(count) values; a family has at most \(MetricDeclaration.maxLabels) labels"))
    }
    // fdm_string and LabelValue have the same layout, which Handles' test checks. An empty array has no address.
    let key =
        values.map { UnsafeRawPointer($0).assumingMemoryBound(to: LabelValue.self) } ?? UnsafePointer(bitPattern: 16)!
    return find(core, key, count) { handle.pointee = UnsafeMutableRawPointer($0) }
}

/// The fast look-up, and the slow one where it finds nothing.
@inline(__always)
func find(
    _ core: UnsafeMutablePointer<FamilyCore>, _ key: UnsafePointer<LabelValue>, _ count: Int,
    _ found: (UnsafeMutablePointer<SeriesHandle>) -> Void
) -> fdm_status {
    if count == core.pointee.labelCount, let known = core.find(hash: core.hash(key, count), key, count) {
        found(known)
        return 0
    }
    return findOrMake(core, key, count, found)
}

@inline(never)
private func findOrMake(
    _ core: UnsafeMutablePointer<FamilyCore>, _ key: UnsafePointer<LabelValue>, _ count: Int,
    _ found: (UnsafeMutablePointer<SeriesHandle>) -> Void
) -> fdm_status {
    status { () throws(StoreError) in
        let family = core.pointee.family.takeUnretainedValue()
        for index in 0..<count where key[index].bytes == nil && key[index].count > 0 {
            throw StoreError(
                .invalidArgument,
                "label value \(index) of \(family.descriptor.name) is NULL with length \(key[index].count)")
        }
        _ = StoreMoves.current(family.store, now: false)
        found(try family.store.series(family, key, count))
    }
}

/// Removes a series.
@_cdecl("fdm_remove") @implementation
public func fdm_remove(_ family: OpaquePointer!, _ values: UnsafePointer<fdm_string>!, _ count: Int) -> fdm_status {
    guard let core = familyCore(family) else {
        return invalidArgument("fdm_remove: the family is NULL or not registered")
    }
    return status { () throws(StoreError) in
        let family = core.pointee.family.takeUnretainedValue()
        try family.store.remove(family, values: try texts(values, count, "fdm_remove"))
    }
}

/// Removes all series of a family.
@_cdecl("fdm_clear") @implementation
public func fdm_clear(_ family: OpaquePointer!) -> fdm_status {
    guard let core = familyCore(family) else {
        return invalidArgument("fdm_clear: the family is NULL or not registered")
    }
    return status { () throws(StoreError) in
        let family = core.pointee.family.takeUnretainedValue()
        try family.store.remove(family) { _ in true }
    }
}

/// Copies of strings that a slow function was given.
func texts(_ values: UnsafePointer<fdm_string>?, _ count: Int, _ function: String) throws(StoreError) -> [String] {
    if count == 0 { return [] }
    guard let values else { throw StoreError(.invalidArgument, "\(function): an array of \(count) strings is NULL") }
    if count < 0 || count > 1024 { throw StoreError(.labels, "\(function): \(count) strings; give at most 1,024") }
    for index in 0..<count where values[index].data == nil && values[index].length > 0 {
        throw StoreError(.invalidArgument, "\(function): string \(index) is NULL with length \(values[index].length)")
    }
    return (0..<count).map { text(LabelValue(bytes: values[$0].data, count: values[$0].length)) }
}
