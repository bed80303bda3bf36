// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ

/// An option of a socket and the type of its value, for `ZMQSocket.get` and `ZMQSocket.set`.
///
/// Which options can be read or written, and when, is libzmq's to say: a call that it does not take fails with EINVAL.
/// Times are libzmq's milliseconds; a part of one is rounded up, and nil means without limit.
public struct SocketOption<Value: Sendable>: Sendable {
    let code: Int32
    let name: String
    // The room that reading needs. CURVE keys are given as text only if it is exactly 41.
    let capacity: Int
    let decode: @Sendable (UnsafeRawBufferPointer) -> Value
    let encode: @Sendable (Value) -> [UInt8]
}

extension SocketOption where Value == Duration? {
    /// How long a closed socket goes on delivering what was sent. No limit by default.
    public static var linger: Self { .milliseconds(ZMQ_LINGER, "LINGER") }
    /// How long a send waits for room before it fails with EAGAIN. No limit by default.
    public static var sendTimeout: Self { .milliseconds(ZMQ_SNDTIMEO, "SNDTIMEO") }
    /// How long a receive waits for a message before it fails with EAGAIN. No limit by default.
    public static var receiveTimeout: Self { .milliseconds(ZMQ_RCVTIMEO, "RCVTIMEO") }
    /// The time between attempts to connect; nil: no attempts after the first.
    public static var reconnectInterval: Self { .milliseconds(ZMQ_RECONNECT_IVL, "RECONNECT_IVL") }
}

extension SocketOption where Value == Duration {
    /// The longest time between attempts to connect, doubling from `reconnectInterval`; zero: no doubling.
    public static var maxReconnectInterval: Self { .plainMilliseconds(ZMQ_RECONNECT_IVL_MAX, "RECONNECT_IVL_MAX") }
    /// How long a connection attempt may take; zero: as long as the system's own limit.
    public static var connectTimeout: Self { .plainMilliseconds(ZMQ_CONNECT_TIMEOUT, "CONNECT_TIMEOUT") }
    /// How long a handshake may take; zero: without limit.
    public static var handshakeInterval: Self { .plainMilliseconds(ZMQ_HANDSHAKE_IVL, "HANDSHAKE_IVL") }
    /// The time between heartbeats; zero: none.
    public static var heartbeatInterval: Self { .plainMilliseconds(ZMQ_HEARTBEAT_IVL, "HEARTBEAT_IVL") }
    /// How long the peer may take to answer a heartbeat; zero: without limit.
    public static var heartbeatTimeout: Self { .plainMilliseconds(ZMQ_HEARTBEAT_TIMEOUT, "HEARTBEAT_TIMEOUT") }
}

extension SocketOption where Value == Int {
    /// The most messages queued for sending to one peer; 0: no limit. 1000 by default. Set it before bind or connect.
    public static var sendHighWaterMark: Self { .int32(ZMQ_SNDHWM, "SNDHWM") }
    /// The most messages queued from one peer; 0: no limit. 1000 by default. Set it before bind or connect.
    public static var receiveHighWaterMark: Self { .int32(ZMQ_RCVHWM, "RCVHWM") }
    /// The kernel's send buffer in bytes; -1: the system's default.
    public static var sendBuffer: Self { .int32(ZMQ_SNDBUF, "SNDBUF") }
    /// The kernel's receive buffer in bytes; -1: the system's default.
    public static var receiveBuffer: Self { .int32(ZMQ_RCVBUF, "RCVBUF") }
    /// The most connections that wait to be accepted.
    public static var backlog: Self { .int32(ZMQ_BACKLOG, "BACKLOG") }
    /// The largest message in bytes; the connection of a peer that sends a larger one is closed. -1: no limit.
    public static var maxMessageSize: Self { .integer(ZMQ_MAXMSGSIZE, "MAXMSGSIZE", as: Int64.self) }
    /// TCP keep-alive: 1 on, 0 off, -1 as the system does.
    public static var tcpKeepAlive: Self { .int32(ZMQ_TCP_KEEPALIVE, "TCP_KEEPALIVE") }
    /// The I/O threads that serve this socket, as a bit mask; 0: all.
    public static var affinity: Self { .integer(ZMQ_AFFINITY, "AFFINITY", as: UInt64.self) }
    /// The file descriptor that becomes readable when `events` may have changed. Read only; see zmq_getsockopt(3) on
    /// why `events` must be read again after every send and receive.
    public static var fileDescriptor: Self { .int32(ZMQ_FD, "FD") }
}

