// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import CZeroMQ
import FDMetricsZMQRecording
import Glibc

/// The part of a socket that every message goes through.
///
/// It is in memory of its own, which `ZMQSocket` reaches by a constant pointer, and the link never changes: so a message
/// costs no reference count and no check of exclusive access, which together cost as much as libzmq itself.
struct SocketState {
    /// libzmq's socket; nil once it is closed. libzmq answers calls with nil by ENOTSOCK.
    var handle: UnsafeMutableRawPointer?
    let type: SocketType
    /// Whether some of what is sent or received is no message of a program, so that it has to be looked at.
    private let isSpecial: Bool
    /// Whether the socket is at an endpoint of libzmq's own: then nothing is recorded, added or taken off.
    var isInternal = false
    /// Of a ROUTER: the peers that it has heard of.
    private var peers = KnownPeers()
    /// Where messages are recorded; nil: nowhere. The socket's recorder keeps it.
    var link: Unmanaged<RecordedLink>?
    /// Whether messages get a trailer.
    var isStamping = false
    /// Whether tasks wait for the socket, which have to be looked after when it is used.
    var isAwaited = false
    var outgoing = OutgoingMessage()
    var incoming = IncomingMessage()
    // The frame that was read ahead to see whether it is a trailer: it is handed out by the next receive if it is none.
    var hasReadAhead = false
    private var readAhead = zmq_msg_t()

    init(_ handle: UnsafeMutableRawPointer, _ type: SocketType) {
        self.handle = handle
        self.type = type
        isSpecial = [.router, .stream, .xpub, .xsub].contains(type)
        _ = zmq_msg_init(&readAhead)
    }

    /// Lets go of the frame that was read ahead.
    mutating func clear() {
        hasReadAhead = false
        _ = zmq_msg_close(&readAhead)
        _ = zmq_msg_init(&readAhead)
    }

    /// Runs a call with the link, if there is one.
    @inline(__always)
    func withLink(_ body: (ZMQLink) -> Void) {
        link?._withUnsafeGuaranteedRef { body($0.link) }
    }

    /// Runs a call of libzmq until no signal interrupts it; 0 or the errno. Only the first frame of a message ever waits,
    /// so that a message is never torn by this.
    @inline(__always)
    static func attempt(_ body: () -> Int32) -> Int32 {
        while body() < 0 {
            let code = zmq_errno()
            if code != EINTR { return code }
        }
        return 0
    }
}

// Sending.
extension SocketState {
    /// Hands a frame to libzmq, and the trailer after the one that ends a message; 0 or the errno. `frame` is the call, with
    /// the flags that it is given; `start` the frame's first byte, if it has one.
    @inline(__always)
    mutating func transmit(
        _ flags: SendFlags, start: @autoclosure () -> UInt8?, _ frame: (UnsafeMutableRawPointer?, Int32) -> Int32
    ) -> Int32 {
        let isFirst = outgoing.frames == 0
        if isFirst {
            // libzmq has no more frames to hand out, but the caller has not received all of the message.
            if hasReadAhead && (type == .req || type == .rep) { return CZeroMQ.EFSM }
            if isStamping && !outgoing.isStamped && (type != .xsub || start() ?? 2 > 1) { outgoing.stamp() }
        }
        if isSpecial { outgoing.isCommand = !flags.contains(.more) && isCommand(isFirst, start()) }
        let endsStamped = outgoing.isStamped && !flags.contains(.more) && !(isFirst && type == .router)
        let frameFlags = endsStamped ? flags.union(.more) : flags
        // Later frames have their room. They are refused when the peer is gone, which ends the message: trying again would
        // make a message of the rest.
        let waits = isFirst && !flags.contains(.dontWait)
        let first = waits ? frameFlags.rawValue | ZMQ_DONTWAIT : frameFlags.rawValue
        let handle = handle
        var code: Int32
        repeat {
            code = Self.attempt { frame(handle, first) }
            if code == EAGAIN && waits { code = transmitBlocking(frameFlags, frame) }
            if code != 0 || !endsStamped { return code }
            // Should the peer go away between the two, libzmq has dropped the frame with it. Waiting for another peer would
            // send that one the trailer alone; who waits for room waits for it with the whole message. A REQ's question
            // has begun all the same, and libzmq drops what is left of it.
            code = transmitTrailer(type == .req ? flags : flags.union(.dontWait))
        } while code == EAGAIN && waits && type != .req
        return code
    }

    /// Whether a frame that ends a message is for libzmq or the kernel, and no peer receives it as a message: an XSUB's
    /// subscription or the end of one, which begin with 1 and 0; a ROUTER's routing id alone, which libzmq drops; a STREAM's
    /// empty frame, which closes the connection.
    private func isCommand(_ isFirst: Bool, _ start: UInt8?) -> Bool {
        switch type {
        case .xsub: isFirst && start ?? 2 <= 1
        case .router: isFirst
        case .stream: isFirst || start == nil
        default: false
        }
    }

    /// Counts what became of a frame: 0, or the errno by which libzmq refused it, and with it the message.
    @inline(__always)
    mutating func record(_ code: Int32, bytes: Int, _ flags: SendFlags) {
        guard code == 0 else {
            // Without memory for a later frame nothing happened to the message: the call may be made again.
            if code != ENOMEM || outgoing.frames == 0 { outgoing = OutgoingMessage() }
            withLink { $0.sendFailed() }
            return
        }
        outgoing.add(bytes: bytes)
        if flags.contains(.more) { return }
        let bytes = outgoing.bytes
        if !outgoing.isCommand { withLink { $0.sent(bytes: bytes) } }
        outgoing = OutgoingMessage()
    }

