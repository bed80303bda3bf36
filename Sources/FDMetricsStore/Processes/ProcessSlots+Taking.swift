// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

// Taking a slot, lowest number first: (1) if the byte of (slot, generation) is locked, its holder lives: on to the next slot.
// It was locked before the generation was raised, so a byte that is free says that the holder is dead for good. (2) Lock the
// byte of (slot, generation + 1), which only one process can hold, and which entitles to move the slot. (3) Raise the slot's
// generation by one compare-and-swap. A process killed in between loses its lock and leaves nothing. Nobody waits: a slot
// that someone else is just taking is skipped.
//
// A question about a lock costs the kernel a walk over all locks of the file. So it is asked of the first slots alone, which
// are all that most stores have; of a later one only where there is no process of the number that stands in it. That is a system
// call, too: so it is a bounded number of slots that are looked at, before one is taken that nobody has had.
//
// This is what the first update of a gauge in a fork child does, perhaps in a signal handler: nothing is allocated, no lock of
// the C library is taken, and every loop is bounded.

/// Why a process has no slot. `errno` is 0 where no system call failed.
package struct LeaseFailure: Error {
    package enum Reason: UInt8 { case full, forking, replaced, unsupported, system }
    package let reason: Reason
    package let errno: Int32

    init(_ reason: Reason, _ errno: Int32 = 0) {
        self.reason = reason
        self.errno = errno
    }

    /// The kind of error that it is; `Store.leaseError` has the sentence.
    package var code: StoreError.Code {
        switch reason {
        case .full: .processLimit
        case .replaced: .notFound
        case .unsupported: .unsupported
        case .forking: .system
        case .system: errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? .noSpace : .system
        }
    }

    /// A failed request for a lock.
    init(lock errno: Int32) {
        let isMissing = errno == EINVAL || errno == EOPNOTSUPP || errno == ENOLCK
        self.init(isMissing ? .unsupported : .system, errno)
    }
}

extension ProcessSlots {
    /// How many slots are asked about one by one.
    private static let askedSlots = 32
    /// How many of the later ones are looked at, while there are others that nobody has had; and how many of these are the
    /// last ones, where short-lived processes come and go above those that stay.
    private static let lookedAt = 256, lookedAtLast = 64
    /// How many are asked about although they do not look free, where none does.
    private static let askedAnew = 64
    /// How often it is tried again because another thread has forked.
    private static let attempts = 100

    /// A slot that was taken, and the page whose mapping keeps its lease.
    struct Taken {
        let token: LeaseToken
        let page: UnsafeMutableRawPointer
    }

    /// Takes a free slot.
    /// - Parameters:
    ///   - path: segment 0's.
    ///   - reserve: makes slots up to a number touchable; 0, or errno.
    func take(path: UnsafePointer<CChar>, reserve: (Int) -> Int32) -> Result<Taken, LeaseFailure> {
        for _ in 0..<Self.attempts {
            let forks = CFDMetricsLinux_forks_begun()
            let forking = CFDMetricsLinux_is_forking()
            // This very thread, in a handler of fork or of a signal: it does not end before this does.
            if forking == 2 { break }
            let isQuiet = forking == 0
            let result = takeOnce(path, reserve) { isQuiet && CFDMetricsLinux_forks_begun() == forks }
            if case .failure(let failure) = result, failure.reason == .forking {
                // Another thread forked meanwhile, and its child may have a descriptor of the lease: that was given back.
                CFDMetricsLinux_yield()
                continue
            }
            return result
        }
        return .failure(LeaseFailure(.forking))
    }