extension SocketOption where Value == Bool {
    /// Messages are queued only for connections that are complete. Off by default.
    public static var immediate: Self { .flag(ZMQ_IMMEDIATE, "IMMEDIATE") }
    /// Only the newest message is kept. Off by default; not for multipart messages.
    public static var conflate: Self { .flag(ZMQ_CONFLATE, "CONFLATE") }
    /// IPv6 is used. Off by default.
    public static var ipv6: Self { .flag(ZMQ_IPV6, "IPV6") }
    /// A ROUTER fails with EHOSTUNREACH for an unknown peer instead of dropping the message. Write only.
    public static var routerMandatory: Self { .flag(ZMQ_ROUTER_MANDATORY, "ROUTER_MANDATORY") }
    /// A ROUTER gives a routing id to the newest connection that claims it. Write only.
    public static var routerHandover: Self { .flag(ZMQ_ROUTER_HANDOVER, "ROUTER_HANDOVER") }
    /// The socket sends an empty message to each new ROUTER peer. Write only.
    public static var probeRouter: Self { .flag(ZMQ_PROBE_ROUTER, "PROBE_ROUTER") }
    /// A REQ takes replies to its newest request only. Write only.
    public static var requestCorrelate: Self { .flag(ZMQ_REQ_CORRELATE, "REQ_CORRELATE") }
    /// A REQ may send again before it received. Write only.
    public static var requestRelaxed: Self { .flag(ZMQ_REQ_RELAXED, "REQ_RELAXED") }
    /// An XPUB hands over repeated subscriptions too. Write only.
    public static var xpubVerbose: Self { .flag(ZMQ_XPUB_VERBOSE, "XPUB_VERBOSE") }
    /// A PUB or XPUB fails with EAGAIN at the high-water mark instead of dropping the message. Write only.
    public static var xpubNoDrop: Self { .flag(ZMQ_XPUB_NODROP, "XPUB_NODROP") }
    /// This end is the server of CURVE security.
    public static var curveServer: Self { .flag(ZMQ_CURVE_SERVER, "CURVE_SERVER") }
    /// This end is the server of PLAIN security.
    public static var plainServer: Self { .flag(ZMQ_PLAIN_SERVER, "PLAIN_SERVER") }
    /// Another frame of the message that is being received follows. Read only.
    public static var receiveMore: Self { .flag(ZMQ_RCVMORE, "RCVMORE") }
}

extension SocketOption where Value == PollEvents {
    /// What can be done on the socket without waiting. Read only.
    public static var events: Self {
        Self(
            code: ZMQ_EVENTS, name: "EVENTS", capacity: MemoryLayout<Int32>.size,
            decode: { PollEvents(rawValue: Int16(truncatingIfNeeded: $0.loadUnaligned(as: Int32.self))) },
            encode: { wireBytes(of: Int32($0.rawValue)) })
    }
}

extension SocketOption where Value == [UInt8] {
    /// The name under which a ROUTER peer knows this socket, 1 to 255 bytes. Set it before connect.
    public static var routingID: Self { .bytes(ZMQ_ROUTING_ID, "ROUTING_ID") }
    /// The name that the next connection's peer gets on this ROUTER. Write only.
    public static var connectRoutingID: Self { .bytes(ZMQ_CONNECT_ROUTING_ID, "CONNECT_ROUTING_ID") }
    /// A prefix of the messages that a SUB takes; empty: all. Write only.
    public static var subscribe: Self { .bytes(ZMQ_SUBSCRIBE, "SUBSCRIBE") }
    /// Takes one `subscribe` back. Write only.
    public static var unsubscribe: Self { .bytes(ZMQ_UNSUBSCRIBE, "UNSUBSCRIBE") }
}

extension SocketOption where Value == String {
    /// The endpoint of the last bind or connect, wildcards resolved; "" before the first. Read only.
    public static var lastEndpoint: Self { .text(ZMQ_LAST_ENDPOINT, "LAST_ENDPOINT") }
    /// The domain that the handler at inproc://zeromq.zap.01 is asked with, of a server; not empty: the handler is asked
    /// without any security mechanism, too.
    public static var authenticationDomain: Self { .text(ZMQ_ZAP_DOMAIN, "ZAP_DOMAIN") }
    /// The user name of a PLAIN client.
    public static var plainUsername: Self { .text(ZMQ_PLAIN_USERNAME, "PLAIN_USERNAME") }
    /// The password of a PLAIN client.
    public static var plainPassword: Self { .text(ZMQ_PLAIN_PASSWORD, "PLAIN_PASSWORD") }
    /// The public key of this end of CURVE security, as 40 characters of Z85.
    public static var curvePublicKey: Self { .text(ZMQ_CURVE_PUBLICKEY, "CURVE_PUBLICKEY", capacity: 41) }
    /// The secret key of this end of CURVE security, as 40 characters of Z85.
    public static var curveSecretKey: Self { .text(ZMQ_CURVE_SECRETKEY, "CURVE_SECRETKEY", capacity: 41) }
    /// The public key of the CURVE server, as 40 characters of Z85; for clients.
    public static var curveServerKey: Self { .text(ZMQ_CURVE_SERVERKEY, "CURVE_SERVERKEY", capacity: 41) }
    /// The network interface or VRF that TCP connections are made from and accepted on.
    public static var bindToDevice: Self { .text(ZMQ_BINDTODEVICE, "BINDTODEVICE") }
}
#endif
