// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import Glibc

/// A socket of libzmq itself, with nothing of this project around it: the peer that knows no trailers. It is called by name,
/// so that no line of the library is in between.
final class PlainSocket {
    private typealias Pointer = UnsafeMutableRawPointer
    private typealias Constant = UnsafeRawPointer
    private let context: Pointer
    private let socket: Pointer

    private static func function<Function>(_ name: String, _ type: Function.Type) -> Function {
        unsafeBitCast(dlsym(nil, name), to: type)
    }

    /// The raw values of socket types are libzmq's.
    init(_ type: Int32) {
        context = Self.function("zmq_ctx_new", (@convention(c) () -> Pointer).self)()
        socket = Self.function("zmq_socket", (@convention(c) (Pointer, Int32) -> Pointer).self)(context, type)
        // LINGER: nothing is kept for peers that are gone. RCVTIMEO: no test waits for ever.
        for (option, value) in [(17, 0), (27, 20_000)] as [(Int32, Int32)] {
            setOption(option, withUnsafeBytes(of: value) { [UInt8]($0) })
        }
    }

    deinit { close() }

    private var isClosed = false

    func close() {
        if isClosed { return }
        isClosed = true
        _ = Self.function("zmq_close", (@convention(c) (Pointer) -> Int32).self)(socket)
        _ = Self.function("zmq_ctx_term", (@convention(c) (Pointer) -> Int32).self)(context)
    }

    func setOption(_ option: Int32, _ value: [UInt8]) {
        let set = Self.function("zmq_setsockopt", (@convention(c) (Pointer, Int32, Constant, Int) -> Int32).self)
        let status = set(socket, option, value, value.count)
        precondition(status == 0, "zmq_setsockopt: \(errno)")
    }

    func bind(_ endpoint: String) {
        let bind = Self.function("zmq_bind", (@convention(c) (Pointer, UnsafePointer<CChar>) -> Int32).self)
        let status = bind(socket, endpoint)
        precondition(status == 0, "zmq_bind: \(errno)")
    }

    func connect(_ endpoint: String) {
        let connect = Self.function("zmq_connect", (@convention(c) (Pointer, UnsafePointer<CChar>) -> Int32).self)
        let status = connect(socket, endpoint)
        precondition(status == 0, "zmq_connect: \(errno)")
    }

    func send(_ frames: [[UInt8]]) {
        let send = Self.function("zmq_send", (@convention(c) (Pointer, Constant, Int, Int32) -> Int32).self)
        for (index, frame) in frames.enumerated() {
            let count = send(socket, frame, frame.count, index < frames.count - 1 ? 2 : 0)
            precondition(count == frame.count, "zmq_send: \(errno)")
        }
    }

    /// One frame over any of libzmq's sockets; what libzmq says.
    static func send(_ frame: [UInt8], over socket: UnsafeMutableRawPointer?, _ flags: Int32) -> Int32 {
        let send = function("zmq_send", (@convention(c) (Pointer?, Constant, Int, Int32) -> Int32).self)
        return send(socket, frame, frame.count, flags)
    }

    func receive() -> [[UInt8]] {
        let receive = Self.function(
            "zmq_recv", (@convention(c) (Pointer, UnsafeMutableRawPointer, Int, Int32) -> Int32).self)
        let get = Self.function(
            "zmq_getsockopt",
            (@convention(c) (Pointer, Int32, UnsafeMutableRawPointer, UnsafeMutablePointer<Int>) -> Int32).self)
        var frames: [[UInt8]] = []
        var more: Int32 = 1
        while more != 0 {
            var frame = [UInt8](repeating: 0, count: 200_000)
            let count = receive(socket, &frame, frame.count, 0)
            if count < 0 { return frames }
            frames.append(Array(frame.prefix(Int(count))))
            var size = MemoryLayout<Int32>.size
            _ = get(socket, 13, &more, &size)  // RCVMORE
        }
        return frames
    }
}
#endif
