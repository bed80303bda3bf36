// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import Glibc

/// What a call into libzmq had to say when it failed.
///
/// Making one costs no allocation, so that a loop over non-blocking calls may throw and catch freely; the texts are put
/// together when they are asked for.
public struct ZMQError: Error, Sendable, Equatable {
    /// The value of errno: one of the system's, or one of ZeroMQ's own.
    public let code: Int32
    /// What was tried: "bind", "send", "set LINGER", ...
    public let operation: String
    /// The endpoint that the call was about, or that the socket has; nil for a socket without one, and for contexts.
    public let endpoint: String?

    /// An error of an operation, with the errno that it left.
    public init(code: Int32, operation: String, endpoint: String? = nil) {
        self.code = code
        self.operation = operation
        self.endpoint = endpoint
    }

    /// libzmq's text for the code (`zmq_strerror`).
    public var reason: String { String(cString: zmq_strerror(code)) }

    /// EAGAIN: nothing could be sent or received without waiting, or not within the socket's time limit.
    public var isAgain: Bool { code == EAGAIN }

    /// ETERM: the context was shut down or terminated; all that is left to do with the socket is to close it.
    public var isTerminated: Bool { code == CZeroMQ.ETERM }

    /// EFSM: the socket is not in a state for this call, such as a REQ socket that sends twice.
    public var isWrongState: Bool { code == CZeroMQ.EFSM }
}

extension ZMQError: CustomStringConvertible {
    /// The operation, the endpoint, libzmq's reason with the errno, and what to do where that is known.
    public var description: String {
        let place = endpoint.map { " on \($0)" } ?? ""
        let advice = advice.map { "; \($0)" } ?? ""
        return "ZeroMQ \(operation)\(place) failed: \(reason) (errno \(code))\(advice)"
    }

    private var advice: String? {
        switch code {
        case EAGAIN: "wait with poll, or call without .dontWait and with a longer time limit"
        case EADDRINUSE: "bind to another endpoint, or end the program that is bound to this one"
        case EHOSTUNREACH: "no peer with that routing id is connected to this ROUTER socket"
        case ENOTSOCK: "the socket is closed: make a new one"
        case CZeroMQ.EFSM: "a REQ socket sends, then receives; a REP socket receives, then sends"
        case CZeroMQ.ETERM: "the context was terminated: close the socket"
        default: nil
        }
    }
}
#endif
