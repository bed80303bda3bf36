// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import Glibc
public import FDMetrics
import Synchronization

/// Whether and where the sockets of a context record.
public enum ZMQRecording: Sendable {
    /// Nothing is recorded.
    case off
    /// The series `<prefix>:zmq:...` of a registry; nil: that of the process's default store, opened with the first link.
    case on(MetricRegistry? = nil, prefix: String = "fastdeploy")
}

/// A ZeroMQ context: the I/O threads, and what its sockets share.
///
/// Threads: all methods may be called from any thread. Fork: a context is not carried over a fork; make a new one in the
/// child. A socket keeps its context alive; when the last reference is gone the context is terminated, which waits for
/// messages that closed sockets still have to deliver (see `SocketOption.linger`).
public final class ZMQContext: Sendable {
    /// An option of a context, with libzmq's number.
    public struct Option: Sendable, Equatable {
        let code: Int32
        let name: String

        /// The number of I/O threads, 1 by default; set it before the first socket is made.
        public static let ioThreads = Option(code: ZMQ_IO_THREADS, name: "IO_THREADS")
        /// The most sockets at one time, 1023 by default.
        public static let maxSockets = Option(code: ZMQ_MAX_SOCKETS, name: "MAX_SOCKETS")
        /// The most bytes of a message, 2^31 - 1 by default.
        public static let maxMessageSize = Option(code: ZMQ_MAX_MSGSZ, name: "MAX_MSGSZ")
        /// 0: new sockets have a linger of 0, so that terminating does not wait. 1 by default.
        public static let blocky = Option(code: ZMQ_BLOCKY, name: "BLOCKY")
        /// 1: new sockets use IPv6. 0 by default.
        public static let ipv6 = Option(code: ZMQ_IPV6, name: "IPV6")
        /// The scheduling priority of the I/O threads; write only.
        public static let threadPriority = Option(code: ZMQ_THREAD_PRIORITY, name: "THREAD_PRIORITY")
        /// The scheduling policy of the I/O threads.
        public static let threadSchedulingPolicy = Option(code: ZMQ_THREAD_SCHED_POLICY, name: "THREAD_SCHED_POLICY")
    }

    /// What sockets made without saying otherwise record.
    public let recording: ZMQRecording
    /// How the messages of sockets made without saying otherwise say when they were sent.
    public let carrier: Carrier

    // The address of libzmq's context; 0 once it is terminated. The lock is held while a socket is made, so that the
    // address cannot be freed under it, but not while terminating waits for sockets to be closed.
    private let address: Mutex<UInt>
    // Made when a task waits for the first time.
    private let sharedReactor = Mutex<SocketReactor?>(nil)

    /// Makes a context whose sockets record as told, into the default store unless told otherwise, and send with this
    /// carrier.
    public init(recording: ZMQRecording = .on(), carrier: Carrier = .none) throws(ZMQError) {
        guard let context = zmq_ctx_new() else {
            throw ZMQError(code: zmq_errno(), operation: "create context")
        }
        self.recording = recording
        self.carrier = carrier
        address = Mutex(UInt(bitPattern: context))
    }

    deinit {
        try? terminate()
    }

    /// Sets an option. Errors: EINVAL for an unknown option or value, ETERM after `terminate`.
    public func set(_ option: Option, to value: Int) throws(ZMQError) {
        let code = withContext { zmq_ctx_set($0, option.code, Int32(clamping: value)) < 0 ? zmq_errno() : 0 }
        guard code == 0 else { throw ZMQError(code: code ?? CZeroMQ.ETERM, operation: "set context \(option.name)") }
    }

    /// The value of an option. Errors: EINVAL for an option that cannot be read, ETERM after `terminate`.
    public func get(_ option: Option) throws(ZMQError) -> Int {
        let result = withContext { context in
            let value = zmq_ctx_get(context, option.code)
            return (value: value, code: value < 0 ? zmq_errno() : 0)
        }
        guard let result, result.code == 0 else {
            throw ZMQError(code: result?.code ?? CZeroMQ.ETERM, operation: "get context \(option.name)")
        }
        return Int(result.value)
    }

    /// Makes every blocking call of this context's sockets, present and future, fail with ETERM. Does not wait. After
    /// it, sockets can only be closed.
    public func shutdown() {
        _ = withContext { zmq_ctx_shutdown($0) }
    }

    /// Shuts down, then waits until every socket is closed and has delivered its messages or given up on them after its
    /// linger time. Calling it again does nothing.
    public func terminate() throws(ZMQError) {
        let taken = address.withLock { address in
            defer { address = 0 }
            return address
        }
        guard taken != 0 else { return }
        while zmq_ctx_term(UnsafeMutableRawPointer(bitPattern: taken)) < 0 {
            let code = zmq_errno()
            guard code == EINTR else { throw ZMQError(code: code, operation: "terminate context") }
        }
        sharedReactor.withLock { $0?.stop() }
    }

    /// The handle of a new socket.
    func makeSocket(_ type: SocketType) throws(ZMQError) -> UnsafeMutableRawPointer {
        let result = withContext { context in
            let socket = zmq_socket(context, type.rawValue)
            return (address: UInt(bitPattern: socket), code: socket == nil ? zmq_errno() : 0)
        }
        guard let result, let socket = UnsafeMutableRawPointer(bitPattern: result.address) else {
            throw ZMQError(code: result?.code ?? CZeroMQ.ETERM, operation: "create \(type) socket")
        }
        return socket
    }

    /// The thread that waits for the sockets of this context.
    func reactor() throws(ZMQError) -> SocketReactor {
        try sharedReactor.withLock { (shared) throws(ZMQError) in
            if let shared { return shared }
            let reactor = try SocketReactor()
            shared = reactor
            return reactor
        }
    }

    /// Runs a call with libzmq's context; nil if it is terminated.
    private func withContext<Result: Sendable>(_ body: (UnsafeMutableRawPointer) -> Result) -> Result? {
        address.withLock { address in
            UnsafeMutableRawPointer(bitPattern: address).map(body)
        }
    }
}
#endif
