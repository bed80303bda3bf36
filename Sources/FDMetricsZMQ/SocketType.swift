// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ

/// The messaging patterns of ZeroMQ; the raw values are libzmq's.
public enum SocketType: Int32, Sendable, CaseIterable {
    /// One peer, both directions.
    case pair = 0
    /// Sends to all subscribers; drops what a slow one cannot take.
    case pub = 1
    /// Receives what it subscribed to.
    case sub = 2
    /// Sends a request, then receives its reply.
    case req = 3
    /// Receives a request, then sends its reply.
    case rep = 4
    /// Sends to its peers in turn, receives from all fairly.
    case dealer = 5
    /// Names the peer in the first frame of each message, in both directions.
    case router = 6
    /// Receives from all PUSH peers fairly.
    case pull = 7
    /// Sends to its PULL peers in turn.
    case push = 8
    /// A PUB that receives the subscriptions as messages.
    case xpub = 9
    /// A SUB that sends its subscriptions as messages.
    case xsub = 10
    /// Raw TCP, with the peer's routing id in the first frame.
    case stream = 11
}
#endif
