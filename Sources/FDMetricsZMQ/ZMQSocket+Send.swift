// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import FDMetricsZMQRecording
import Glibc

// Sending. Each call that throws counts one failed send, whatever the reason: EAGAIN is one of them. It gives up the frames of
// its message that were sent before; after ENOMEM they are still there, and the call may be made again.
extension ZMQSocket {
    /// Sends bytes as one frame. Errors: EAGAIN, EFSM, EHOSTUNREACH, ENOTSUP (a socket that only receives), ENOTSOCK,
    /// ETERM, ENOMEM.
    public func send(_ bytes: UnsafeRawBufferPointer, flags: SendFlags = []) throws(ZMQError) {
        try record(transmit(bytes, flags), bytes: bytes.count, flags)
    }

    /// Sends bytes as one frame, copying them. Errors: as above.
    public func send(_ bytes: [UInt8], flags: SendFlags = []) throws(ZMQError) {
        try record(bytes.withUnsafeBytes { transmit($0, flags) }, bytes: bytes.count, flags)
    }

    /// Sends the UTF-8 of a text as one frame. Errors: as above.
    public func send(_ text: String, flags: SendFlags = []) throws(ZMQError) {
        var text = text
        let (code, count) = text.withUTF8 { (transmit(UnsafeRawBufferPointer($0), flags), $0.count) }
        try record(code, bytes: count, flags)
    }

    /// Sends a message as one frame without copying its bytes; it can be used and sent again. Errors: as above.
    public func send(_ message: ZMQMessage, flags: SendFlags = []) throws(ZMQError) {
        try record(transmit(message, flags), bytes: message.count, flags)
    }

    /// Sends frames as one message: the peer gets all or none. Errors: EINVAL without any frame, and as above.
    public func sendMultipart(_ frames: [ZMQMessage], flags: SendFlags = []) throws(ZMQError) {
        guard !frames.isEmpty else { return try record(EINVAL, bytes: 0, flags) }
        for index in frames.indices {
            try send(frames[index], flags: index == frames.index(before: frames.endIndex) ? flags : flags.union(.more))
        }
    }

    /// Sends frames as one message, copying them. Errors: EINVAL without any frame, and as above.
    public func sendMultipart(_ frames: [[UInt8]], flags: SendFlags = []) throws(ZMQError) {
        guard !frames.isEmpty else { return try record(EINVAL, bytes: 0, flags) }
        for index in frames.indices {
            try send(frames[index], flags: index == frames.index(before: frames.endIndex) ? flags : flags.union(.more))
        }
    }

    /// Hands a frame to libzmq, which copies it; 0 or the errno.
    @inline(__always)
    private func transmit(_ bytes: UnsafeRawBufferPointer, _ flags: SendFlags) -> Int32 {
        state.pointee.transmit(flags, start: bytes.first) { handle, flags in
            zmq_send(handle, bytes.baseAddress, bytes.count, flags)
        }
    }

    /// Hands a frame to libzmq, which shares it; 0 or the errno.
    func transmit(_ message: ZMQMessage, _ flags: SendFlags) -> Int32 {
        state.pointee.transmit(flags, start: message.withUnsafeBytes(\.first)) { handle, flags in
            message.transfer { zmq_msg_send($0, handle, flags) }
        }
    }

    /// A message that is to be sent; without memory for it the send has failed.
    func outgoing(_ make: () throws(ZMQError) -> ZMQMessage) throws(ZMQError) -> ZMQMessage {
        do throws(ZMQError) {
            return try make()
        } catch {
            state.pointee.withLink { $0.sendFailed() }
            throw failure(error.code, "send")
        }
    }

    /// Counts what became of a frame, and throws if libzmq refused it, and with it the message.
    @inline(__always)
    func record(_ code: Int32, bytes: Int, _ flags: SendFlags) throws(ZMQError) {
        state.pointee.record(code, bytes: bytes, flags)
        wakeSatisfied()
        if code != 0 { throw failure(code, "send") }
    }
}
#endif
