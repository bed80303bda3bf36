// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Glibc
import Synchronization

/// A process's lease: (slot + 1) << 32 | generation. 0: none.
///
/// The kernel says who is alive, not a pid: a lease is held while an open-file-description lock on the byte
/// `leaseBase + slot << 32 + generation` of segment 0 is. The lock belongs to a description that only a mapping of this
/// process keeps open, and the mapping is not inherited by fork (MADV_DONTFORK). So it lives exactly as long as the
/// process's memory: it falls at once on kill -9, a fork child does not keep it, a pid that comes again means nothing,
/// and containers that share the directory see the same locks.
package struct LeaseToken: Equatable, Sendable {
    package let bits: UInt64

    package init(bits: UInt64) { self.bits = bits }
    package init(slot: Int, generation: UInt32) { bits = UInt64(slot + 1) << 32 | UInt64(generation) }

    /// What stands for a lease where a gauge's value belongs to a logical worker, such as "the third worker of the server",
    /// whoever that is at the time: a slot beyond all process slots, that has one generation and no end.
    package init(worker: Int) { self.init(slot: StoreFormat.maxSlots + worker, generation: 1) }
    /// The logical worker; nil: it is a process slot.
    package var worker: Int? {
        slot >= StoreFormat.maxSlots && slot < StoreFormat.maxSlots + StoreFormat.maxWorkers
            ? slot - StoreFormat.maxSlots : nil
    }

    package var isNone: Bool { bits >> 32 == 0 }
    package var slot: Int { Int(bits >> 32) - 1 }
    package var generation: UInt32 { UInt32(truncatingIfNeeded: bits) }
    /// The byte whose lock is the lease.
    package var byte: Int64 { StoreFormat.leaseBase + Int64(slot) << 32 + Int64(generation) }
}

/// The process slots of a store, in its segment 0.
///
/// Taking a slot, lowest number first: (1) if the byte of (slot, generation) is locked, its holder lives: on to the next
/// slot. It was locked before the generation was raised, so a byte that is free says that the holder is dead for good.
/// (2) Lock the byte of (slot, generation + 1), which only one process can hold, and which entitles to move the slot.
/// (3) Raise the slot's generation by one compare-and-swap. A process killed in between loses its lock and leaves
/// nothing. Nobody waits: a slot that someone else is just taking is skipped.
package struct ProcessSlots {
    let segment: UnsafeMutablePointer<Segment>

    package init(_ segment: UnsafeMutablePointer<Segment>) { self.segment = segment }

    /// How many slots may be touched.
    package var count: Int {
        let reserved = segment.pointee.header(HeaderLayout.slotsReserved).pointee.load(ordering: .acquiring)
        return Int(min(reserved, UInt64(segment.pointee.geometry.slotCapacity)))
    }

    package func address(_ slot: Int) -> UnsafeMutableRawPointer {
        segment.pointee.base + segment.pointee.geometry.slotsOffset + slot * SlotLayout.size
    }

    /// The lease of a slot's latest holder, alive or dead; none if it never had one.
    package func latest(_ slot: Int) -> LeaseToken {
        let generation = halfWord(address(slot) + SlotLayout.generation).pointee.load(ordering: .acquiring)
        return generation == 0 ? LeaseToken(bits: 0) : LeaseToken(slot: slot, generation: generation)
    }

    /// Takes the lowest free slot. `path` is segment 0's; `reserve` makes one more step of slots touchable.
    func take(path: String, reserve: (Int) throws(StoreError) -> Void) throws(StoreError) -> (
        token: LeaseToken, page: UnsafeMutableRawPointer
    ) {
        while true {
            let forks = CFDMetricsLinux_forks_begun()
            let isQuiet = CFDMetricsLinux_is_forking() == 0
            let taken = try takeOnce(path: path, reserve: reserve) {
                isQuiet && CFDMetricsLinux_forks_begun() == forks
            }
            if let taken { return taken }
            // Another thread forked meanwhile, and its child may have a descriptor of the lease: that one was given back.
            sched_yield()
        }
    }

    /// nil: somebody forked, so that a child may share the lock; it was given back.
    private func takeOnce(
        path: String, reserve: (Int) throws(StoreError) -> Void, isAlone: () -> Bool
    ) throws(StoreError) -> (token: LeaseToken, page: UnsafeMutableRawPointer)? {
        let descriptor = try openSame(path, as: segment.pointee, flags: O_RDWR)
        let pending = CFDMetricsLinux_pending_begin(descriptor)
        defer {
            close(descriptor)
            CFDMetricsLinux_pending_end(pending)
        }
        var slot = 0
        while slot < segment.pointee.geometry.slotCapacity {
            if slot >= count { try reserve(slot + 1) }
            guard let token = try tryTake(slot, descriptor) else {
                slot += 1
                continue
            }
            // The description of this descriptor now holds the lock; the mapping keeps the description open.
            let size = Int(sysconf(Int32(_SC_PAGESIZE)))
            guard let page = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), page != MAP_FAILED else {
                throw .system("cannot map the lease on \(path)", errno)
            }
            CFDMetricsLinux_pending_page(pending, page, size)
            let error = CFDMetricsLinux_dont_fork(page, size)
            if error != 0 || !isAlone() {
                // By hand, because a child's copy of the description would keep the lock.
                CFDMetricsLinux_unlock_byte(descriptor, token.byte)
                munmap(page, size)
                if error != 0 { throw .system("cannot keep the lease on \(path) from fork children", error) }
                return nil
            }
            describeHolder(slot)
            return (token, page)
        }
        throw StoreError(
            .processLimit,
            "\(path) is held by \(slot) live processes, as many as it has room for: use one store per service")
    }

    private func tryTake(_ slot: Int, _ descriptor: Int32) throws(StoreError) -> LeaseToken? {
        let word = halfWord(address(slot) + SlotLayout.generation)
        let generation = word.pointee.load(ordering: .acquiring)
        let next = LeaseToken(slot: slot, generation: generation &+ 1)
        // Whoever made `generation` the latest held its byte before that. So if it is free now, that process is dead, and
        // stays so.
        if try isHeld(LeaseToken(slot: slot, generation: generation), descriptor) { return nil }
        let error = CFDMetricsLinux_lock_byte(descriptor, next.byte)
        if error == EAGAIN || error == EACCES { return nil }
        if error != 0 { throw ProcessSlots.lockError(error) }
        // Acquire and release: what earlier holders wrote of the slot is seen, and whoever sees the generation finds the
        // lock taken.
        let result = word.pointee.compareExchange(
            expected: generation, desired: generation &+ 1, ordering: .acquiringAndReleasing)
        if result.exchanged { return next }
        // Somebody took the slot and died before the lock here. Let go: the description may outlive this by far.
        CFDMetricsLinux_unlock_byte(descriptor, next.byte)
        return nil
    }

    private func isHeld(_ token: LeaseToken, _ descriptor: Int32) throws(StoreError) -> Bool {
        if token.generation == 0 { return false }
        let answer = CFDMetricsLinux_byte_is_locked(descriptor, token.byte)
        if answer < 0 { throw ProcessSlots.lockError(-answer) }
        return answer == 1
    }

    static func lockError(_ error: Int32) -> StoreError {
        if error == EINVAL || error == EOPNOTSUPP || error == ENOLCK {
            return StoreError(
                .unsupported,
                "the file system of the store does not take open-file-description locks: set FDMETRICS_DIR to a local directory",
                errno: error)
        }
        return .system("cannot lock a process slot", error)
    }

    /// Writes who holds a slot, for `fdmctl dump`. Nothing is decided by it.
    private func describeHolder(_ slot: Int) {
        let address = address(slot)
        func put(_ offset: Int, _ value: UInt64) { word(address + offset).pointee.store(value, ordering: .relaxed) }
        put(SlotLayout.pid, UInt64(getpid()))
        put(SlotLayout.pidNamespace, ProcessStatus.namespace(of: "self") ?? 0)
        put(SlotLayout.startTime, ProcessStatus.own?.startTime ?? 0)
        put(SlotLayout.attachedTime, realTime())
        var name: (UInt64, UInt64) = (0, 0)
        let command = readSmallFile("/proc/self/comm") ?? []
        withUnsafeMutableBytes(of: &name) { $0.copyBytes(from: command.prefix { $0 != 10 }.prefix(15)) }
        put(SlotLayout.command, name.0)
        put(SlotLayout.command + 8, name.1)
    }
}

