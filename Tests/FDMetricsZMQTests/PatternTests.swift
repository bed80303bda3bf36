// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsZMQ
import Glibc
import Testing

/// What carries the messages.
enum Transport: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case inproc, ipc, tcp

    var testDescription: String { rawValue }

    /// An endpoint to bind to, with wildcards where the transport has them.
    func endpoint(in directory: String) -> String {
        switch self {
        case .inproc: "inproc://link"
        case .ipc: "ipc://\(directory)/link.ipc"
        case .tcp: "tcp://127.0.0.1:*"
        }
    }
}

@Suite struct PatternTests {
    /// Around libzmq's inline size, empty, and large enough for more than one write.
    static let payloads: [[UInt8]] = [0, 1, 33, 34, 256, 100_000].map { size in
        (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    }

    /// Single frames of every size, and all of them as one message.
    /// Not the empty one first: a ROUTER would take that for the peer's probe.
    static let messages: [[[UInt8]]] = payloads.reversed().map { [$0] } + [payloads]

    func connected(
        _ recorded: RecordedContext, _ binding: SocketType, _ connecting: SocketType, _ transport: Transport
    ) throws -> (bound: ZMQSocket, connected: ZMQSocket, address: String) {
        let bound = try recorded.socket(binding)
        let connected = try recorded.socket(connecting)
        try bound.bind(transport.endpoint(in: recorded.directory))
        let address = try bound.lastEndpoint()
        try connected.connect(address)
        #expect(bound.recordingFailure == nil && connected.recordingFailure == nil)
        #expect(bound.endpoint == address && connected.endpoint == address)
        return (bound, connected, address)
    }

    func carry(
        _ frames: [[UInt8]], from sender: ZMQSocket, to receiver: ZMQSocket, _ totals: inout LinkTotals
    ) throws {
        try sender.sendMultipart(frames)
        #expect(try receiver.receiveMultipart().map(\.bytes) == frames)
        totals.carried(frames)
    }

    @Test(arguments: Transport.allCases)
    func pushPull(_ transport: Transport) throws {
        let recorded = try RecordedContext()
        let (pull, push, address) = try connected(recorded, .pull, .push, transport)
        var totals = LinkTotals()
        for message in Self.messages { try carry(message, from: push, to: pull, &totals) }
        #expect(try recorded.totals(address) == totals)
    }

    @Test(arguments: Transport.allCases, [SocketType.pair, .dealer])
    func bothWays(_ transport: Transport, _ type: SocketType) throws {
        let recorded = try RecordedContext()
        let (left, right, address) = try connected(recorded, type, type, transport)
        var totals = LinkTotals()
        for message in Self.messages {
            try carry(message, from: left, to: right, &totals)
            try carry(message, from: right, to: left, &totals)
        }
        #expect(try recorded.totals(address) == totals)
    }

    @Test(arguments: Transport.allCases)
    func requestReply(_ transport: Transport) throws {
        let recorded = try RecordedContext()
        let (rep, req, address) = try connected(recorded, .rep, .req, transport)
        var totals = LinkTotals()
        for message in Self.messages {
            try carry(message, from: req, to: rep, &totals)
            try carry(message.reversed(), from: rep, to: req, &totals)
        }
        #expect(try recorded.totals(address) == totals)
    }

    /// The ROUTER's frames have the peer's routing id before the content, and with a REQ peer an empty delimiter: the bytes
    /// of the two ends differ by it, as their frames do.
    @Test(arguments: Transport.allCases, [SocketType.dealer, .req])
    func router(_ transport: Transport, _ peer: SocketType) throws {
        let recorded = try RecordedContext()
        let router = try recorded.socket(.router)
        try router.set(.routerMandatory, to: true)
        let client = try recorded.socket(peer)
        let name: [UInt8] = Array("worker-7".utf8)
        try client.set(.routingID, to: name)
        try router.bind(transport.endpoint(in: recorded.directory))
        let address = try router.lastEndpoint()
        try client.connect(address)
        let head = peer == .req ? [name, []] : [name]
        var totals = LinkTotals()
        for message in Self.messages {
            try client.sendMultipart(message)
            #expect(try router.receiveMultipart().map(\.bytes) == head + message)
            totals.carried(message, received: head + message)
            try router.sendMultipart(head + message)
            #expect(try client.receiveMultipart().map(\.bytes) == message)
            totals.carried(head + message, received: message)
        }
        #expect(try recorded.totals(address) == totals)
    }

    /// A PUB drops what nobody has subscribed to yet, so it says hello until it is heard. What was sent before that still
    /// counts as sent: libzmq took it.
    @Test(arguments: Transport.allCases)
    func publishSubscribe(_ transport: Transport) throws {
        let recorded = try RecordedContext()
        let (pub, sub, address) = try connected(recorded, .pub, .sub, transport)
        try sub.subscribe("topic ")
        let hello = [Array("topic hello".utf8)]
        var totals = LinkTotals()
        repeat {
            try pub.sendMultipart(hello)
            totals.sent += 1
            totals.sentBytes += Double(hello[0].count)
        } while try sub.poll(timeout: .milliseconds(10)).isEmpty
        try pub.send("other: nobody takes this")
        totals.sent += 1
        totals.sentBytes += 24
        for message in Self.messages {
            let frames = [Array("topic ".utf8)] + message
            try pub.sendMultipart(frames)
            totals.sent += 1
            totals.sentBytes += Double(frames.joined().count)
            var received: [[UInt8]]
            repeat {
                received = try sub.receiveMultipart().map(\.bytes)
                totals.received += 1
                totals.receivedBytes += Double(received.joined().count)
            } while received == hello
            #expect(received == frames)
        }
        #expect(try recorded.totals(address) == totals)
    }

    @Test(arguments: Transport.allCases)
    func extendedPublishSubscribe(_ transport: Transport) throws {
        let recorded = try RecordedContext()
        let (xpub, xsub, address) = try connected(recorded, .xpub, .xsub, transport)
        var totals = LinkTotals()
        // A subscription is no message.
        var subscription = LinkTotals()
        try carry([[1] + Array("topic ".utf8)], from: xsub, to: xpub, &subscription)
        for message in Self.messages {
            try carry([Array("topic ".utf8)] + message, from: xpub, to: xsub, &totals)
        }
        #expect(try recorded.totals(address) == totals)
    }

    /// Raw TCP: each message is the peer's routing id and then bytes; no bytes, and no message, when a connection comes or
    /// goes, or is to go.
    @Test func stream() throws {
        let recorded = try RecordedContext()
        let server = try recorded.socket(.stream)
        try server.bind("tcp://127.0.0.1:*")
        let address = try server.lastEndpoint()
        let client = try recorded.socket(.stream)
        try client.connect(address)
        let clientHello = try client.receiveMultipart()
        let serverHello = try server.receiveMultipart()
        #expect(clientHello.count == 2 && clientHello[1].isEmpty && serverHello.count == 2 && serverHello[1].isEmpty)
        try client.sendMultipart([clientHello[0], ZMQMessage("GET")])
        let request = try server.receiveMultipart()
        #expect(request[0] == serverHello[0] && request[1].text == "GET")
        try client.sendMultipart([clientHello[0], ZMQMessage("")])
        client.close()
        let end = try server.receiveMultipart()
        #expect(end.count == 2 && end[1].isEmpty)
        let bytes = Double(clientHello[0].count + 3)
        #expect(
            try recorded.totals(address) == LinkTotals(sent: 1, sentBytes: bytes, received: 1, receivedBytes: bytes))
    }

    /// The socket belongs to the thread that it was handed to, which blocks in it.
    @Test func blockingServerOnAThreadOfItsOwn() throws {
        let recorded = try RecordedContext()
        let rep = try recorded.socket(.rep)
        try rep.bind("inproc://service")
        let server = TestThread {
            (0..<100).compactMap { _ in
                error { try rep.send(try rep.receive()) }
            }
        }
        let req = try recorded.socket(.req)
        try req.connect("inproc://service")
        for number in 0..<100 {
            try req.send("request \(number)")
            #expect(try req.receive().text == "request \(number)")
        }
        #expect(server.join() == [])
        #expect(try recorded.totals("inproc://service").received == 200)
        #expect(try recorded.totals("inproc://service").sent == 200)
    }
}
#endif
