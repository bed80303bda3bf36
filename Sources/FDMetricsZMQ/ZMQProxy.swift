// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import Glibc

/// Moves messages between two sockets, both ways, inside libzmq: a broker of ROUTER and DEALER, XSUB and XPUB, PULL and
/// PUSH.
///
/// Messages pass as they are, trailers included. The proxy's own sockets record nothing of them: the ends of the link do.
public enum ZMQProxy {
    /// Runs a proxy on the calling thread until it is told to terminate, or the context is shut down.
    ///
    /// - Parameters:
    ///   - capture: is sent a copy of each message: a PUB, DEALER, PUSH or PAIR.
    ///   - control: receives "PAUSE", "RESUME" and "TERMINATE": a PAIR, PULL or SUB.
    /// - Throws: ETERM when the context was shut down, ENOTSOCK; EBUSY for a socket that is in the middle of a message.
    public static func run(
        _ frontend: ZMQSocket, _ backend: ZMQSocket, capture: ZMQSocket? = nil, control: ZMQSocket? = nil
    ) throws(ZMQError) {
        for socket in [frontend, backend, capture, control].compactMap({ $0 }) {
            if socket.handle == nil { throw socket.failure(ENOTSOCK, "proxy") }
            let state = socket.state.pointee
            if state.hasReadAhead || state.outgoing.frames > 0 { throw socket.failure(EBUSY, "proxy") }
        }
        let code = frontend.attempt {
            zmq_proxy_steerable(frontend.handle, backend.handle, capture?.handle, control?.handle)
        }
        guard code == 0 else { throw frontend.failure(code, "proxy") }
    }
}
#endif
