// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import FDMetricsZMQRecording
import Glibc

// The asynchronous interface: the task is suspended while libzmq would wait, and no thread of the concurrency pool blocks.
//
// The calls run where their caller runs, so the socket stays with its actor. Several tasks of one actor may wait on one
// socket at a time, such as one that receives and one that sends. The options sendTimeout and receiveTimeout do not apply:
// cancel the task to end a wait, which then throws ECANCELED.
//
// libzmq's descriptor says that something may have changed, and any call on the socket takes that word away. So whoever
// calls it while tasks are waiting looks at `events` for them (see `wakeSatisfied`).
extension ZMQSocket {
    /// Waits until one of these events is there, and returns what is. Errors: ECANCELED, ETERM, ENOTSOCK.
    @discardableResult
    public func ready(for events: PollEvents = .readable) async throws(ZMQError) -> PollEvents {
        while true {
            let present = try look()
            if !present.isDisjoint(with: events) { return present }
            try await waitForChange(wanting: events)
        }
    }

    /// Receives one frame without copying its bytes. Errors: as the blocking one, but for EAGAIN; ECANCELED.
    public func receive() async throws(ZMQError) -> ZMQMessage {
        while true {
            do throws(ZMQError) { return try receive(flags: .dontWait) } catch { try await wait(after: error) }
        }
    }

    /// Receives a whole message, one frame or more. Errors: as above.
    public func receiveMultipart() async throws(ZMQError) -> [ZMQMessage] {
        while true {
            do throws(ZMQError) { return try receiveMultipart(flags: .dontWait) } catch { try await wait(after: error) }
        }
    }

    /// Receives a whole message and takes the JSON in its last frame out of its envelope, if it is in one. Errors: as above.
    public func receiveJSON() async throws(ZMQError) -> ZMQJSONMessage {
        while true {
            do throws(ZMQError) { return try receiveJSON(flags: .dontWait) } catch { try await wait(after: error) }
        }
    }

    /// Sends a message as one frame without copying its bytes. Errors: as the blocking one, and ECANCELED; EAGAIN only where
    /// there is room for other peers and not for this one's (a ROUTER with routerMandatory, a PUB with xpubNoDrop).
    public func send(_ message: ZMQMessage) async throws(ZMQError) {
        try await send(first: message, flags: [])
    }

    /// Sends bytes as one frame. Errors: as above.
    public func send(_ bytes: [UInt8]) async throws(ZMQError) {
        try await send(first: outgoing { () throws(ZMQError) in try ZMQMessage(bytes) }, flags: [])
    }

    /// Sends the UTF-8 of a text as one frame. Errors: as above.
    public func send(_ text: String) async throws(ZMQError) {
        try await send(first: outgoing { () throws(ZMQError) in try ZMQMessage(text) }, flags: [])
    }

    /// Sends frames as one message: the peer gets all or none. Errors: EINVAL without any frame, and as above.
    public func sendMultipart(_ frames: [ZMQMessage]) async throws(ZMQError) {
        guard let first = frames.first else { return try sendMultipart(frames, flags: .dontWait) }
        try await send(first: first, flags: frames.count > 1 ? .more : [])
        if frames.count > 1 { try sendMultipart(Array(frames.dropFirst()), flags: .dontWait) }
    }

    /// Sends JSON as the last frame after these, in an envelope if that is the socket's carrier. Errors: as `send`.
    public func sendJSON(_ payload: [UInt8], after leading: [ZMQMessage] = []) async throws(ZMQError) {
        if carrier == .envelope { return try await sendEnvelope(payload, after: leading) }
        try await sendMultipart(leading + [outgoing { () throws(ZMQError) in try ZMQMessage(payload) }])
    }

    /// Sends JSON in an envelope whatever the socket's carrier is, as the last frame after these. Errors: as `send`.
    public func sendEnvelope(_ payload: [UInt8], after leading: [ZMQMessage] = []) async throws(ZMQError) {
        let message = try outgoing { () throws(ZMQError) in
            try ZMQEnvelope.message(around: payload, sentAt: ZMQLink.now())
        }
        try await sendMultipart(leading + [message])
    }

    /// Sends the first frame of a message, the only one that libzmq ever lets wait.
    private func send(first message: ZMQMessage, flags: SendFlags) async throws(ZMQError) {
        let code: Int32
        do throws(ZMQError) {
            code = try await transmitWaiting(message, flags.union(.dontWait))
        } catch {
            state.pointee.withLink { $0.sendFailed() }
            throw error
        }
        try record(code, bytes: message.count, flags)
    }

    /// Hands a frame to libzmq as soon as there is room; 0 or the errno. Throws what ends the wait.
    private func transmitWaiting(_ message: ZMQMessage, _ flags: SendFlags) async throws(ZMQError) -> Int32 {
        // A message that has begun has its room.
        if state.pointee.outgoing.frames > 0 { return transmit(message, flags) }
        // While this task waits, others may send: what this message begins with is put in place for each attempt.
        var beginning = OutgoingMessage()
        if state.pointee.isStamping && type != .xsub { beginning.stamp() }
        var blockedSince: Double?
        defer {
            if let blockedSince {
                state.pointee.withLink { $0.sendBlocked(seconds: ZMQLink.now() - blockedSince) }
            }
        }
        var isSecondAttempt = false
        while true {
            state.pointee.outgoing = beginning
            let code = transmit(message, flags)
            wakeSatisfied()
            guard code == EAGAIN else { return code }
            state.pointee.outgoing = OutgoingMessage()
            if blockedSince == nil { blockedSince = ZMQLink.now() }
            if try look().contains(.writable) {
                // Either room was made just now, or these types have room for any peer but not for this message's: there
                // is no event for that, so waiting would be spinning.
                switch type {
                case .router, .pub, .xpub, .stream:
                    if isSecondAttempt { return code }
                    isSecondAttempt = true
                default:
                    break
                }
            } else {
                try await waitForChange(wanting: .writable)
                isSecondAttempt = false
            }
        }
    }

    /// Waits for a message, if the lack of one is what a receive failed for.
    private func wait(after error: ZMQError) async throws(ZMQError) {
        guard error.isAgain else { throw error }
        try await waitForChange(wanting: .readable)
    }

    /// Suspends the task until there may be such an event.
    private func waitForChange(wanting events: PollEvents) async throws(ZMQError) {
        let reactor = try context.reactor()
        let descriptor = Int32(try get(.fileDescriptor))
        // Nothing else runs on this socket between this look and the wait: what comes later shows at the descriptor.
        guard try look().isDisjoint(with: events) else { return }
        let ticket = suspend(wanting: events)
        let code = await reactor.wait(for: descriptor)
        resume(ticket)
        guard code == 0 else { throw failure(code, "wait") }
    }
}
#endif
