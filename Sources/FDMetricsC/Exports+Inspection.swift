// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetrics
import FDMetricsExposition
import FDMetricsStore

// What the tool shows of a store, for machines that do not have the tool.

/// Says what is in the store in a directory.
@_cdecl("fdm_dump_directory") @implementation
public func fdm_dump_directory(
    _ directory: UnsafePointer<CChar>!, _ options: UInt32, _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>!,
    _ length: UnsafeMutablePointer<Int>!
) -> fdm_status {
    give(directory, options, json | removed, text, length) { directory throws(StoreError) in
        let listing = try StoreListing(directory: directory, includesRemoved: options & removed != 0)
        return options & json != 0 ? try listing.json() : try listing.text()
    }
}

/// Verifies the store in a directory.
@_cdecl("fdm_check_directory") @implementation
public func fdm_check_directory(
    _ directory: UnsafePointer<CChar>!, _ options: UInt32, _ errorCount: UnsafeMutablePointer<UInt64>!,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>!, _ length: UnsafeMutablePointer<Int>!
) -> fdm_status {
    errorCount?.pointee = 0
    return give(directory, options, notes, text, length) { directory throws(StoreError) in
        let report = try StoreCheck.run(directory: directory)
        errorCount?.pointee = UInt64(report.errors.count)
        return report.text(notes: options & notes != 0)
    }
}

private let json = UInt32(FDM_DUMP_JSON)
private let removed = UInt32(FDM_DUMP_REMOVED)
private let notes = UInt32(FDM_CHECK_NOTES)

private func give(
    _ directory: UnsafePointer<CChar>?, _ options: UInt32, _ known: UInt32,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ length: UnsafeMutablePointer<Int>?,
    _ make: (String) throws(StoreError) -> TextBuffer
) -> fdm_status {
    give(text, length) { () throws(StoreError) in
        guard let directory else {
            throw StoreError(.invalidArgument, "directory is NULL: give the path of a store's directory")
        }
        guard options & ~known == 0 else {
            throw StoreError(
                .invalidArgument, "options is \(options): expected bits of \(known) alone, as the header names them")
        }
        let made = try make(String(cString: directory))
        guard let (start, count) = made.release() else { throw StoreError(.noSpace, "no memory for the text") }
        return (start, count)
    }
}
