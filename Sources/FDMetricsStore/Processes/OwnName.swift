// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// The name that this process was given by a call. It stands in a page that the kernel empties in a fork child
/// (MADV_WIPEONFORK), because a child is another process.
///
/// The page: a version, which is odd while the name is changed, then the name's bytes up to the first zero.
enum OwnName {
    /// The environment's variable for processes that are given none by a call. A static string would be made at its first use,
    /// which may be in a signal handler.
    private static var variable: UnsafePointer<CChar> {
        let text: StaticString = "FDMETRICS_PROCESS_NAME"
        return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
    }

    /// Never freed. nil where the kernel lacks MADV_WIPEONFORK, and no store can be attached.
    nonisolated(unsafe) private static let page = CFDMetricsLinux_wiped_page()
    private static let text = 8

    /// Makes the page, before a signal handler has to look into it.
    static func prepare() { _ = page }

    /// Counts the changes; odd: a name is just being changed, by who writes it into the slots afterwards.
    static var version: UInt64 { page.map { word($0).pointee.load(ordering: .acquiring) } ?? 0 }

    /// Sets the name, as much of it as a slot has room for; no bytes: none. It has to be written into the slots then.
    /// - Returns: false: there is no page, or this is a signal handler of a thread that is just setting it.
    static func set(_ name: UnsafeRawBufferPointer) -> Bool {
        guard let page, ProcessLock.naming.wait() else { return false }
        defer { ProcessLock.naming.release() }
        let count = NameLayout.fitting(name)
        let own = word(page)
        let version = own.pointee.load(ordering: .relaxed)
        own.pointee.store(version | 1, ordering: .relaxed)
        for offset in stride(from: 0, to: NameLayout.capacity, by: 8) {
            // Release: who sees a byte of the new name sees the odd version.
            word(page + text + offset).pointee.store(wordOf(name, offset, count), ordering: .releasing)
        }
        own.pointee.store((version | 1) &+ 1, ordering: .releasing)
        return true
    }

    /// Copies the name's words: all `NameLayout.capacity` bytes.
    private static func copy(to buffer: UnsafeMutableRawBufferPointer) {
        for offset in stride(from: 0, to: NameLayout.capacity, by: 8) {
            let bits = page.map { word($0 + text + offset).pointee.load(ordering: .acquiring) } ?? 0
            buffer.storeBytes(of: bits, toByteOffset: offset, as: UInt64.self)
        }
    }

    /// Gives the name that a slot is to show: the given one, else that of the environment; empty: none. Allocates nothing,
    /// async-signal-safe.
    static func withShown(_ body: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: NameLayout.capacity, alignment: 8) { buffer in
            copy(to: buffer)
            var name = UnsafeRawBufferPointer(buffer)
            if name[0] == 0, let value = CFDMetricsLinux_getenv(variable) {
                // One byte more than there is room for, to see where a character ends.
                name = UnsafeRawBufferPointer(
                    start: value, count: CFDMetricsLinux_strnlen(value, NameLayout.capacity + 1))
            }
            body(UnsafeRawBufferPointer(rebasing: name[..<NameLayout.fitting(name)]))
        }
    }
}

extension NameLayout {
    /// How many of a text's bytes are shown: up to the first zero, and no more than there is room for; of what is cut, whole
    /// characters.
    package static func fitting(_ text: UnsafeRawBufferPointer) -> Int {
        var length = text.firstIndex(of: 0) ?? text.count
        if length <= capacity { return length }
        length = capacity
        // A character has three bytes at most after its first one.
        while length > capacity - 3, text[length] & 0xC0 == 0x80 { length -= 1 }
        return text[length] & 0xC0 == 0x80 ? capacity : length
    }
}

/// Eight bytes of a text of `count` bytes as a word, zeros after its end.
func wordOf(_ text: UnsafeRawBufferPointer, _ offset: Int, _ count: Int) -> UInt64 {
    var bits: UInt64 = 0
    for index in 0..<max(0, min(8, count - offset)) { bits |= UInt64(text[offset + index]) << (8 * UInt64(index)) }
    return bits
}
