// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import FDMetricsZMQRecording
import Glibc
import Synchronization

/// Follows what libzmq tells of one socket's connections, and records it.
///
/// libzmq's monitor sends events from its I/O threads to a PAIR socket over inproc. They wait there until `start` has a
/// thread receive them, which ends with the monitored socket: when libzmq is done with it, lingering included, or when the
/// context is shut down.
final class ConnectionMonitor: Sendable {
    /// What is called with each event.
    typealias Handler = @Sendable (ZMQMonitorEvent) -> Void

    private struct State {
        var ledger: ConnectionLedger
        var recorder: ZMQConnectionRecorder?
        /// The address of the PAIR socket until the thread has it; 0 from then on.
        var reader: UInt
    }

    private let state: Mutex<State>
    private let handler: Handler?
    private static let number = Atomic<Int>(0)

    /// Begins to monitor a socket.
    init(
        _ socket: UnsafeMutableRawPointer, _ type: SocketType, in context: ZMQContext, _ handler: Handler?
    ) throws(ZMQError) {
        let number = Self.number.wrappingAdd(1, ordering: .relaxed).newValue
        let endpoint = "inproc://fdmetrics.monitor.\(number)"
        let reader = try context.makeSocket(.pair)
        // Without a limit: libzmq's I/O threads would wait for the reader at one.
        var limit: Int32 = 0
        var code: Int32 = 0
        if zmq_setsockopt(reader, ZMQ_RCVHWM, &limit, MemoryLayout<Int32>.size) < 0
            || zmq_socket_monitor(socket, endpoint, ZMQ_EVENT_ALL) < 0 || zmq_connect(reader, endpoint) < 0
        {
            code = zmq_errno()
            _ = zmq_close(reader)
        }
        self.handler = handler
        let ledger = ConnectionLedger(hasHandshakes: type != .stream)
        state = Mutex(State(ledger: ledger, recorder: nil, reader: code == 0 ? UInt(bitPattern: reader) : 0))
        guard code == 0 else { throw ZMQError(code: code, operation: "monitor socket") }
    }

    deinit {
        let reader = state.withLock { $0.reader }
        if let reader = UnsafeMutableRawPointer(bitPattern: reader) { _ = zmq_close(reader) }
    }

    /// Whether the thread was started.
    var isStarted: Bool { state.withLock { $0.reader == 0 } }

    /// Starts the thread, once, which records from now on, the events before this included. 0 or the errno; then it may be
    /// called again.
    func start(_ recorder: ZMQConnectionRecorder?) -> Int32 {
        let reader = state.withLock { state in
            defer { state.reader = 0 }
            state.recorder = recorder
            return state.reader
        }
        if reader == 0 { return 0 }
        let code = startThread(name: "fdm-zmq-monitor") { [self] in run(UnsafeMutableRawPointer(bitPattern: reader)!) }
        if code != 0 { state.withLock { $0.reader = reader } }
        return code
    }

    /// The socket gave up its connections at an endpoint, of which libzmq tells nothing.
    func gaveUp(_ endpoint: String) {
        state.withLock { state in
            for event in state.ledger.giveUp(endpoint) { state.recorder?.record(event) }
        }
    }

    private func run(_ reader: UnsafeMutableRawPointer) {
        while let (code, value, endpoint) = receive(reader), code != UInt16(ZMQ_EVENT_MONITOR_STOPPED) {
            // Later versions of libzmq may tell more.
            guard let kind = ZMQMonitorEvent.Kind(rawValue: code) else { continue }
            let event = ZMQMonitorEvent(kind: kind, value: value, endpoint: endpoint)
            state.withLock { state in
                for event in state.ledger.take(event) { state.recorder?.record(event) }
            }
            handler?(event)
        }
        // The connections that were there ended with their socket. First, because the context is not terminated before
        // the reader is closed: whoever waits for that finds them counted.
        state.withLock { state in
            for event in state.ledger.end() { state.recorder?.record(event) }
        }
        _ = zmq_close(reader)
    }

    /// Receives an event: 16 bits of code and 32 of value in one frame, the endpoint in a second one. Nil when there will
    /// be none any more.
    private func receive(_ reader: UnsafeMutableRawPointer) -> (UInt16, UInt32, String)? {
        var numbers = zmq_msg_t()
        var endpoint = zmq_msg_t()
        _ = zmq_msg_init(&numbers)
        _ = zmq_msg_init(&endpoint)
        defer {
            _ = zmq_msg_close(&numbers)
            _ = zmq_msg_close(&endpoint)
        }
        guard zmq_msg_recv(&numbers, reader, 0) == 6, zmq_msg_recv(&endpoint, reader, 0) >= 0 else { return nil }
        let bytes = UnsafeRawBufferPointer(start: zmq_msg_data(&numbers), count: 6)
        let text = UnsafeRawBufferPointer(start: zmq_msg_data(&endpoint), count: zmq_msg_size(&endpoint))
        return (
            bytes.loadUnaligned(as: UInt16.self), bytes.loadUnaligned(fromByteOffset: 2, as: UInt32.self),
            String(decoding: text, as: UTF8.self)
        )
    }
}

extension ZMQSocket {
    /// Records what becomes of the socket's connections from now on, in the series of its link, and calls `handler` with
    /// each event on the monitor's thread. Before the first bind or connect, so that none is missed.
    ///
    /// Costs one thread, which ends with the socket, and nothing for each message. Connections over inproc are not told of.
    /// The handler must not use the socket. What is counted stays with the link that the socket has, or gets first.
    ///
    /// Errors: EALREADY if this was called before, EMFILE, EAGAIN (no more threads), ENOTSOCK, ETERM.
    public func watchConnections(
        _ handler: (@Sendable (ZMQMonitorEvent) -> Void)? = nil
    ) throws(ZMQError) {
        guard let handle else { throw failure(ENOTSOCK, "monitor") }
        guard monitor == nil else { throw failure(EALREADY, "monitor") }
        monitor = try ConnectionMonitor(handle, type, in: context, handler)
        guard endpoint != nil else { return }
        let code = startMonitor()
        guard code == 0 else { throw failure(code, "start monitoring thread") }
    }

    /// Starts the monitor's thread, if there is a monitor and now that there is a link.
    @discardableResult
    func startMonitor() -> Int32 {
        guard let monitor, !monitor.isStarted else { return 0 }
        return monitor.start(recorder.watchConnections())
    }
}
#endif
