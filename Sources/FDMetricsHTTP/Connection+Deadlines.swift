// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if HTTPServer
import NIOCore
import NIOHTTP1

extension Connection {
    func enter(_ state: State, for seconds: Double) {
        self.state = state
        since = .now()
        deadline = since + .nanoseconds(Int64(min(max(seconds, 0), 1e9) * 1e9))
        // One that comes too early sets the next: most deadlines are moved long before they come.
        if alarm == nil || deadline < alarmTime { setAlarm() }
    }

    func setAlarm() {
        alarm?.cancel()
        alarmTime = deadline
        alarm = channel?.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            alarm = nil
            if state == .closed { return }
            if NIODeadline.now() < deadline { return setAlarm() }
            expire()
        }
    }

    func expire() {
        switch state {
        case .reading where head != nil:
            server.counts.failed(.requestTimeout)
            refuse(.requestTimeout, "the request took too long")
        case .reading where hasBytes: cutOff(.requestTimeout)
        case .waiting:
            takeBackRequest()
            server.counts.failed(.renderTimeout)
            sendBusy()
        case .writing: cutOff(.slowClient)
        default: cutOff()
        }
    }

    /// How good a claim to its place a connection has, where others want it; nil: it is not to be disturbed.
    func claim(_ now: NIODeadline) -> Claim? {
        switch state {
        case .idle, .reading, .lingering, .closed: Claim(rank: 0, since: since)
        case .writing where now - since > UnsentAnswers.patience: Claim(rank: 1, since: since)
        case .writing, .waiting: nil
        }
    }

    /// Who only waits goes before who is being answered, and then who has done so for longest.
    struct Claim: Comparable {
        var rank: Int
        var since: NIODeadline

        static func < (one: Claim, other: Claim) -> Bool { (one.rank, one.since) < (other.rank, other.since) }
    }

    /// Ends the connection; if a request has begun, after its answer.
    func endAfterRequest() {
        switch state {
        case .idle: channel?.close(promise: nil)
        case .reading where !hasBytes: channel?.close(promise: nil)
        default: closesAfterAnswer = true
        }
    }

    /// Ends the connection at once.
    /// - Parameter failure: why its request has no whole answer, if there is a request.
    func cutOff(_ failure: RequestCounts.Failure? = nil) {
        end(failure)
        closeNow()
    }

    /// Closes the socket, also where TLS would wait for the client to agree to that.
    func closeNow() {
        guard let channel else { return }
        if let tls, let context = try? channel.pipeline.syncOperations.context(handler: tls) {
            context.close(promise: nil)
        } else {
            channel.close(promise: nil)
        }
    }

    func end(_ failure: RequestCounts.Failure? = nil) {
        if let failure, state != .closed, failure != .clientGone || state == .waiting || state == .writing {
            server.counts.failed(failure)
        }
        state = .closed
        alarm?.cancel()
        alarm = nil
        takeBackRequest()
        letGoOfAnswer()
        server.connections.remove(self)
    }

    func takeBackRequest() {
        if let ticket { server.scheduler.cancel(ticket) }
        ticket = nil
    }

    func letGoOfAnswer() {
        guard let answer else { return }
        self.answer = nil
        server.unsent.remove(self, of: answer)
        // It may be what the next render waits for.
        server.scheduler.start()
    }
}
#endif