    /// Waits for room. Apart, so that no clock is read while there is some.
    @inline(never)
    private mutating func transmitBlocking(
        _ flags: SendFlags, _ frame: (UnsafeMutableRawPointer?, Int32) -> Int32
    ) -> Int32 {
        let start = ZMQLink.now()
        let handle = handle
        let code = Self.attempt { frame(handle, flags.rawValue) }
        withLink { $0.sendBlocked(seconds: ZMQLink.now() - start) }
        return code
    }

    private mutating func transmitTrailer(_ flags: SendFlags) -> Int32 {
        // libzmq keeps a message of this size inside zmq_msg_t: nothing is allocated.
        Self.attempt { zmq_send(handle, &outgoing.trailer, ZMQTrailer.size, flags.rawValue) }
    }
}

// Receiving.
extension SocketState {
    /// Receives one frame into a message and notes in `incoming` how it goes on; 0 or the errno. Counts nothing yet.
    mutating func take(into message: UnsafeMutablePointer<zmq_msg_t>, _ flags: ReceiveFlags) -> Int32 {
        if hasReadAhead {
            hasReadAhead = false
            _ = zmq_msg_move(message, &readAhead)
        } else {
            let code = Self.attempt { zmq_msg_recv(message, handle, flags.rawValue) }
            if code != 0 { return code }
        }
        incoming.add(bytes: zmq_msg_size(message))
        let hasMore = zmq_msg_more(message) != 0
        if isSpecial { note(message, hasMore) }
        // No trailer follows a ROUTER's routing id, so nothing is read ahead there.
        if !hasMore {
            incoming.continuation = .end
        } else if isInternal || type == .stream || (type == .router && incoming.frames == 1) {
            incoming.continuation = .more
        } else {
            incoming.continuation = lookAhead()
        }
        return 0
    }

    /// Counts the message, if the frame that was received last ended it.
    @inline(__always)
    mutating func recordReceived() {
        let bytes = incoming.bytes
        switch incoming.continuation {
        case .more: break
        case .end: if !incoming.isMade { withLink { $0.received(bytes: bytes) } }
        case .trailer:
            let trailer = readAheadBytes
            withLink { $0.received(bytes: bytes, trailer: trailer) }
        }
    }

    /// Notes whether a message was made by libzmq, and by no peer's program: a STREAM receives an empty one when a
    /// connection is made, and when it ends; an XPUB what a SUB subscribes to, which begins with 1 or 0. A ROUTER's peer
    /// with the option ZMQ_PROBE_ROUTER begins with an empty one.
    private mutating func note(_ message: UnsafeMutablePointer<zmq_msg_t>, _ hasMore: Bool) {
        let frame = UnsafeRawBufferPointer(start: zmq_msg_data(message), count: zmq_msg_size(message))
        switch (type, incoming.frames) {
        case (.router, 1): incoming.isOfNewPeer = peers.meet(frame)
        case (.router, 2): incoming.isMade = !hasMore && frame.isEmpty && incoming.isOfNewPeer
        case (.stream, 2): incoming.isMade = !hasMore && frame.isEmpty
        case (.xpub, 1): incoming.isMade = !hasMore && frame.first ?? 2 <= 1
        default: incoming.isMade = false
        }
    }

    /// Reads the next frame of a message that has one. A trailer comes last, and after something: a message that is
    /// nothing else, or nothing else after the routing id that a ROUTER puts in front, is payload.
    private mutating func lookAhead() -> IncomingMessage.Continuation {
        // libzmq has all frames of a message when it hands out the first: only a terminated context refuses, and says so
        // to the next call, too.
        guard Self.attempt({ zmq_msg_recv(&readAhead, handle, ZMQ_DONTWAIT) }) == 0 else { return .more }
        if zmq_msg_more(&readAhead) == 0, ZMQTrailer.isTrailer(readAheadBytes) { return .trailer }
        hasReadAhead = true
        return .more
    }

    /// The frame that was read ahead, which is still in its place if it was a trailer.
    private var readAheadBytes: UnsafeRawBufferPointer {
        mutating get { UnsafeRawBufferPointer(start: zmq_msg_data(&readAhead), count: zmq_msg_size(&readAhead)) }
    }
}

/// A message on its way out: what is known of it between its frames.
struct OutgoingMessage {
    /// Frames and bytes that libzmq took.
    private(set) var frames = 0
    private(set) var bytes = 0
    /// Whether the message is for libzmq itself, and no message of a link.
    var isCommand = false
    /// Whether `trailer` says when the message's first frame was sent.
    private(set) var isStamped = false
    var trailer: (UInt64, UInt64, UInt64) = (0, 0, 0)

    mutating func stamp() {
        withUnsafeMutableBytes(of: &trailer) { ZMQTrailer.write(to: $0) }
        isStamped = true
    }

    mutating func add(bytes count: Int) {
        frames += 1
        bytes += count
    }
}

/// A message on its way in: what is known of it between its frames.
struct IncomingMessage {
    /// What comes after the frame that was received last.
    enum Continuation {
        /// Another frame.
        case more
        /// The next message.
        case end
        /// The next message; the trailer of this one was taken off.
        case trailer
    }

    private(set) var frames = 0
    private(set) var bytes = 0
    var continuation = Continuation.end
    /// Of a ROUTER: whether nothing came from this peer before.
    var isOfNewPeer = false
    /// Whether the message was made by libzmq.
    var isMade = false

    /// Counts a frame, a new message's first one where the one before has ended.
    mutating func add(bytes count: Int) {
        if continuation != .more {
            frames = 0
            bytes = 0
            isMade = false
        }
        frames += 1
        bytes += count
    }
}
#endif
