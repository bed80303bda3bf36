// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import FDMetricsExposition
import NIOCore
import NIOPosix

/// Hands requests to the threads that render, so that equal ones share a render and none waits without bound.
///
/// **What is shared.** A request may have the bytes of a render that had not begun when the request came: they say how the
/// store was at some time after that, which is all that a scrape promises. It may not have those of a render that is
/// under way, which may have read a number before the client did whatever it wants to see. So there are at most two
/// renders of one job: the one that runs, and the next, which all wait for that came in between. A thousand clients at
/// once cost two renders.
///
/// **What may wait.** Requests for all metrics are so few kinds (format, version, escaping) that one waiting render of each
/// is a bound by itself; they always get in. Of the rest (a filter by name, the page), which clients can invent at will,
/// `waitingRenders` may wait; more are refused. The two kinds take turns, so that neither can keep the other out.
///
/// Confined to its event loop, except for the work itself.
final class RenderScheduler: @unchecked Sendable {
    /// A request that waits, or whose render is under way. Confined to the event loop.
    final class Ticket: @unchecked Sendable {
        fileprivate let job: RenderJob
        fileprivate let wish: Rendering.Wish
        /// nil: it was called, or the request was taken back.
        fileprivate var finish: ((RenderResult, UnsentAnswers.Answer) -> Void)?

        fileprivate init(
            _ job: RenderJob, _ wish: Rendering.Wish, _ finish: @escaping (RenderResult, UnsentAnswers.Answer) -> Void
        ) {
            self.job = job
            self.wish = wish
            self.finish = finish
        }
    }

    private let eventLoop: any EventLoop
    private let threads: NIOThreadPool
    private let waitingRenders: Int
    /// Those that have nothing to do.
    private var idle: [any RenderWorker]
    private var waiting: [RenderJob: [Ticket]] = [:]
    /// In the order in which they came; all of `waiting`.
    private var urgentJobs: [RenderJob] = []
    private var otherJobs: [RenderJob] = []
    private var isOtherNext = false
    private let unsent: UnsentAnswers
    /// When it is looked again whether there is room for one more answer.
    private var nextLook: Scheduled<Void>?

    /// - Parameter workers: as many as there are to be renders at a time; `threads` has as many threads.
    init(
        eventLoop: any EventLoop, threads: NIOThreadPool, workers: [any RenderWorker], unsent: UnsentAnswers,
        waitingRenders: Int
    ) {
        self.eventLoop = eventLoop
        self.threads = threads
        self.unsent = unsent
        self.waitingRenders = waitingRenders
        idle = workers
    }

    /// Has a job done. `finish` is called on the event loop, once and not before this returns, unless the ticket is taken
    /// back; it enters its client in the answer if it sends any of its bytes. nil: too much is waiting.
    func submit(
        _ job: RenderJob, _ wish: Rendering.Wish, finish: @escaping (RenderResult, UnsentAnswers.Answer) -> Void
    ) -> Ticket? {
        eventLoop.preconditionInEventLoop()
        if waiting[job] == nil {
            if job.isUrgent {
                urgentJobs.append(job)
            } else if otherJobs.count < waitingRenders {
                otherJobs.append(job)
            } else {
                return nil
            }
        }
        let ticket = Ticket(job, wish, finish)
        waiting[job, default: []].append(ticket)
        start()
        return ticket
    }

    /// Takes a request back whose client has gone, or has been told to come again: its `finish` is not called any more,
    /// whatever becomes of a render that is under way. One that nobody waits for any more is not begun.
    func cancel(_ ticket: Ticket) {
        eventLoop.preconditionInEventLoop()
        ticket.finish = nil
        guard var waiters = waiting[ticket.job] else { return }
        waiters.removeAll { $0 === ticket }
        if waiters.isEmpty {
            waiting[ticket.job] = nil
            urgentJobs.removeAll { $0 == ticket.job }
            otherJobs.removeAll { $0 == ticket.job }
        } else {
            waiting[ticket.job] = waiters
        }
    }

    /// Begins what can begin.
    func start() {
        while !idle.isEmpty, !waiting.isEmpty, hasRoom() {
            // Making room cuts clients off, whose requests may have been all that waited.
            guard !idle.isEmpty, let job = takeNextJob() else { return }
            let worker = idle.removeLast()
            let tickets = waiting.removeValue(forKey: job) ?? []
            let wishes = tickets.map(\.wish)
            let running = Running(worker: worker, tickets: tickets)
            threads.submit { [self] state in
                // Cancelled: the server has stopped, and its connections are closed.
                guard case .active = state else { return }
                let result = worker.result(of: job, wishes: wishes)
                eventLoop.execute { self.end(running, result) }
            }
        }
    }

    private func takeNextJob() -> RenderJob? {
        if urgentJobs.isEmpty && otherJobs.isEmpty { return nil }
        let isOther = urgentJobs.isEmpty || isOtherNext && !otherJobs.isEmpty
        isOtherNext = !isOther
        return isOther ? otherJobs.removeFirst() : urgentJobs.removeFirst()
    }

    private func end(_ running: Running, _ result: RenderResult) {
        idle.append(running.worker)
        let answer = unsent.add(byteCount: result.byteCount)
        for ticket in running.tickets {
            let finish = ticket.finish
            ticket.finish = nil
            finish?(result, answer)
        }
        // Nobody may want any of it: all clients have it already, or have gone.
        unsent.forget(answer)
        start()
    }

    /// Whether clients have taken enough of earlier answers. If not, this is looked at again in a moment.
    private func hasRoom() -> Bool {
        guard let delay = unsent.makeRoom() else { return true }
        if nextLook == nil {
            nextLook = eventLoop.assumeIsolated().scheduleTask(in: delay) { [self] in
                nextLook = nil
                start()
            }
        }
        return false
    }

    /// Carried by the thread, and looked into on the event loop alone.
    private final class Running: @unchecked Sendable {
        let worker: any RenderWorker
        let tickets: [Ticket]
        init(worker: any RenderWorker, tickets: [Ticket]) {
            self.worker = worker
            self.tickets = tickets
        }
    }
}

extension RenderJob {
    /// Whether it is for all metrics.
    fileprivate var isUrgent: Bool {
        if case .scrape(let request) = self { request.names.isEmpty } else { false }
    }
}
#endif
