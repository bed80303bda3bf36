// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ

// Options.
extension ZMQSocket {
    /// The value of an option. Errors: EINVAL for one that cannot be read, ENOTSOCK, ETERM.
    public func get<Value>(_ option: SocketOption<Value>) throws(ZMQError) -> Value {
        var buffer = [UInt8](repeating: 0, count: option.capacity)
        var size = buffer.count
        let code = buffer.withUnsafeMutableBytes { buffer in
            attempt { zmq_getsockopt(handle, option.code, buffer.baseAddress, &size) }
        }
        guard code == 0 else { throw failure(code, "get \(option.name)") }
        correct(&buffer, of: option.code)
        return buffer.withUnsafeBytes { option.decode(UnsafeRawBufferPointer(rebasing: $0.prefix(size))) }
    }

    /// Sets an option. Errors: EINVAL for one that cannot be written, or not to this value; ENOTSOCK, ETERM.
    public func set<Value>(_ option: SocketOption<Value>, to value: Value) throws(ZMQError) {
        let code = option.encode(value).withUnsafeBytes { bytes in
            attempt { zmq_setsockopt(handle, option.code, bytes.baseAddress, bytes.count) }
        }
        guard code == 0 else { throw failure(code, "set \(option.name)") }
        if option.code == ZMQ_CONFLATE { isConflating = try get(.conflate) }
    }

    /// Makes a SUB socket take messages that begin with this text; "" is all. Errors: EINVAL for other socket types.
    public func subscribe(_ prefix: String) throws(ZMQError) {
        try set(.subscribe, to: [UInt8](prefix.utf8))
    }

    /// Takes one `subscribe` of this text back. Errors: EINVAL for other socket types.
    public func unsubscribe(_ prefix: String) throws(ZMQError) {
        try set(.unsubscribe, to: [UInt8](prefix.utf8))
    }

    /// Makes libzmq's view of what was received the caller's: libzmq has handed out the frame that was read ahead, and a
    /// trailer, which the caller has not seen.
    private func correct(_ value: inout [UInt8], of option: Int32) {
        switch option {
        case ZMQ_RCVMORE: value = wireBytes(of: Int32(state.pointee.incoming.continuation == .more ? 1 : 0))
        case ZMQ_EVENTS where state.pointee.hasReadAhead:
            let events = value.withUnsafeBytes { Int16(truncatingIfNeeded: $0.loadUnaligned(as: Int32.self)) }
            value = wireBytes(of: Int32(visibleEvents(PollEvents(rawValue: events)).rawValue))
        default: break
        }
    }

    /// Events as they are for who has not seen the frame that was read ahead.
    func visibleEvents(_ events: PollEvents) -> PollEvents {
        guard state.pointee.hasReadAhead else { return events }
        // These send only once they have received a whole message.
        return (type == .req || type == .rep ? [] : events).union(.readable)
    }
}
#endif
