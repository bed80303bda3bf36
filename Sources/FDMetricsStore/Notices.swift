// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// What this process has to say to its log of things that no call can report: an update that was refused, a store that was
/// deleted. One line for each cause and minute, with a count of what was left out.
///
/// A line goes to standard error, unless the program has asked for the lines (`areKept`), as Python's binding does, which
/// passes them on to `logging`. Takes no lock. Usable in a fork child and in a signal handler with a constant text.
package enum Notices {
    /// Why something is said; each has its own minute.
    package enum Cause: Int, CaseIterable {
        case noSpace, processLimit, seriesLimit, conflict, noInstance, noGrowth, notJoined, noName
        case storeSetAside, storeDeleted, otherDirectory, otherLayout
    }

    /// What is known of a cause.
    private struct Record: ~Copyable {
        /// When its last line was written, in seconds of the monotonic clock plus one; 0: never.
        let lastTime = Atomic<UInt64>(0)
        /// How often it was said since.
        let omitted = Atomic<UInt64>(0)
    }

    private static let interval: UInt64 = 60
    nonisolated(unsafe) private static let records: UnsafeMutablePointer<Record> = {
        let records = UnsafeMutablePointer<Record>.allocate(capacity: Cause.allCases.count)
        for index in 0..<Cause.allCases.count { (records + index).initialize(to: Record()) }
        return records
    }()

    /// Makes what a line needs, before a signal handler has something to say.
    static func prepare() { _ = (records, places) }

    /// Says something that is put together only where it is written.
    package static func say(_ cause: Cause, _ text: @autoclosure () -> String) {
        guard let omitted = claim(cause) else { return }
        var text = text()
        text.withUTF8 { write(UnsafeRawBufferPointer($0), omitted) }
    }

    /// Says something constant: allocates nothing, async-signal-safe.
    package static func say(_ cause: Cause, constant text: StaticString) {
        guard let omitted = claim(cause) else { return }
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), omitted)
    }

    /// Whether it is this call that writes the line: then how many were left out before it.
    private static func claim(_ cause: Cause) -> UInt64? {
        let record = records + cause.rawValue
        let time = MonotonicSeconds.now + 1
        let last = record.pointee.lastTime.load(ordering: .relaxed)
        // Of several threads that come at once, one writes.
        if last == 0 || time >= last + interval,
            record.pointee.lastTime.compareExchange(expected: last, desired: time, ordering: .relaxed).exchanged
        {
            return record.pointee.omitted.exchange(0, ordering: .relaxed)
        }
        record.pointee.omitted.wrappingAdd(1, ordering: .relaxed)
        return nil
    }

    // MARK: - Where a line goes

    /// The longest line.
    package static let lineSize = 1000
    private static let kept = Atomic<Bool>(false)

    /// Whether lines are kept for `take` in place of being written to standard error.
    package static var areKept: Bool {
        get { kept.load(ordering: .relaxed) }
        set { kept.store(newValue, ordering: .relaxed) }
    }

    private static func write(_ text: UnsafeRawBufferPointer, _ omitted: UInt64) {
        withUnsafeTemporaryAllocation(byteCount: lineSize, alignment: 1) { line in
            var count = 0
            func append(_ bytes: UnsafeRawBufferPointer) {
                for byte in bytes where count < lineSize - 1 {
                    line[count] = byte == 10 ? 32 : byte
                    count += 1
                }
            }
            func append(_ text: StaticString) {
                append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
            }
            let isKept = areKept
            if !isKept { append("fdmetrics: ") }
            append(text)
            if omitted > 0 {
                append(" (and ")
                appendDecimal(omitted, to: line, at: &count)
                append(" times before this)")
            }
            if isKept {
                keep(UnsafeRawBufferPointer(rebasing: line[..<count]))
            } else {
                line[count] = 10
                // A line that cannot be written is lost.
                _ = CFDMetricsLinux_write(2, line.baseAddress, count + 1)
            }
        }
    }

    private static func appendDecimal(_ value: UInt64, to line: UnsafeMutableRawBufferPointer, at count: inout Int) {
        var power: UInt64 = 1
        while value / power >= 10 { power *= 10 }
        while power > 0, count < lineSize - 1 {
            line[count] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / power % 10)
            count += 1
            power /= 10
        }
    }

    // MARK: - Lines that are kept

    /// A line that waits to be taken. `state` goes free -> busy -> ready -> busy -> free; a fork child that has copied a busy
    /// one has a place less.
    private struct Place: ~Copyable {
        let state = Atomic<UInt8>(0)
        var count = 0
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: lineSize, alignment: 1)
    }

    private static let free: UInt8 = 0, busy: UInt8 = 1, ready: UInt8 = 2
    private static let placeCount = Cause.allCases.count
    nonisolated(unsafe) private static let places: UnsafeMutablePointer<Place> = {
        let places = UnsafeMutablePointer<Place>.allocate(capacity: placeCount)
        for index in 0..<placeCount { (places + index).initialize(to: Place()) }
        return places
    }()

    private static func keep(_ line: UnsafeRawBufferPointer) {
        for index in 0..<placeCount {
            let place = places + index
            let claim = place.pointee.state.compareExchange(expected: free, desired: busy, ordering: .acquiring)
            if !claim.exchanged { continue }
            place.pointee.bytes.copyMemory(from: line.baseAddress.unsafelyUnwrapped, byteCount: line.count)
            place.pointee.count = line.count
            // Release: who takes the line finds it whole.
            place.pointee.state.store(ready, ordering: .releasing)
            return
        }
    }

    /// Takes a line that was kept; nil: there is none.
    package static func take() -> String? {
        for index in 0..<placeCount {
            let place = places + index
            let claim = place.pointee.state.compareExchange(
                expected: ready, desired: busy, ordering: .acquiringAndReleasing)
            if !claim.exchanged { continue }
            let line = String(
                decoding: UnsafeRawBufferPointer(start: place.pointee.bytes, count: place.pointee.count), as: UTF8.self)
            place.pointee.state.store(free, ordering: .releasing)
            return line
        }
        return nil
    }
}
