// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import FDMetricsZMQRecording

/// What happened to a socket's connections, as libzmq's monitor tells it.
public struct ZMQMonitorEvent: Sendable, Equatable {
    /// The kinds of events; the raw values are libzmq's.
    public enum Kind: UInt16, Sendable, CaseIterable {
        /// The transport reached the peer; the handshake follows.
        case connected = 0x0001
        /// The transport is on its way to the peer.
        case connectDelayed = 0x0002
        /// The attempt failed, and there will be another one.
        case connectRetried = 0x0004
        /// The socket was bound.
        case listening = 0x0008
        /// The socket could not be bound.
        case bindFailed = 0x0010
        /// A bound socket took a peer; the handshake follows.
        case accepted = 0x0020
        /// A bound socket could not take a peer.
        case acceptFailed = 0x0040
        /// A listener, or a connection that did not come about, was closed.
        case closed = 0x0080
        /// Closing failed.
        case closeFailed = 0x0100
        /// A connection was lost. Not told where the socket itself gave it up.
        case disconnected = 0x0200
        /// The peer went away during the handshake, or does not speak the protocol.
        case handshakeFailed = 0x0800
        /// The connection can carry messages.
        case handshakeSucceeded = 0x1000
        /// The peer broke the protocol during the handshake.
        case handshakeBroken = 0x2000
        /// The peer was not let in.
        case handshakeRefused = 0x4000
    }

    /// What happened.
    public let kind: Kind
    /// A file descriptor, an errno or milliseconds to the next attempt, by kind; see zmq_socket_monitor(3).
    public let value: UInt32
    /// The endpoint that it happened at.
    public let endpoint: String

    /// An event as libzmq has it.
    public init(kind: Kind, value: UInt32, endpoint: String) {
        self.kind = kind
        self.value = value
        self.endpoint = endpoint
    }
}

/// Makes a link's connection events of a monitor's: a connection that is counted as made is counted as ended once.
///
/// The connecting end counts a connection when its handshake is done; one that fails before that is a failed handshake and
/// nothing else. Connections are told apart by their file descriptors, which the handshake's event does not say: any one at
/// its endpoint will do, since they are only counted.
struct ConnectionLedger {
    private var live: [UInt32: String] = [:]
    // Connections whose handshake is not done, and handshakes whose connection was not heard of yet: with several I/O
    // threads the two events may come in either order.
    private var reached: [UInt32: String] = [:]
    private var early: [String: Int] = [:]
    // Where connections are accepted, whose handshakes say nothing new.
    private var accepting: Set<String> = []
    private let hasHandshakes: Bool

    /// Raw TCP has no handshakes.
    init(hasHandshakes: Bool) {
        self.hasHandshakes = hasHandshakes
    }

    /// Takes an event, and says what is to be recorded.
    mutating func take(_ event: ZMQMonitorEvent) -> [ZMQConnectionEvent] {
        switch event.kind {
        case .connected:
            reached[event.value] = nil
            if let waiting = early[event.endpoint], waiting > 0 {
                early[event.endpoint] = waiting - 1
            } else if hasHandshakes {
                reached[event.value] = event.endpoint
                return end(event.value)
            }
            return end(event.value) + begin(event, .connected)
        case .accepted:
            accepting.insert(event.endpoint)
            early[event.endpoint] = nil
            return end(event.value) + begin(event, .accepted)
        case .handshakeSucceeded:
            guard let (descriptor, endpoint) = reached.first(where: { $0.value == event.endpoint }) else {
                if !accepting.contains(event.endpoint) { early[event.endpoint, default: 0] += 1 }
                return []
            }
            reached[descriptor] = nil
            live[descriptor] = endpoint
            return [.connected]
        case .disconnected:
            reached[event.value] = nil
            return end(event.value)
        case .connectRetried: return [.connectRetried]
        case .handshakeFailed, .handshakeBroken, .handshakeRefused: return [.handshakeFailed]
        case .connectDelayed, .listening, .bindFailed, .acceptFailed, .closed, .closeFailed: return []
        }
    }

    /// Ends the connections at an endpoint that the socket gave up, of which libzmq tells nothing.
    mutating func giveUp(_ endpoint: String) -> [ZMQConnectionEvent] {
        reached = reached.filter { $0.value != endpoint }
        accepting.remove(endpoint)
        early[endpoint] = nil
        return live.filter { $0.value == endpoint }.keys.flatMap { end($0) }
    }

    /// Ends all connections: their socket is closed.
    mutating func end() -> [ZMQConnectionEvent] {
        reached = [:]
        return live.keys.flatMap { end($0) }
    }

    private mutating func begin(_ event: ZMQMonitorEvent, _ kind: ZMQConnectionEvent) -> [ZMQConnectionEvent] {
        live[event.value] = event.endpoint
        return [kind]
    }

    /// Ends a connection, if it is there. A descriptor that is in use again is that of one that ended unheard.
    private mutating func end(_ descriptor: UInt32) -> [ZMQConnectionEvent] {
        live.removeValue(forKey: descriptor) == nil ? [] : [.disconnected]
    }
}
#endif
