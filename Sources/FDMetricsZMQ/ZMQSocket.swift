// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import Glibc
import FDMetricsZMQRecording

/// A ZeroMQ socket that records what it sends and receives.
///
/// Recording: one link, with the label `address`. It is opened with the first bind or connect, from the endpoint as libzmq
/// resolved it, or from the name that the caller gave. Until then, and where the store cannot be opened
/// (`recordingFailure` says why), nothing is recorded; the socket works all the same. A message counts as sent when libzmq
/// took its last frame, a send that throws counts as failed, a multipart message is one message.
///
/// A TCP server that is bound to a wildcard has "tcp://0.0.0.0:<port>" for its endpoint, and its clients the name that
/// they connect to: give both ends the same link name to see them as one link.
///
/// Threads: libzmq's sockets belong to one thread at a time. The class is therefore not `Sendable`: the compiler lets a
/// socket be handed over to another thread or actor as a whole, and not be shared. It is a class and not a noncopyable
/// structure because sockets are kept in arrays and dictionaries, and are referred to by pollers.
///
/// Blocking: `send` and `receive` without `.dontWait`, and `poll`, block the calling thread. In tasks use those with
/// `await`, which suspend the task instead. A call that a signal interrupts is tried again.
///
/// Fork: sockets are not carried over a fork.
public final class ZMQSocket {
    /// The context that the socket was made in; it lives at least as long as the socket.
    public let context: ZMQContext
    /// The messaging pattern.
    public let type: SocketType
    /// libzmq's socket; nil once it is closed. libzmq answers calls with nil by ENOTSOCK.
    private(set) var handle: UnsafeMutableRawPointer?
    var recorder: SocketRecorder
    // What the tasks that are suspended on this socket wait for; see ZMQSocket+Async.
    private var suspended: [UInt64: PollEvents] = [:]
    private var nextTicket: UInt64 = 0

    /// Makes a socket. `link` names the link in place of its endpoint; `recording` is the context's unless given.
    /// Errors: EMFILE at the limit of sockets, ETERM for a terminated context.
    public init(
        _ context: ZMQContext, _ type: SocketType, link: String? = nil, recording: ZMQRecording? = nil
    ) throws(ZMQError) {
        self.context = context
        self.type = type
        handle = try context.makeSocket(type)
        recorder = SocketRecorder(recording ?? context.recording, name: link)
    }

    deinit {
        close()
    }

    /// The endpoint that the socket's link was opened for, wildcards resolved; nil before the first bind or connect.
    public var endpoint: String? { recorder.endpoint }

    /// Why nothing is recorded although it should be: the store could not be opened, or refused the series. Nil if
    /// recording works, is off, or has not begun. The next bind or connect tries again.
    public var recordingFailure: (any Error)? { recorder.failure }

    /// Closes the socket; later calls fail with ENOTSOCK, closing again does nothing. Messages that were sent are still
    /// delivered, for as long as the option `linger` says; the context's termination waits for that.
    public func close() {
        guard let handle else { return }
        let descriptor = suspended.isEmpty ? nil : try? get(.fileDescriptor)
        self.handle = nil
        _ = zmq_close(handle)
        // The tasks that wait go on to a call that fails with ENOTSOCK.
        if let descriptor { try? context.reactor().wake(Int32(descriptor)) }
    }

    /// Sets the option `linger`, then closes: zero drops what is not delivered yet, nil delivers without limit.
    public func close(linger: Duration?) {
        try? set(.linger, to: linger)
        close()
    }

    func failure(_ code: Int32, _ operation: String) -> ZMQError {
        ZMQError(code: code, operation: operation, endpoint: endpoint)
    }
}

// Calls into libzmq.
extension ZMQSocket {
    /// Runs a call of libzmq until no signal interrupts it; 0 or the errno. Only the first frame of a message ever waits,
    /// so that a message is never torn by this.
    @inline(__always)
    func attempt(_ body: () -> Int32) -> Int32 {
        var code: Int32 = 0
        while body() < 0 {
            code = zmq_errno()
            if code != EINTR { break }
            code = 0
        }
        wakeSatisfied()
        return code
    }

