// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CFDMetricsLinux
import Synchronization

/// What a process has of an attached store besides its segments: its lease, and its presence.
struct StoreProcess: @unchecked Sendable {
    /// What changes, in memory of its own.
    private struct State: ~Copyable {
        /// The page whose mapping says that this process or a fork child of it is still there. 0: none.
        let presencePage = Atomic<UInt>(0)
        /// The page whose mapping keeps the lease. 0 until there is one.
        let leasePage = Atomic<UInt>(0)
        /// Why there is no lease, and when it is tried again; see `RememberedFailure`. 0: nothing is known.
        let failure = Atomic<UInt64>(0)
        /// When it is looked again whether the files still have their names, in seconds of the monotonic clock.
        let nextLook = Atomic<UInt64>(0)
    }

    /// A page that fork children find empty (MADV_WIPEONFORK). Its first word is this process's lease token; the word
    /// before it, which is not wiped, is the store's address, so that a gauge's handle leads to both.
    let forkPage: UnsafeMutableRawPointer
    /// Segment 0's path, for opening it without an allocation.
    let path: UnsafeMutablePointer<CChar>
    private let state: UnsafeMutablePointer<State>

    /// nil: errno says why; EINVAL: the kernel cannot do it.
    init?(path: String) {
        guard let page = CFDMetricsLinux_wiped_page() else { return nil }
        forkPage = page
        self.path = CFDMetricsLinux_strdup(path)
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    func setOwner(_ store: Store) {
        (forkPage - 8).storeBytes(of: UInt(bitPattern: Unmanaged.passUnretained(store).toOpaque()), as: UInt.self)
    }

    // MARK: - Lease

    /// This process's lease, taken by a body at the first call, and once more in each fork child that calls this. What
    /// failed is not tried again for a second. Allocates nothing.
    /// - Parameter whenTaken: is told the lease that this call has taken, which others see by then.
    func lease(
        _ take: () -> Result<ProcessSlots.Taken, LeaseFailure>, whenTaken: (LeaseToken) -> Void
    ) -> Result<LeaseToken, LeaseFailure> {
        let own = word(forkPage)
        let known = own.pointee.load(ordering: .acquiring)
        if known != 0 { return .success(LeaseToken(bits: known)) }
        if let failure = RememberedFailure(bits: state.pointee.failure.load(ordering: .relaxed)).current {
            return .failure(failure)
        }
        switch take() {
        case .failure(let failure):
            state.pointee.failure.store(RememberedFailure(failure).bits, ordering: .relaxed)
            return .failure(failure)
        case .success(let taken):
            // Two threads may both have taken a slot; one token wins, and the other's slot is given back.
            let result = own.pointee.compareExchange(
                expected: 0, desired: taken.token.bits, ordering: .acquiringAndReleasing)
            if result.exchanged {
                state.pointee.leasePage.store(UInt(bitPattern: taken.page), ordering: .relaxed)
                whenTaken(taken.token)
                return .success(taken.token)
            }
            CFDMetricsLinux_unmap(taken.page, Self.pageSize)
            return .success(LeaseToken(bits: result.original))
        }
    }

    func endLease() {
        if let page = UnsafeMutableRawPointer(bitPattern: state.pointee.leasePage.load(ordering: .relaxed)),
            word(forkPage).pointee.load(ordering: .relaxed) != 0
        {
            CFDMetricsLinux_unmap(page, Self.pageSize)
        }
    }

    // MARK: - Presence

    /// Takes over the mapping that keeps the lock of the presence byte.
    func setPresence(_ page: UnsafeMutableRawPointer) {
        state.pointee.presencePage.store(UInt(bitPattern: page), ordering: .relaxed)
    }

    func endPresence() {
        let page = state.pointee.presencePage.exchange(0, ordering: .relaxed)
        if page != 0 { CFDMetricsLinux_unmap(UnsafeMutableRawPointer(bitPattern: page), Self.pageSize) }
    }

    // MARK: - Looking at the files' names

    /// Whether it is time to look; true once a second.
    func isTimeToLook() -> Bool {
        let now = MonotonicSeconds.now
        let next = state.pointee.nextLook.load(ordering: .relaxed)
        return now >= next
            && state.pointee.nextLook.compareExchange(expected: next, desired: now + 1, ordering: .relaxed).exchanged
    }

    // MARK: - End

    func end() {
        endPresence()
        CFDMetricsLinux_free(path)
        CFDMetricsLinux_free_wiped_page(forkPage)
        state.deinitialize(count: 1).deallocate()
    }

    static var pageSize: Int { CFDMetricsLinux_page_size() }
}

/// A failed attempt to get a lease: not to be repeated for a second, which a full store would pay for at each update.
/// In a word: seconds of the monotonic clock until it is tried again << 24 | errno << 8 | reason + 1.
private struct RememberedFailure {
    let bits: UInt64

    init(bits: UInt64) { self.bits = bits }

    init(_ failure: LeaseFailure) {
        let until = MonotonicSeconds.now + 1
        bits =
            until << 24 | UInt64(UInt16(truncatingIfNeeded: failure.errno)) << 8 | UInt64(failure.reason.rawValue) + 1
    }

    /// The failure, if it is not over yet.
    var current: LeaseFailure? {
        guard bits != 0, MonotonicSeconds.now <= bits >> 24,
            let reason = LeaseFailure.Reason(rawValue: UInt8(truncatingIfNeeded: bits) &- 1)
        else { return nil }
        return LeaseFailure(reason, Int32(bits >> 8 & 0xFFFF))
    }
}

/// The clock that no one sets, in whole seconds.
package enum MonotonicSeconds {
    package static var now: UInt64 {
        CFDMetricsLinux_coarse_time() / 1_000_000_000
    }
}
