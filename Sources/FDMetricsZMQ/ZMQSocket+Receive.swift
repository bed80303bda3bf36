// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import Glibc

// Receiving. A message counts when its last frame was received; a call that throws counts nothing. Trailers are taken off
// whatever the socket's own carrier is, and nobody sees them: the frame before one is a message's last.
extension ZMQSocket {
    /// Receives one frame without copying its bytes; `hasMore` says whether the message goes on. Errors: EAGAIN, EFSM,
    /// ENOTSUP (a socket that only sends), ENOTSOCK, ETERM.
    public func receive(flags: ReceiveFlags = []) throws(ZMQError) -> ZMQMessage {
        let message = try take(flags)
        state.pointee.recordReceived()
        return message
    }

    /// Receives one frame into memory of the caller, without any allocation of its own. A longer one is cut off, as
    /// `count` tells, which is the length of the frame; all of it counts as received. Errors: as above.
    public func receive(
        into buffer: UnsafeMutableRawBufferPointer, flags: ReceiveFlags = []
    ) throws(ZMQError) -> (count: Int, hasMore: Bool) {
        var message = zmq_msg_t()
        _ = zmq_msg_init(&message)
        defer { _ = zmq_msg_close(&message) }
        let code = state.pointee.take(into: &message, flags)
        wakeSatisfied()
        guard code == 0 else { throw failure(code, "receive") }
        let count = zmq_msg_size(&message)
        if let start = buffer.baseAddress, count > 0 {
            memcpy(start, zmq_msg_data(&message), min(count, buffer.count))
        }
        state.pointee.recordReceived()
        return (count, state.pointee.incoming.continuation == .more)
    }

    /// Receives a whole message, one frame or more. Errors: as above.
    public func receiveMultipart(flags: ReceiveFlags = []) throws(ZMQError) -> [ZMQMessage] {
        var frames: [ZMQMessage] = []
        repeat {
            frames.append(try receive(flags: flags))
        } while frames[frames.endIndex - 1].hasMore
        return frames
    }

    /// Waits until one of these events is there, or the time is over; nil: without limit. The result is what is there,
    /// empty if nothing is. Errors: ETERM, ENOTSOCK.
    public func poll(_ events: PollEvents = .readable, timeout: Duration? = nil) throws(ZMQError) -> PollEvents {
        guard let handle else { throw failure(ENOTSOCK, "poll") }
        var item = zmq_pollitem_t(socket: handle, fd: 0, events: events.rawValue, revents: 0)
        let isReadable = state.pointee.hasReadAhead && events.contains(.readable)
        let code = waitForEvents(of: &item, count: 1, timeout: isReadable ? .zero : timeout)
        wakeSatisfied()
        guard code == 0 else { throw failure(code, "poll") }
        return visibleEvents(PollEvents(rawValue: item.revents)).intersection(events)
    }

    /// Receives one frame, and counts nothing yet.
    func take(_ flags: ReceiveFlags) throws(ZMQError) -> ZMQMessage {
        var message = ZMQMessage()
        let code = message.withMessage { state.pointee.take(into: $0, flags) }
        wakeSatisfied()
        guard code == 0 else { throw failure(code, "receive") }
        message.hasMore = state.pointee.incoming.continuation == .more
        return message
    }
}

/// `zmq_poll`, gone on with for the rest of the time when a signal interrupts it; 0 or the errno.
func waitForEvents(of items: UnsafeMutablePointer<zmq_pollitem_t>, count: Int, timeout: Duration?) -> Int32 {
    let end = timeout.map { ContinuousClock.now.advanced(by: $0) }
    var milliseconds = timeout.map { Int(clamping: $0.wholeMilliseconds) } ?? -1
    while true {
        if zmq_poll(items, Int32(clamping: count), milliseconds) >= 0 { return 0 }
        let code = zmq_errno()
        if code != EINTR { return code }
        if let end { milliseconds = Int(clamping: ContinuousClock.now.duration(to: end).wholeMilliseconds) }
    }
}
#endif
