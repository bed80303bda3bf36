// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

import CZeroMQ
import FDMetrics
import FDMetricsZMQ
import Glibc

/// A way to send a message. The second is what a trailer cannot cost less than: a message with a second frame, of which
/// nothing is recorded.
enum Way: String, CaseIterable {
    case plain
    case twoFrames = "two_frames"
    case counting
    case trailer

    func address(_ directory: String) -> String { "ipc://\(directory)/\(rawValue)" }
}

/// The contexts of one process, and what makes its sockets.
struct Ways {
    static let size = 256
    private let directory: String
    private let context: ZMQContext
    private let plain: UnsafeMutableRawPointer

    init(directory: String) throws {
        self.directory = directory
        let registry = try MetricRegistry(directory: "\(directory)/store")
        context = try ZMQContext(recording: .on(registry))
        plain = zmq_ctx_new()
    }

    /// A socket of a way: libzmq's own, or one that records.
    func open(_ way: Way, _ type: SocketType) throws -> any Wire {
        let address = way.address(directory)
        switch way {
        case .plain, .twoFrames:
            let handle = zmq_socket(plain, type.rawValue)
            var none: Int32 = 0
            for option in [ZMQ_LINGER, ZMQ_SNDHWM, ZMQ_RCVHWM] { zmq_setsockopt(handle, option, &none, 4) }
            guard (type == .push ? zmq_connect : zmq_bind)(handle, address) == 0 else {
                throw BenchError(description: "\(address): \(String(cString: zmq_strerror(zmq_errno())))")
            }
            return way == .plain ? PlainWire(handle: handle) : TwoFrameWire(handle: handle)
        case .counting, .trailer:
            let socket = try ZMQSocket(context, type, carrier: way == .trailer ? .trailer : Carrier.none)
            try socket.set(.linger, to: .zero)
            try socket.set(.sendHighWaterMark, to: 0)
            try socket.set(.receiveHighWaterMark, to: 0)
            if type == .push { try socket.connect(address) } else { try socket.bind(address) }
            if let failure = socket.recordingFailure { throw failure }
            return RecordedWire(socket: socket)
        }
    }
}

/// A socket of one way. Many messages in a call: choosing the way is not to be measured.
protocol Wire {
    func send(_ count: Int) throws
    func receive(_ count: Int) throws
}

nonisolated(unsafe) private let payload = UnsafeMutableRawBufferPointer.filled(UInt8(ascii: "x"), count: Ways.size)
nonisolated(unsafe) private let received = UnsafeMutableRawBufferPointer.filled(0, count: Ways.size + 1)

extension UnsafeMutableRawBufferPointer {
    /// Memory that is never given back.
    fileprivate static func filled(_ byte: UInt8, count: Int) -> UnsafeMutableRawBufferPointer {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: byte)
        return memory
    }
}

private func check(_ result: Int32, _ expected: Int = Ways.size) throws {
    if result != Int32(expected) { throw BenchError(description: "\(result) bytes: \(zmq_errno())") }
}

/// libzmq alone.
struct PlainWire: Wire {
    let handle: UnsafeMutableRawPointer?

    func send(_ count: Int) throws {
        let bytes = payload
        for _ in 0..<count { try check(zmq_send(handle, bytes.baseAddress, bytes.count, 0)) }
    }

    func receive(_ count: Int) throws {
        let buffer = received
        for _ in 0..<count { try check(zmq_recv(handle, buffer.baseAddress, buffer.count, 0)) }
    }
}

/// libzmq alone, with a second frame of a trailer's size.
struct TwoFrameWire: Wire {
    let handle: UnsafeMutableRawPointer?

    func send(_ count: Int) throws {
        let bytes = payload
        for _ in 0..<count {
            try check(zmq_send(handle, bytes.baseAddress, bytes.count, ZMQ_SNDMORE))
            try check(zmq_send(handle, bytes.baseAddress, 24, 0), 24)
        }
    }

    func receive(_ count: Int) throws {
        let buffer = received
        for _ in 0..<count {
            try check(zmq_recv(handle, buffer.baseAddress, buffer.count, 0))
            try check(zmq_recv(handle, buffer.baseAddress, 24, 0), 24)
        }
    }
}

/// A socket that records.
struct RecordedWire: Wire {
    let socket: ZMQSocket

    func send(_ count: Int) throws {
        let bytes = UnsafeRawBufferPointer(payload)
        for _ in 0..<count { try socket.send(bytes) }
    }

    func receive(_ count: Int) throws {
        let buffer = received
        for _ in 0..<count {
            let (size, hasMore) = try socket.receive(into: buffer)
            if size != Ways.size || hasMore { throw BenchError(description: "\(size) bytes, more: \(hasMore)") }
        }
    }
}