/// Who holds a lease, asked from the kernel once for each slot: one per scrape or dump.
package struct LivenessProbe: ~Copyable {
    private let descriptor: Int32
    private let slots: ProcessSlots
    private var known: [UInt64: Bool] = [:]

    /// Opens segment 0 for asking; needs read access only.
    package init(directory: String, segment: UnsafeMutablePointer<Segment>) throws(StoreError) {
        slots = ProcessSlots(segment)
        descriptor = try openSame(
            "\(directory)/\(StoreFormat.fileName(segment: 0))", as: segment.pointee, flags: O_RDONLY)
    }

    deinit { close(descriptor) }

    /// Whether the holder of a lease is alive.
    package mutating func isAlive(_ token: LeaseToken) -> Bool {
        // A damaged word may say any slot.
        if token.isNone || token.generation == 0 || token.slot >= slots.count { return false }
        if let answer = known[token.bits] { return answer }
        let answer = CFDMetricsLinux_byte_is_locked(descriptor, token.byte) == 1
        known[token.bits] = answer
        return answer
    }

    /// Whether a process has the store open, or was forked by one that had: such a child takes a lease only when it needs
    /// one, and counters need none.
    package var isStoreOpen: Bool { CFDMetricsLinux_byte_is_locked(descriptor, Store.presenceByte) == 1 }

    /// The leases of all live processes.
    package mutating func liveLeases() -> [LeaseToken] {
        var leases: [LeaseToken] = []
        for slot in 0..<slots.count {
            let token = slots.latest(slot)
            if !token.isNone, isAlive(token) { leases.append(token) }
        }
        return leases
    }
}

/// Opens a segment's file once more, and makes sure that it is still the one that is mapped.
func openSame(_ path: String, as segment: Segment, flags: Int32) throws(StoreError) -> Int32 {
    let descriptor = open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0 { throw .system("cannot open \(path) again", errno) }
    var info = stat()
    if fstat(descriptor, &info) != 0 || UInt64(info.st_dev) != segment.device || UInt64(info.st_ino) != segment.inode {
        close(descriptor)
        throw StoreError(
            .notFound,
            "\(path) is no longer the file that this process attached: the store was deleted while in use; restart")
    }
    return descriptor
}
