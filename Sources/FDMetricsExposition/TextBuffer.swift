// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux

/// A growing buffer of bytes from malloc, into which a text format is written.
///
/// It is made for lines of known greatest length: one `ensure(_:)` per line, then the `unchecked` appends, which are
/// plain copies without a test. The other appends make room themselves.
///
/// When memory runs out nothing traps: `hasFailed` is set, this and every later append does nothing, and `release()`
/// returns nil, so that a text with a hole in it is never handed on. Not thread-safe; belongs to one owner.
@frozen
@usableFromInline
package struct TextBuffer: ~Copyable {
    /// The block from malloc; nil before the first byte.
    @usableFromInline
    var base: UnsafeMutablePointer<UInt8>?

    /// How many bytes may be used. One less than the block's size, so that there is always room for the final NUL.
    /// After a failure it equals `count`, which sends every append to `grow(_:)`, where the failure is known.
    @usableFromInline
    var capacity: Int

    /// The number of bytes written so far.
    @usableFromInline
    package private(set) var count: Int

    /// Whether memory ran out, and bytes were dropped.
    @usableFromInline
    package private(set) var hasFailed: Bool

    /// The smallest block that is asked for: enough for some tens of lines.
    private static var minimumBlock: Int { 4096 }

    /// An empty buffer; with a `capacity` in bytes that much room is made at once.
    @usableFromInline
    package init(capacity: Int = 0) {
        self.base = nil
        self.capacity = 0
        self.count = 0
        self.hasFailed = false
        if capacity > 0 { ensure(capacity) }
    }

    deinit { CFDMetricsLinux_free(base) }

    /// Makes room for `additional` bytes after `count`. Returns false if there is no memory for them; the caller must
    /// then not use `unusedBytes` or the unchecked appends.
    @inlinable
    @inline(__always)
    @discardableResult
    package mutating func ensure(_ additional: Int) -> Bool {
        // The difference of two sizes of memory does not overflow.
        if additional <= capacity &- count { return true }
        return grow(additional)
    }

    @usableFromInline
    @inline(never)
    mutating func grow(_ additional: Int) -> Bool {
        if hasFailed { return false }
        let (used, overflow) = count.addingReportingOverflow(additional)
        let (needed, overflowOfNUL) = used.addingReportingOverflow(1)
        // Doubling keeps the copies of a text of n bytes below 2 n. It does not overflow: no block is near Int.max / 2.
        let block = max(needed, (capacity &+ 1) &* 2, Self.minimumBlock)
        guard !overflow, !overflowOfNUL, let moved = CFDMetricsLinux_realloc(base, block) else {
            hasFailed = true
            capacity = count
            return false
        }
        base = moved.assumingMemoryBound(to: UInt8.self)
        capacity = block &- 1
        return true
    }

    // MARK: Appends that make room

    /// Appends the bytes, which are copied.
    @inlinable
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if ensure(bytes.count) { appendUnchecked(bytes) }
    }

    /// Appends the UTF-8 of a literal.
    @inlinable
    package mutating func append(_ literal: StaticString) {
        if ensure(literal.utf8CodeUnitCount) { appendUnchecked(literal) }
    }

    /// Appends one byte.
    @inlinable
    package mutating func append(byte: UInt8) {
        if ensure(1) { appendUnchecked(byte: byte) }
    }

    // MARK: Appends into room that `ensure(_:)` made

    /// Where the next byte goes. Valid after `ensure(_:)` returned true, for as many bytes as it was asked for and
    /// until the next call that makes room. Tell with `advance(by:)` how many were written.
    @inlinable
    package var unusedBytes: UnsafeMutablePointer<UInt8> {
        @inline(__always)
        get { base.unsafelyUnwrapped + count }
    }

    /// Counts `written` bytes that were put at `unusedBytes`.
    @inlinable
    @inline(__always)
    package mutating func advance(by written: Int) {
        assert(written >= 0 && written <= capacity - count, "more bytes were written than ensure(_:) was asked for")
        count &+= written
    }

    /// Appends the bytes; `ensure(_:)` must have made room for them.
    @inlinable
    @inline(__always)
    package mutating func appendUnchecked(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        UnsafeMutableRawPointer(unusedBytes).copyMemory(from: source, byteCount: bytes.count)
        advance(by: bytes.count)
    }

    /// Appends the UTF-8 of a literal; `ensure(_:)` must have made room for it.
    @inlinable
    @inline(__always)
    package mutating func appendUnchecked(_ literal: StaticString) {
        guard literal.utf8CodeUnitCount > 0 else { return }
        UnsafeMutableRawPointer(unusedBytes)
            .copyMemory(from: literal.utf8Start, byteCount: literal.utf8CodeUnitCount)
        advance(by: literal.utf8CodeUnitCount)
    }

    /// Appends one byte; `ensure(_:)` must have made room for it.
    @inlinable
    @inline(__always)
    package mutating func appendUnchecked(byte: UInt8) {
        unusedBytes.pointee = byte
        advance(by: 1)
    }

    // MARK: Changing what is written

    /// Moves all bytes from `start` on to `destination`, and the end with them. Bytes that come free in between have no
    /// certain value.
    mutating func moveTail(from start: Int, to destination: Int) {
        assert(start >= 0 && start <= count && destination >= 0, "there is no such tail")
        guard ensure(max(0, destination - start)), let base else { return }
        (base + destination).update(from: base + start, count: count - start)
        count += destination - start
    }

    /// Moves all bytes after the first `end`, a short text, to an earlier place, and what stands there behind them.
    mutating func moveTail(after end: Int, to place: Int) {
        guard !hasFailed, let base, count > end else { return }
        let tail = Array(UnsafeBufferPointer(start: base + end, count: count - end))
        (base + place + tail.count).update(from: base + place, count: end - place)
        tail.withUnsafeBufferPointer { (base + place).update(from: $0.baseAddress!, count: $0.count) }
    }

    /// Gives up, as if memory had run out.
    mutating func fail() {
        hasFailed = true
        capacity = count
    }

    /// Where a byte that was written stands, valid until the next call that makes room; nil after a failure.
    func address(_ offset: Int) -> UnsafeMutablePointer<UInt8>? {
        hasFailed ? nil : base.map { $0 + offset }
    }

    // MARK: Taking the text

    /// Calls `body` with the bytes written so far, valid during the call.
    @inlinable
    package borrowing func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// Ends the buffer and hands its block to the caller, who frees it with `free`: the bytes, a NUL, and the number of
    /// bytes without the NUL. Nil if memory ran out, at any append or here; there is then nothing to free.
    @usableFromInline
    package consuming func release() -> (text: UnsafeMutablePointer<CChar>, count: Int)? {
        // An empty text too has a block, as the caller frees what it gets.
        if base == nil { _ = grow(0) }
        guard !hasFailed, let base else {
            // Ends the buffer by its deinit, which frees the block.
            _ = consume self
            return nil
        }
        base[count] = 0
        let text = UnsafeMutableRawPointer(base).assumingMemoryBound(to: CChar.self)
        let released = (text: text, count: count)
        discard self
        return released
    }
}
