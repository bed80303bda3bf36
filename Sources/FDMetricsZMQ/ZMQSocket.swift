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
/// took its last frame, a send that throws counts as failed, a multipart message is one message. What libzmq makes itself, or
/// what is for libzmq alone, is no message: subscriptions, probes of ROUTERs, a STREAM's connections, authentication.
///
/// Latency: measured of received messages that say when they were sent; see `Carrier`.
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
    /// How messages that are sent from now on say when.
    public var carrier: Carrier {
        didSet { updateStamping() }
    }
    /// What messages go through.
    let state: UnsafeMutablePointer<SocketState>
    var recorder: SocketRecorder
    var monitor: ConnectionMonitor?
    // Whether the option `conflate` is set, with which a message is one frame.
    var isConflating = false {
        didSet { updateStamping() }
    }
    // What the tasks that are suspended on this socket wait for; see ZMQSocket+Async.
    private var suspended: [UInt64: PollEvents] = [:] {
        didSet { state.pointee.isAwaited = !suspended.isEmpty }
    }
    private var nextTicket: UInt64 = 0

    /// Makes a socket. `link` names the link in place of its endpoint; `recording` and `carrier` are the context's unless
    /// given. Errors: EMFILE at the limit of sockets, ETERM for a terminated context.
    public init(
        _ context: ZMQContext, _ type: SocketType, link: String? = nil, recording: ZMQRecording? = nil,
        carrier: Carrier? = nil
    ) throws(ZMQError) {
        let handle = try context.makeSocket(type)
        self.context = context
        self.type = type
        self.carrier = carrier ?? context.carrier
        recorder = SocketRecorder(recording ?? context.recording, name: link)
        state = .allocate(capacity: 1)
        state.initialize(to: SocketState(handle, type))
        updateStamping()
    }

    deinit {
        close()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// libzmq's socket; nil once it is closed. libzmq answers calls with nil by ENOTSOCK.
    var handle: UnsafeMutableRawPointer? { state.pointee.handle }

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
        state.pointee.handle = nil
        state.pointee.clear()
        _ = zmq_close(handle)
        // A monitor that runs ends when libzmq is done with the socket.
        monitor = nil
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

    fileprivate func updateStamping() {
        state.pointee.isStamping =
            carrier == .trailer && type != .stream && !isConflating && !state.pointee.isInternal
    }
}

// Calls into libzmq.
extension ZMQSocket {
    /// Runs a call of libzmq until no signal interrupts it; 0 or the errno.
    @inline(__always)
    func attempt(_ body: () -> Int32) -> Int32 {
        let code = SocketState.attempt(body)
        wakeSatisfied()
        return code
    }

    /// Lets tasks go on that wait for what is there now: the call before this may have taken away what would wake them.
    @inline(__always)
    func wakeSatisfied() {
        if state.pointee.isAwaited { wakeAwaiting() }
    }

    @inline(never)
    private func wakeAwaiting() {
        _ = try? look()
    }

    /// What there is now, after letting the tasks go on that wait for it. For a task that is about to wait this is the last
    /// call before: one look for all, because a second one would take away what this one did not see.
    func look() throws(ZMQError) -> PollEvents {
        var events: Int32 = 0
        var size = MemoryLayout<Int32>.size
        let code = SocketState.attempt { zmq_getsockopt(handle, ZMQ_EVENTS, &events, &size) }
        guard code == 0 else { throw failure(code, "get EVENTS") }
        let present = visibleEvents(PollEvents(rawValue: Int16(truncatingIfNeeded: events)))
        var descriptor: Int32 = -1
        if suspended.values.contains(where: { !$0.isDisjoint(with: present) }),
            zmq_getsockopt(handle, ZMQ_FD, &descriptor, &size) == 0
        {
            try? context.reactor().wake(descriptor)
        }
        return present
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

    /// Stops accepting connections at an endpoint, given as `lastEndpoint` said it after bind, and ends those that were
    /// accepted there. Errors: ENOENT, EINVAL.
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
        let resolved = (try? get(.lastEndpoint)) ?? endpoint
        if resolved == Self.authentication {
            setInternal(true)
        } else {
            recorder.attach(to: resolved)
            updateLink()
        }
        startMonitor()
    }

    private func detach(_ code: Int32, _ operation: String, _ endpoint: String) throws(ZMQError) {
        guard code == 0 else { throw ZMQError(code: code, operation: operation, endpoint: endpoint) }
        if endpoint == Self.authentication { setInternal(false) }
        recorder.detach(from: endpoint)
        monitor?.gaveUp(endpoint)
    }

    /// Where libzmq asks whether a peer may come in. It would take a trailer for a wrong answer, and what goes through is
    /// no message of the program.
    private static let authentication = "inproc://zeromq.zap.01"

    private func setInternal(_ isInternal: Bool) {
        state.pointee.isInternal = isInternal
        updateStamping()
        updateLink()
    }

    private func updateLink() {
        state.pointee.link = state.pointee.isInternal ? nil : recorder.link.map { Unmanaged.passUnretained($0) }
    }
}
#endif
