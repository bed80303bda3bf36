// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ

/// How to send.
public struct SendFlags: OptionSet, Sendable {
    /// The flags as libzmq has them.
    public let rawValue: Int32

    /// Flags as libzmq has them.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Fails with EAGAIN instead of waiting for room.
    public static let dontWait = SendFlags(rawValue: ZMQ_DONTWAIT)
    /// Another frame of the same message follows; the peer gets all of them or none.
    public static let more = SendFlags(rawValue: ZMQ_SNDMORE)
}

/// How to receive.
public struct ReceiveFlags: OptionSet, Sendable {
    /// The flags as libzmq has them.
    public let rawValue: Int32

    /// Flags as libzmq has them.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Fails with EAGAIN instead of waiting for a message.
    public static let dontWait = ReceiveFlags(rawValue: ZMQ_DONTWAIT)
}

/// What to wait for, and what there is.
public struct PollEvents: OptionSet, Sendable {
    /// The flags as libzmq has them.
    public let rawValue: Int16

    /// Flags as libzmq has them.
    public init(rawValue: Int16) { self.rawValue = rawValue }

    /// A message can be received without waiting.
    public static let readable = PollEvents(rawValue: Int16(ZMQ_POLLIN))
    /// A message can be sent without waiting.
    public static let writable = PollEvents(rawValue: Int16(ZMQ_POLLOUT))
    /// A file descriptor is in an error state; sockets never are.
    public static let failed = PollEvents(rawValue: Int16(ZMQ_POLLERR))
    /// A file descriptor has urgent data; sockets never have.
    public static let priority = PollEvents(rawValue: Int16(ZMQ_POLLPRI))
}
#endif