    /// `forking`: somebody forked, so that a child may share the lock; it was given back.
    private func takeOnce(
        _ path: UnsafePointer<CChar>, _ reserve: (Int) -> Int32, _ isAlone: () -> Bool
    ) -> Result<Taken, LeaseFailure> {
        // A description of its own: the lock belongs to it.
        let descriptor = CFDMetricsLinux_open(path, 1)
        if descriptor < 0 { return .failure(LeaseFailure(.system, errno)) }
        let pending = CFDMetricsLinux_pending_begin(descriptor)
        defer {
            // In this order: what is noted as pending is dropped in a fork child, so that none keeps the description open.
            CFDMetricsLinux_close(descriptor)
            CFDMetricsLinux_pending_end(pending)
        }
        var info = CFDMetricsLinux_file()
        guard CFDMetricsLinux_fstat(descriptor, &info) == 0, info.device == segment.pointee.device,
            info.inode == segment.pointee.inode
        else { return .failure(LeaseFailure(.replaced)) }
        switch takeSlot(descriptor, reserve) {
        case .failure(let failure): return .failure(failure)
        case .success(let token):
            return keep(token, descriptor, pending, isAlone)
        }
    }

    /// Maps a page through the description that now has the lock, so that the mapping keeps it.
    private func keep(
        _ token: LeaseToken, _ descriptor: Int32, _ pending: Int32, _ isAlone: () -> Bool
    ) -> Result<Taken, LeaseFailure> {
        let size = CFDMetricsLinux_page_size()
        guard let page = CFDMetricsLinux_map(descriptor, size, 0) else {
            let error = errno
            CFDMetricsLinux_unlock_byte(descriptor, token.byte)
            return .failure(LeaseFailure(.system, error))
        }
        CFDMetricsLinux_pending_page(pending, page, size)
        let error = CFDMetricsLinux_dont_fork(page, size)
        if error != 0 || !isAlone() {
            // By hand, because a child's copy of the description would keep the lock.
            CFDMetricsLinux_unlock_byte(descriptor, token.byte)
            CFDMetricsLinux_pending_page(pending, nil, 0)
            CFDMetricsLinux_unmap(page, size)
            return .failure(error != 0 ? LeaseFailure(.system, error) : LeaseFailure(.forking))
        }
        CFDMetricsLinux_pending_page(pending, nil, 0)
        describeHolder(token.slot)
        return .success(Taken(token: token, page: page))
    }

    private func takeSlot(_ descriptor: Int32, _ reserve: (Int) -> Int32) -> Result<LeaseToken, LeaseFailure> {
        var own = CFDMetricsLinux_self()
        CFDMetricsLinux_describe_self(&own)
        let first = min(Self.askedSlots, segment.pointee.geometry.slotCapacity)
        var used = max(first, count)
        while used > first, latest(used - 1).isNone { used -= 1 }
        // Those that short-lived processes come and go in, and those below, if they are many.
        let last = (used - first > Self.lookedAt ? used - Self.lookedAtLast : first)..<used
        let below = first..<last.lowerBound
        for turn in 0..<6 {
            let (slots, which): (Range<Int>, Which) =
                switch turn {
                case 0: (0..<first, .any)
                case 1: (last, .free)
                case 2: (Self.some(Self.lookedAt - Self.lookedAtLast, of: below), .free)
                case 3: (first..<segment.pointee.geometry.slotCapacity, .unused)
                case 4: (first..<max(first, count), .free)
                // Their number may be that of another process by now.
                default: (Self.some(Self.askedAnew, of: 0..<count), .any)
                }
            switch takeOne(of: slots, which, own, descriptor, reserve) {
            case .success(let token?): return .success(token)
            case .success(nil): continue
            case .failure(let failure): return .failure(failure)
            }
        }
        return .failure(LeaseFailure(.full))
    }

    /// Which slots are tried: all, those that look free, those that nobody has had.
    private enum Which { case any, free, unused }

    /// A part of a range, another one in each second.
    private static func some(_ most: Int, of range: Range<Int>) -> Range<Int> {
        if range.count <= most { return range }
        let parts = (range.count + most - 1) / most
        let start = range.lowerBound + Int(MonotonicSeconds.now % UInt64(parts)) * most
        return start..<min(start + most, range.upperBound)
    }

