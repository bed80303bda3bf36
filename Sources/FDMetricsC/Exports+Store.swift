// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetrics
import CFDMetricsLinux
import FDMetrics
import FDMetricsExposition
import FDMetricsStore

/// Attaches the store in a directory.
@_cdecl("fdm_store_open") @implementation
public func fdm_store_open(
    _ options: UnsafePointer<fdm_options>!, _ store: UnsafeMutablePointer<OpaquePointer?>!
) -> fdm_status {
    guard let store else { return invalidArgument("fdm_store_open: store is NULL; give the address of a handle") }
    store.pointee = nil
    guard let options, isSize(options.pointee.struct_size, of: fdm_options.self) else {
        return invalidArgument("fdm_store_open: options is NULL or its struct_size is not set to sizeof(fdm_options)")
    }
    let given = options.pointee
    return status { () throws(StoreError) in
        let lanes = given.lanes == 0 ? nil : Int(given.lanes)
        let limit = given.series_limit == 0 ? nil : Int(given.series_limit)
        let opened =
            if let directory = given.directory {
                try AttachedStores.open(String(cString: directory), lanes: lanes, seriesLimit: limit)
            } else {
                try AttachedStores.openDefaultDirectory(lanes: lanes, seriesLimit: limit)
            }
        store.pointee = opened.handle
    }
}

/// The store of the default directory.
@_cdecl("fdm_store_default") @implementation
public func fdm_store_default(_ store: UnsafeMutablePointer<OpaquePointer?>!) -> fdm_status {
    guard let store else { return invalidArgument("fdm_store_default: store is NULL; give the address of a handle") }
    store.pointee = nil
    return status { () throws(StoreError) in store.pointee = try AttachedStores.defaultStore().handle }
}

/// Detaches a store.
@_cdecl("fdm_store_close") @implementation
public func fdm_store_close(_ store: OpaquePointer!) -> fdm_status {
    guard let store, let opened = AttachedStores.store(at: UnsafeRawPointer(store)) else {
        return invalidArgument("fdm_store_close: store is NULL or closed")
    }
    if AttachedStores.close(opened, whenLast: Renderer.forgetAll) {
        return 0
    }
    return invalidArgument(
        "fdm_store_close: the default store of \(opened.directory) stays for the life of the process")
}

/// The store's directory.
@_cdecl("fdm_store_path") @implementation
public func fdm_store_path(_ store: OpaquePointer!) -> UnsafePointer<CChar>! {
    Store.of(store).map { UnsafePointer($0.directoryText) }
}

/// This process's default directory.
@_cdecl("fdm_default_directory") @implementation
public func fdm_default_directory() -> UnsafePointer<CChar>! { StoreDirectory.defaultDirectory() }

/// A name for the case that nobody sets a directory.
@_cdecl("fdm_plan_directory") @implementation
public func fdm_plan_directory() -> UnsafePointer<CChar>! { StoreDirectory.plan() }

/// Makes this process one of those that the store knows to be alive, and says its number.
@_cdecl("fdm_store_join") @implementation
public func fdm_store_join(_ store: OpaquePointer!, _ worker: UnsafeMutablePointer<UInt32>!) -> fdm_status {
    guard let store = Store.of(store) else { return invalidArgument("fdm_store_join: store is NULL or closed") }
    return status { () throws(StoreError) in
        let slot = try store.lease().slot
        worker?.pointee = UInt32(truncatingIfNeeded: slot)
    }
}

/// Names this process where the processes of a store are shown.
@_cdecl("fdm_set_process_name") @implementation
public func fdm_set_process_name(_ name: UnsafePointer<CChar>!) -> fdm_status {
    let bytes = UnsafeRawBufferPointer(start: name, count: name.map { CFDMetricsLinux_strlen($0) } ?? 0)
    return status { () throws(StoreError) in
        if Store.setOwnName(bytes, whenLast: Renderer.forgetAll) { return }
        throw StoreError(
            .unsupported,
            "fdm_set_process_name: no name can be set in a signal handler that interrupts this very call, nor where the kernel "
                + "has no MADV_WIPEONFORK (Linux 4.14)")
    }
}

/// Numbers of a store.
@_cdecl("fdm_store_statistics") @implementation
public func fdm_store_statistics(
    _ store: OpaquePointer!, _ statistics: UnsafeMutablePointer<fdm_statistics>!
) -> fdm_status {
    guard let store = Store.of(store), let statistics, isSize(statistics.pointee.struct_size, of: fdm_statistics.self)
    else {
        return invalidArgument("fdm_store_statistics: a NULL, or struct_size is not set to sizeof(fdm_statistics)")
    }
    let size = statistics.pointee.struct_size
    let found = StoreStatistics(store)
    statistics.pointee = fdm_statistics(
        struct_size: size, segments: found.segments, families: found.families, series: found.series,
        removed_series: found.removedSeries, gauge_instances: found.gaugeInstances,
        damaged_records: found.damagedRecords, live_processes: found.liveProcesses,
        bytes_reserved: found.bytesReserved, dropped_no_space: found.droppedNoSpace,
        dropped_series_limit: found.droppedSeriesLimit, conflicts: found.conflicts)
    return 0
}

/// The word that changes with every removal.
@_cdecl("fdm_store_removals") @implementation
public func fdm_store_removals(_ store: OpaquePointer!) -> UnsafePointer<UInt64>! {
    Store.of(store).map {
        UnsafePointer(($0.firstSegment.pointee.base + HeaderLayout.removals).assumingMemoryBound(to: UInt64.self))
    }
}
