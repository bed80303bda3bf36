// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import Glibc
import Synchronization

/// A thread that waits for file descriptors on behalf of tasks, so that no thread of the concurrency pool has to.
///
/// One for each context that is used asynchronously, started with the first wait, ended with the context. A descriptor is
/// armed for one event at a time: who is woken by it looks at the socket, and waits again if need be.
final class SocketReactor: Sendable {
    // A wait's result is 0 or an errno.
    private typealias Waiter = CheckedContinuation<Int32, Never>

    private struct State {
        var waiters: [Int32: [UInt64: Waiter]] = [:]
        var nextTicket: UInt64 = 0
        var isStopped = false
    }

    private let state = Mutex(State())
    private let epoll: Int32
    // An eventfd that is readable once the thread has to end.
    private let end: Int32

    init() throws(ZMQError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        let epollError = errno
        end = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard epoll >= 0 else { throw ZMQError(code: epollError, operation: "create epoll descriptor") }
        guard end >= 0 else { throw ZMQError(code: errno, operation: "create eventfd") }
        let code = Self.arm(end, in: epoll)
        guard code == 0 else { throw ZMQError(code: code, operation: "watch eventfd") }

        let started = startThread { [self] in run() }
        guard started == 0 else { throw ZMQError(code: started, operation: "start polling thread") }
    }

    deinit {
        if end >= 0 { Glibc.close(end) }
        if epoll >= 0 { Glibc.close(epoll) }
    }

    /// Suspends the task until the descriptor is readable or `wake` was called for it; then 0. Else ECANCELED for a task
    /// that was cancelled, ETERM once the reactor was stopped, or the errno of epoll_ctl.
    func wait(for descriptor: Int32) async -> Int32 {
        let ticket = state.withLock { state in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let code = state.withLock { state in
                    if state.isStopped { return CZeroMQ.ETERM }
                    // A cancellation before this is seen here, a later one finds the waiter.
                    if Task.isCancelled { return ECANCELED }
                    let code = Self.arm(descriptor, in: epoll)
                    if code == 0 { state.waiters[descriptor, default: [:]][ticket] = waiter }
                    return code
                }
                if code != 0 { waiter.resume(returning: code) }
            }
        } onCancel: {
            let waiter = state.withLock { $0.waiters[descriptor]?.removeValue(forKey: ticket) }
            waiter?.resume(returning: ECANCELED)
        }
    }

    /// Resumes the tasks that wait for a descriptor.
    func wake(_ descriptor: Int32) {
        let waiters = state.withLock { $0.waiters.removeValue(forKey: descriptor) }
        for waiter in (waiters ?? [:]).values { waiter.resume(returning: 0) }
    }

    /// Ends the thread, and all waits with ETERM.
    func stop() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            state.isStopped = true
            return state.waiters
        }
        for waiter in waiters.values.joined() { waiter.value.resume(returning: CZeroMQ.ETERM) }
        var one: UInt64 = 1
        _ = write(end, &one, MemoryLayout<UInt64>.size)
    }

    private func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            // Fails only when a debugger interrupts it; then there are no events.
            let count = epoll_wait(epoll, &events, Int32(events.count), -1)
            for event in events.prefix(max(0, Int(count))) {
                if event.data.fd == end { return }
                wake(event.data.fd)
            }
        }
    }

    /// Makes the descriptor's next readiness, or the present one, an event of the epoll descriptor; 0 or the errno.
    private static func arm(_ descriptor: Int32, in epoll: Int32) -> Int32 {
        var event = epoll_event(
            events: EPOLLIN.rawValue | EPOLLONESHOT.rawValue, data: epoll_data_t(fd: descriptor))
        if epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event) == 0 { return 0 }
        guard errno == ENOENT else { return errno }
        return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : errno
    }
}
#endif