    /// Takes the lowest of some slots. nil: none of them can be had.
    private func takeOne(
        of slots: Range<Int>, _ which: Which, _ own: CFDMetricsLinux_self, _ descriptor: Int32,
        _ reserve: (Int) -> Int32
    ) -> Result<LeaseToken?, LeaseFailure> {
        for slot in slots {
            if slot >= count {
                let error = reserve(slot + 1)
                if error != 0 { return .failure(LeaseFailure(.system, error)) }
                if slot >= count { break }
            }
            if which == .unused, !latest(slot).isNone { continue }
            if which == .free, seemsHeld(slot, own) { continue }
            switch tryTake(slot, descriptor) {
            case .success(nil): continue
            case let result: return result
            }
        }
        return .success(nil)
    }

    /// Whether a slot's holder is probably alive, without asking for its lock: its number is that of a process, or of one that
    /// this process cannot see.
    private func seemsHeld(_ slot: Int, _ own: CFDMetricsLinux_self) -> Bool {
        if latest(slot).isNone { return false }
        func load(_ offset: Int) -> UInt64 { word(address(slot) + offset).pointee.load(ordering: .relaxed) }
        if load(SlotLayout.pidNamespace) != own.pid_namespace { return true }
        let pid = load(SlotLayout.pid)
        return pid != own.pid && CFDMetricsLinux_process_exists(pid) != 0
    }

    /// nil: it is held, or just being taken.
    private func tryTake(_ slot: Int, _ descriptor: Int32) -> Result<LeaseToken?, LeaseFailure> {
        let word = halfWord(address(slot) + SlotLayout.generation)
        let generation = word.pointee.load(ordering: .acquiring)
        let next = LeaseToken(slot: slot, generation: generation &+ 1)
        // A generation of 0 is never alive, so it is never taken: it comes after 2^32 - 1 holders, or from a damaged word.
        if next.generation == 0 { return .success(nil) }
        // Whoever made `generation` the latest held its byte before that. So if it is free now, that process is dead, and
        // stays so.
        if generation != 0 {
            let answer = CFDMetricsLinux_byte_is_locked(descriptor, LeaseToken(slot: slot, generation: generation).byte)
            if answer < 0 { return .failure(LeaseFailure(lock: -answer)) }
            if answer == 1 { return .success(nil) }
        }
        let error = CFDMetricsLinux_lock_byte(descriptor, next.byte)
        if error == EAGAIN || error == EACCES { return .success(nil) }
        if error != 0 { return .failure(LeaseFailure(lock: error)) }
        // Acquire and release: what earlier holders wrote of the slot is seen, and whoever sees the generation finds the
        // lock taken.
        let result = word.pointee.compareExchange(
            expected: generation, desired: generation &+ 1, ordering: .acquiringAndReleasing)
        if result.exchanged { return .success(next) }
        // Somebody took the slot and died before the lock here. Let go: the description may outlive this by far.
        CFDMetricsLinux_unlock_byte(descriptor, next.byte)
        return .success(nil)
    }

    /// Writes who holds a slot, for `fdmctl dump`, and for who looks for a free one. Nothing else is decided by it.
    private func describeHolder(_ slot: Int) {
        var own = CFDMetricsLinux_self()
        CFDMetricsLinux_describe_self(&own)
        let address = address(slot)
        func put(_ offset: Int, _ value: UInt64) { word(address + offset).pointee.store(value, ordering: .relaxed) }
        put(SlotLayout.pid, own.pid)
        put(SlotLayout.pidNamespace, own.pid_namespace)
        put(SlotLayout.startTime, own.start_time)
        put(SlotLayout.attachedTime, realTime())
        withUnsafeBytes(of: own.command) { command in
            put(SlotLayout.command, command.load(as: UInt64.self))
            put(SlotLayout.command + 8, command.load(fromByteOffset: 8, as: UInt64.self))
        }
    }
}
