// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// What was refused to this process within the last second: a series beyond its family's limit, a registration in conflict
/// with another, a gauge's instance that a full file system had no room for. Asking for it again costs a look at this table,
/// and neither a walk over the store nor a system call.
///
/// A fixed table of words, one for each of some hashes; what comes later takes a word over. Lock-free and async-signal-safe;
/// a fork child inherits it. Where two hashes have 42 bits in common, one in 2^42, the second is refused for that second too.
///
///   the hash's upper 32 bits << 32 | until when, in steps of 2^26 ns, modulo 2^28 << 4 | the error's number
package enum Refusals {
    private static let step: UInt64 = 26
    private static let timeMask: UInt64 = 1 << 28 - 1
    /// Just over a second.
    private static let steps: UInt64 = 15
    /// Of an error's code and its number here, which is 1 to 13.
    private static let codeBase: Int32 = -31000

    private static func word(of key: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
        FDMetricsStore.word(
            CFDMetricsLinux_refusals().unsafelyUnwrapped + Int(key & UInt64(CFDMETRICS_LINUX_REFUSALS - 1)) * 8)
    }

    /// The present step of the clock that no one sets.
    private static var now: UInt64 {
        CFDMetricsLinux_coarse_time() >> step
    }

    /// Why what has this hash was refused; nil: it was not, of late. Relaxed: the word is all there is.
    static func find(_ key: UInt64) -> StoreError.Code? {
        let found = word(of: key).pointee.load(ordering: .relaxed)
        if found == 0 || found >> 32 != key >> 32 { return nil }
        let left = (found >> 4 &- now) & timeMask
        if left == 0 || left > steps { return nil }
        return StoreError.Code(rawValue: codeBase - Int32(found & 15))
    }

    static func remember(_ key: UInt64, _ code: StoreError.Code) {
        let number = UInt64(truncatingIfNeeded: codeBase - code.rawValue) & 15
        let tag = key & 0xFFFF_FFFF_0000_0000
        word(of: key).pointee.store(tag | ((now &+ steps) & timeMask) << 4 | number, ordering: .relaxed)
    }
}

extension Store {
    /// The hash of something to be refused. A removal anywhere makes it another one, as there may be room then.
    private func refusalKey(_ hash: UInt64) -> UInt64 {
        var key = KeyHash(seed: identity.hashSeed)
        key.combine(hash)
        key.combine(firstSegment.pointee.header(HeaderLayout.removals).pointee.load(ordering: .relaxed))
        return key.value
    }

    /// Throws, and counts, where the same was refused a moment ago.
    package func throwIfRefused(_ hash: UInt64) throws(StoreError) {
        guard let code = Refusals.find(refusalKey(hash)) else { return }
        let text = code.again
        countDrop(code)
        sayRefused(code, constant: text)
        throw StoreError(code, "\(text)")
    }

    /// Whether the same was refused a moment ago. Async-signal-safe.
    package func isRefused(_ hash: UInt64) -> Bool { Refusals.find(refusalKey(hash)) != nil }

    /// Remembers what is not worth trying again at once.
    package func remember(_ hash: UInt64, _ code: StoreError.Code) {
        switch code {
        case .noSpace, .seriesLimit, .conflict, .processLimit: Refusals.remember(refusalKey(hash), code)
        default: break
        }
    }

    /// Remembers that a gauge has no instance to go to, whatever the reason is: to try again may cost system calls.
    package func rememberLost(_ hash: UInt64, _ code: StoreError.Code) { Refusals.remember(refusalKey(hash), code) }

    /// Counts what was refused, all processes together.
    package func countDrop(_ code: StoreError.Code) {
        switch code {
        case .noSpace: count(HeaderLayout.droppedNoSpace)
        case .seriesLimit: count(HeaderLayout.droppedSeriesLimit)
        case .conflict: count(HeaderLayout.conflicts)
        default: break
        }
    }

    /// Counts what was refused, and says so to the log.
    package func countDrop(_ error: StoreError) {
        countDrop(error.code)
        if let cause = error.code.notice { Notices.say(cause, error.message) }
    }

    private func sayRefused(_ code: StoreError.Code, constant text: StaticString) {
        if let cause = code.notice { Notices.say(cause, constant: text) }
    }

    /// Counts an update that had no instance to go to, and says so to the log. Allocates nothing, async-signal-safe.
    package func countLostUpdate() {
        count(HeaderLayout.lostUpdates)
        Notices.say(
            .noInstance,
            constant:
                "an update of a gauge was lost: the store has no process slot or no space left for this process's value"
        )
    }
}

extension StoreError.Code {
    /// The cause that a log hears of; nil: the caller alone does.
    fileprivate var notice: Notices.Cause? {
        switch self {
        case .noSpace: .noSpace
        case .seriesLimit: .seriesLimit
        case .conflict: .conflict
        case .processLimit: .processLimit
        default: nil
        }
    }

    /// The sentence for what was refused within the last second and is asked for again.
    fileprivate var again: StaticString {
        switch self {
        case .noSpace: "no space is left for the store, as a moment ago: free some on its file system"
        case .seriesLimit:
            "the family has as many series as this store allows, as a moment ago: use labels with fewer values, or raise FDMETRICS_SERIES_LIMIT before the store is made"
        case .conflict:
            "it is in conflict with what is registered already, as a moment ago: use one declaration in all processes, or another name"
        default: "it was refused a moment ago, and nothing has changed since"
        }
    }
}