    /// Lets tasks go on that wait for what is there now: the call before this may have taken away what would wake them.
    func wakeSatisfied() {
        if suspended.isEmpty { return }
        var events: Int32 = 0
        var size = MemoryLayout<Int32>.size
        var descriptor: Int32 = -1
        guard zmq_getsockopt(handle, ZMQ_EVENTS, &events, &size) == 0,
            suspended.values.contains(where: { Int32($0.rawValue) & events != 0 }),
            zmq_getsockopt(handle, ZMQ_FD, &descriptor, &size) == 0
        else { return }
        try? context.reactor().wake(descriptor)
    }

    /// Notes that a task is about to wait.
    func suspend(wanting events: PollEvents) -> UInt64 {
        defer { nextTicket += 1 }
        suspended[nextTicket] = events
        return nextTicket
    }

    /// Notes that it waits no longer.
    func resume(_ ticket: UInt64) {
        suspended[ticket] = nil
    }
}

// Endpoints.
extension ZMQSocket {
    /// Accepts connections at an endpoint: "tcp://*:5555", "tcp://127.0.0.1:*", "ipc:///run/service.ipc", "inproc://name".
    /// Errors: EADDRINUSE, EINVAL, EPROTONOSUPPORT, ENOCOMPATPROTO, ENODEV, ETERM and those of the transport.
    public func bind(_ endpoint: String) throws(ZMQError) {
        try attach(attempt { zmq_bind(handle, endpoint) }, "bind", endpoint)
    }

    /// Connects to an endpoint, which need not exist yet; libzmq connects again when the connection is lost.
    /// Errors: EINVAL, EPROTONOSUPPORT, ENOCOMPATPROTO, ETERM.
    public func connect(_ endpoint: String) throws(ZMQError) {
        try attach(attempt { zmq_connect(handle, endpoint) }, "connect", endpoint)
    }

    /// Stops accepting connections at an endpoint, given as `lastEndpoint` said it after bind. Errors: ENOENT, EINVAL.
    public func unbind(_ endpoint: String) throws(ZMQError) {
        try detach(attempt { zmq_unbind(handle, endpoint) }, "unbind", endpoint)
    }

    /// Gives up the connection to an endpoint. Errors: ENOENT, EINVAL.
    public func disconnect(_ endpoint: String) throws(ZMQError) {
        try detach(attempt { zmq_disconnect(handle, endpoint) }, "disconnect", endpoint)
    }

    /// The endpoint of the last bind or connect, wildcards resolved; "" before the first. Errors: ENOTSOCK, ETERM.
    public func lastEndpoint() throws(ZMQError) -> String {
        try get(.lastEndpoint)
    }

    private func attach(_ code: Int32, _ operation: String, _ endpoint: String) throws(ZMQError) {
        guard code == 0 else { throw ZMQError(code: code, operation: operation, endpoint: endpoint) }
        let resolved = try? get(.lastEndpoint)
        recorder.attach(to: resolved ?? endpoint)
    }

    private func detach(_ code: Int32, _ operation: String, _ endpoint: String) throws(ZMQError) {
        guard code == 0 else { throw ZMQError(code: code, operation: operation, endpoint: endpoint) }
        recorder.detach(from: endpoint)
    }
}

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
        return buffer.withUnsafeBytes { option.decode(UnsafeRawBufferPointer(rebasing: $0.prefix(size))) }
    }

    /// Sets an option. Errors: EINVAL for one that cannot be written, or not to this value; ENOTSOCK, ETERM.
    public func set<Value>(_ option: SocketOption<Value>, to value: Value) throws(ZMQError) {
        let code = option.encode(value).withUnsafeBytes { bytes in
            attempt { zmq_setsockopt(handle, option.code, bytes.baseAddress, bytes.count) }
        }
        guard code == 0 else { throw failure(code, "set \(option.name)") }
    }

    /// Makes a SUB socket take messages that begin with this text; "" is all. Errors: EINVAL for other socket types.
    public func subscribe(_ prefix: String) throws(ZMQError) {
        try set(.subscribe, to: [UInt8](prefix.utf8))
    }

    /// Takes one `subscribe` of this text back. Errors: EINVAL for other socket types.
    public func unsubscribe(_ prefix: String) throws(ZMQError) {
        try set(.unsubscribe, to: [UInt8](prefix.utf8))
    }
}
#endif
