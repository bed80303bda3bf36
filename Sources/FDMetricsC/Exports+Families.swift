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
    register(store, descriptor, family, "fdm_register", replacing: false)
}

/// Registers a family in the place of one of the same name that is declared otherwise.
@_cdecl("fdm_register_replacing") @implementation
public func fdm_register_replacing(
    _ store: OpaquePointer!, _ descriptor: UnsafePointer<fdm_descriptor>!,
    _ family: UnsafeMutablePointer<OpaquePointer?>!
) -> fdm_status {
    register(store, descriptor, family, "fdm_register_replacing", replacing: true)
}

private func register(
    _ store: OpaquePointer?, _ descriptor: UnsafePointer<fdm_descriptor>?,
    _ family: UnsafeMutablePointer<OpaquePointer?>?, _ function: String, replacing: Bool
) -> fdm_status {
    guard let family else { return invalidArgument("\(function): family is NULL; give the address of a handle") }
    family.pointee = inertFamily
    guard let store = Store.of(store) else { return invalidArgument("\(function): store is NULL or closed") }
    guard let descriptor, isSize(descriptor.pointee.struct_size, of: fdm_descriptor.self) else {
        return invalidArgument(
            "\(function): descriptor is NULL or its struct_size is not set to sizeof(fdm_descriptor)")
    }
    let given = descriptor.pointee
    return status { () throws(StoreError) in
        let registered = try MetricRegistry(store: store).register(declaration(given), replacing: replacing)
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
    if !isAtMost(given.bound_count, MetricDeclaration.maxBounds + 1) || (given.bound_count != 0 && given.bounds == nil)
    {
        throw StoreError(
            .invalidArgument,
            "\(metric): \(UInt(bitPattern: given.bound_count)) bounds; give at most \(MetricDeclaration.maxBounds), not NULL"
        )
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
    guard let texts, isAtMost(count, limit) else {
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
@_optimize(speed)
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
    if count != 0, values == nil {
        return invalidArgument("fdm_labels: values is NULL, count is \(UInt(bitPattern: count))")
    }
    guard isAtMost(count, MetricDeclaration.maxLabels) else {
        return failure(
            StoreError(
                .labels,
                "fdm_labels: \(UInt(bitPattern: count)) values; a family has at most \(MetricDeclaration.maxLabels) labels"
            ))
    }
    // fdm_string and LabelValue have the same layout, which Handles' test checks. An empty array has no address.
    let key =
        values.map { UnsafeRawPointer($0).assumingMemoryBound(to: LabelValue.self) } ?? UnsafePointer(bitPattern: 16)!
    // Nothing is read of a value before its length is known to be one: all of them are at most what they are or-ed.
    var lengths = 0
    for index in 0..<count { lengths |= key[index].count }
    if !isAtMost(lengths, StoreFormat.maxTexts) {
        let error = lengthError(key, count, "fdm_labels", "label value")
        if let error { return failure(error) }
    }
    return find(core, key, count) { handle.pointee = UnsafeMutableRawPointer($0) }
}

/// What is wrong with strings of which one may be too long, or NULL and not empty; nil: nothing.
func lengthError(_ values: UnsafePointer<LabelValue>, _ count: Int, _ function: String, _ what: String) -> StoreError? {
    for index in 0..<count {
        let length = UInt(bitPattern: values[index].count)
        if length > UInt(StoreFormat.maxTexts) {
            return StoreError(
                .invalidArgument,
                "\(function): \(what) \(index) has \(length) bytes: give at most \(StoreFormat.maxTexts)")
        }
        if values[index].bytes == nil, length > 0 {
            return StoreError(.invalidArgument, "\(function): \(what) \(index) is NULL with length \(length)")
        }
    }
    return nil
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
        if let error = lengthError(key, count, family.descriptor.name, "label value") { throw error }
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
    guard isAtMost(count, maxStrings) else {
        throw StoreError(
            .labels, "\(function): \(UInt(bitPattern: count)) strings; give at most \(maxStrings)")
    }
    guard let values else { throw StoreError(.invalidArgument, "\(function): an array of \(count) strings is NULL") }
    let texts = UnsafeRawPointer(values).assumingMemoryBound(to: LabelValue.self)
    if let error = lengthError(texts, count, function, "string") { throw error }
    return (0..<count).map { text(texts[$0]) }
}

/// The most strings that a slow function takes in one array.
private let maxStrings = 1024
