// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

public import CFDMetrics
import CFDMetricsLinux
import FDMetrics
import FDMetricsStore

// Errors at the border: a thrown error becomes a status and this thread's last error text. Nothing traps.

/// Runs a body that throws; its error is kept for `fdm_last_error` and returned as a status.
func status(_ body: () throws(StoreError) -> Void) -> fdm_status {
    do throws(StoreError) {
        try StoreError.throwIfMemoryIsShort()
        try body()
        return 0
    } catch {
        return failure(error)
    }
}

/// Keeps an error's text and gives its status.
func failure(_ error: StoreError) -> fdm_status {
    let buffer = CFDMetricsLinux_error_buffer()!
    let size = Int(CFDMETRICS_LINUX_ERROR_SIZE)
    var message = error.message
    message.withUTF8 { bytes in
        var length = min(bytes.count, size - 1)
        // A text that is too long ends at a whole character.
        while length > 0, length < bytes.count, bytes[length] & 0xC0 == 0x80 { length -= 1 }
        if let start = bytes.baseAddress { CFDMetricsLinux_memcpy(buffer, start, length) }
        buffer[length] = 0
    }
    return error.code.rawValue
}

func invalidArgument(_ message: String) -> fdm_status { failure(StoreError(.invalidArgument, message)) }

/// Whether a size_t is at most a limit. In Swift it is an Int, so that one beyond Int.max comes as a negative number.
@inline(__always)
func isAtMost(_ count: Int, _ limit: Int) -> Bool { UInt(bitPattern: count) <= UInt(bitPattern: limit) }

/// Whether a struct_size can be that of a struct of this version of the header, or of a later one.
func isSize<Struct>(_ size: Int, of type: Struct.Type) -> Bool {
    isAtMost(size, 4096) && size >= MemoryLayout<Struct>.size
}

/// Constant C strings for the functions that return one.
enum ConstantText {
    static func of(_ text: StaticString) -> UnsafePointer<CChar> {
        UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

/// A short constant English text for a status.
@_cdecl("fdm_strerror") @implementation
public func fdm_strerror(_ status: fdm_status) -> UnsafePointer<CChar>! {
    let text: StaticString =
        if status == 0 {
            "no error"
        } else {
            switch StoreError.Code(rawValue: status) {
            case .invalidArgument: "invalid argument"
            case .invalidName: "invalid metric or label name"
            case .conflict: "conflicting registration"
            case .labels: "wrong label values or instrument type"
            case .seriesLimit: "too many series in the family"
            case .noSpace: "no space left for the store"
            case .system: "system call failed"
            case .directory: "unusable store directory"
            case .foreign: "not a store of this library, host or boot"
            case .damaged: "damaged store"
            case .notFound: "no store found"
            case .processLimit: "too many processes hold the store"
            case .unsupported: "not supported by this system"
            case nil: "unknown status"
            }
        }
    return ConstantText.of(text)
}

/// What the last failing call of this thread had to say.
@_cdecl("fdm_last_error") @implementation
public func fdm_last_error() -> UnsafePointer<CChar>! { UnsafePointer(CFDMetricsLinux_error_buffer()!) }

/// The version as text, made once.
nonisolated(unsafe) private let versionText: UnsafePointer<CChar> = UnsafePointer(
    CFDMetricsLinux_strdup(FDMetricsVersion.string)!)

/// The library's version.
@_cdecl("fdm_version") @implementation
public func fdm_version() -> UnsafePointer<CChar>! { versionText }

/// The contract's version.
@_cdecl("fdm_abi_version") @implementation
public func fdm_abi_version() -> UInt32 { UInt32(FDM_ABI_MAJOR) << 16 | UInt32(FDM_ABI_MINOR) }

/// Whether lines for a log are kept for `fdm_take_notice`.
@_cdecl("fdm_keep_notices") @implementation
public func fdm_keep_notices(_ kept: UInt32) { Notices.areKept = kept != 0 }

/// Takes a line that was kept.
@_cdecl("fdm_take_notice") @implementation
public func fdm_take_notice(_ text: UnsafeMutablePointer<CChar>!, _ size: Int) -> Int {
    guard let text, size != 0, var line = Notices.take() else { return 0 }
    return line.withUTF8 { bytes in
        // A size_t beyond Int.max is a room without bound.
        let count = size < 0 ? bytes.count : min(bytes.count, size - 1)
        if let start = bytes.baseAddress { CFDMetricsLinux_memcpy(text, start, count) }
        text[count] = 0
        return count
    }
}
