// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsZMQ
import FDMetricsZMQRecording
import Testing

/// Two socket types that talk, and the frames that the patterns put in front of the content.
enum Pattern: CaseIterable, Sendable {
    case pushPull, pair, requestReply, dealerRouter, requestRouter, dealerReply, publishSubscribe
    case extendedPublishSubscribe

    var bound: SocketType {
        switch self {
        case .pushPull: .pull
        case .pair: .pair
        case .requestReply, .dealerReply: .rep
        case .dealerRouter, .requestRouter: .router
        case .publishSubscribe: .pub
        case .extendedPublishSubscribe: .xpub
        }
    }

    var connected: SocketType {
        switch self {
        case .pushPull: .push
        case .pair: .pair
        case .requestReply, .requestRouter: .req
        case .dealerRouter, .dealerReply: .dealer
        case .publishSubscribe: .sub
        case .extendedPublishSubscribe: .xsub
        }
    }

    /// What is in front of the content as the bound end sees it, and as the connected end does.
    var boundHead: [[UInt8]] {
        switch self {
        case .dealerRouter: [Array("client".utf8)]
        case .requestRouter: [Array("client".utf8), []]
        case .publishSubscribe, .extendedPublishSubscribe: [Array("topic".utf8)]
        default: []
        }
    }

    var connectedHead: [[UInt8]] {
        switch self {
        case .dealerReply: [[]]
        case .publishSubscribe, .extendedPublishSubscribe: boundHead
        default: []
        }
    }

    var isUpward: Bool { self != .publishSubscribe && self != .extendedPublishSubscribe }
    var isDownward: Bool { self != .pushPull }
}

/// How the calls are made.
enum Interface: CaseIterable, Sendable {
    case blocking, asynchronous

    func send(_ frames: [[UInt8]], on socket: ZMQSocket) async throws {
        switch self {
        case .blocking: try socket.sendMultipart(frames)
        case .asynchronous: try await socket.sendMultipart(frames.map { try ZMQMessage($0) })
        }
    }

    func receive(on socket: ZMQSocket) async throws -> [[UInt8]] {
        switch self {
        case .blocking: try socket.receiveMultipart(flags: []).map(\.bytes)
        case .asynchronous: try await socket.receiveMultipart().map(\.bytes)
        }
    }
}

/// A frame that looks like a trailer: of now and this clock unless told otherwise.
func trailer(_ change: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: ZMQTrailer.size)
    bytes.withUnsafeMutableBytes { ZMQTrailer.write(to: $0) }
    change(&bytes)
    return bytes
}

@Suite struct CarrierTests {
    /// Empty, around libzmq's inline size, large, of several frames, and with a frame in the middle that is no trailer
    /// because it is not the last one.
    static let contents: [[[UInt8]]] =
        PatternTests.messages + [[trailer(), [1, 2, 3]], [[], [], []], [trailer { $0[0] = 0 }]]

    @Test(arguments: Pattern.allCases, Interface.allCases)
    func everyPatternWithEveryCarrier(_ pattern: Pattern, _ interface: Interface) async throws {
        for carrier in Carrier.allCases {
            for transport in [Transport.inproc, .ipc] {
                try await exchange(pattern, carrier, interface, transport)
            }
        }
    }

    func exchange(
        _ pattern: Pattern, _ carrier: Carrier, _ interface: Interface, _ transport: Transport
    ) async throws {
        let recorded = try RecordedContext(carrier: carrier)
        let bound = try recorded.socket(pattern.bound)
        let connected = try recorded.socket(pattern.connected)
        if pattern.bound == .router { try connected.set(.routingID, to: Array("client".utf8)) }
        let start = ZMQLink.now()
        try bound.bind(transport.endpoint(in: recorded.directory))
        let address = try bound.lastEndpoint()
        try connected.connect(address)
        var totals = LinkTotals()
        var stamped = 0.0
        func carry(_ sent: [[UInt8]], _ sender: ZMQSocket, _ received: [[UInt8]], _ receiver: ZMQSocket) async throws {
            try await interface.send(sent, on: sender)
            #expect(try await interface.receive(on: receiver) == received)
            totals.carried(sent, received: received)
            stamped += 1
        }
        switch pattern {
        case .publishSubscribe:
            try connected.subscribe("topic")
            // Once the subscription has arrived, something is received; see PatternTests.publishSubscribe.
            repeat {
                try bound.send("topic hello", flags: [])
                totals.sent += 1
                totals.sentBytes += 11
            } while try connected.poll(timeout: .milliseconds(10)).isEmpty
            while try !connected.poll(timeout: .milliseconds(50)).isEmpty {
                #expect(try connected.receive(flags: []).text == "topic hello")
                totals.received += 1
                totals.receivedBytes += 11
                stamped += 1
            }
        case .extendedPublishSubscribe:
            // A subscription is no message, and has no trailer.
            try await interface.send([[1] + Array("topic".utf8)], on: connected)
            #expect(try await interface.receive(on: bound) == [[1] + Array("topic".utf8)])
            // Anything else that an XSUB sends is a message.
            try await carry([[2, 3], [4]], connected, [[2, 3], [4]], bound)
        default: break
        }
        for content in Self.contents {
            let (above, below) = (pattern.boundHead + content, pattern.connectedHead + content)
            if pattern.isUpward { try await carry(below, connected, above, bound) }
            if pattern.isDownward { try await carry(above, bound, below, connected) }
        }
        totals.latencies = carrier == .trailer ? stamped : 0
        #expect(try recorded.totals(address) == totals, "\(pattern) \(carrier) \(interface) \(transport)")
        let values = try recorded.values(address)
        #expect(values["latency_skipped_total"] == 0 && values["in_flight"] == totals.sent - totals.received)
        let milliseconds = try #require(values["latency_sum"])
        #expect(milliseconds >= 0 && milliseconds <= (ZMQLink.now() - start) * 1000 * max(1, stamped))
    }

    /// Whatever the carriers of the two ends are, JSON arrives as it was sent; a latency is measured where it is stamped.
    @Test(arguments: Carrier.allCases, Carrier.allCases)
    func jsonBetweenAllCarriers(_ sending: Carrier, _ receiving: Carrier) async throws {
        let recorded = try RecordedContext()
        let sender = try recorded.socket(.pair, carrier: sending)
        let receiver = try recorded.socket(.pair, carrier: receiving)
        try sender.bind("inproc://pair")
        try receiver.connect("inproc://pair")
        for payload in EnvelopeTests.payloads.map({ Array($0.utf8) }) {
            try sender.sendJSON(payload, after: [ZMQMessage("id")], flags: [])
            let first = try receiver.receiveJSON(flags: [])
            try payload.withUnsafeBytes { try sender.sendJSON($0) }
            let second = try receiver.receiveJSON(flags: [])
            try await sender.sendJSON(payload)
            let third = try await receiver.receiveJSON()
            #expect(first.leading.map(\.text) == ["id"] && second.leading.isEmpty)
            #expect([first, second, third].allSatisfy { $0.payload == payload && $0.isJSON })
            #expect((first.envelope != nil) == (sending == .envelope))
        }
        let totals = try recorded.totals("inproc://pair")
        #expect(totals.sentBytes == totals.receivedBytes)
        #expect(totals.received == Double(3 * EnvelopeTests.payloads.count))
        #expect(totals.latencies == (sending == .none ? 0 : totals.received))
        let values = try recorded.values("inproc://pair")
        #expect(values["msg_recv_failed_total"] == 0 && values["latency_skipped_total"] == 0)
    }

    @Test func theCarrierIsTheContextsUnlessGivenAndCanBeChanged() throws {
        let recorded = try RecordedContext(carrier: .trailer)
        #expect(try recorded.socket(.push).carrier == .trailer)
        let push = try recorded.socket(.push, carrier: Carrier.none)
        #expect(push.carrier == .none)
        let peer = PlainSocket(SocketType.pull.rawValue)
        peer.bind("ipc://\(recorded.directory)/plain")
        try push.connect("ipc://\(recorded.directory)/plain")
        try push.send([1])
        push.carrier = .trailer
        try push.send([2])
        push.carrier = .none
        try push.send([3])
        #expect((0..<3).map { _ in peer.receive().count } == [1, 2, 1])
    }

    /// With this option a message is one frame, and a trailer would be all that is left of it.
    @Test func conflatedMessagesHaveNoTrailer() throws {
        let recorded = try RecordedContext(carrier: .trailer)
        let pull = try recorded.socket(.pull)
        let push = try recorded.socket(.push)
        try pull.set(.conflate, to: true)
        try push.set(.conflate, to: true)
        try pull.bind("inproc://newest")
        try push.connect("inproc://newest")
        try push.send("old")
        try push.send("new")
        #expect(try pull.receive().text == "new")
    }

    @Test func trailersPassAProxy() throws {
        let recorded = try RecordedContext(carrier: .trailer)
        let (clients, workers) = ("ipc://\(recorded.directory)/clients", "ipc://\(recorded.directory)/workers")
        let control = try recorded.socket(.pair, recording: .off)
        try control.bind("inproc://control")
        let (router, dealer) = (try recorded.socket(.router), try recorded.socket(.dealer))
        try router.bind(clients)
        try dealer.bind(workers)
        let steering = try recorded.socket(.pair, recording: .off, carrier: Carrier.none)
        try steering.connect("inproc://control")
        let sockets = Handover((router, dealer, steering))
        let proxy = TestThread {
            let (router, dealer, steering) = sockets.take()
            return error { try ZMQProxy.run(router, dealer, control: steering) }
        }
        let (req, rep) = (try recorded.socket(.req, link: "calls"), try recorded.socket(.rep, link: "calls"))
        try req.connect(clients)
        try rep.connect(workers)
        var totals = LinkTotals()
        for content in Self.contents {
            try req.sendMultipart(content)
            #expect(try rep.receiveMultipart().map(\.bytes) == content)
            totals.carried(content)
            try rep.sendMultipart(content.reversed())
            #expect(try req.receiveMultipart().map(\.bytes) == content.reversed())
            totals.carried(content)
        }
        totals.latencies = totals.received
        #expect(try recorded.totals("calls") == totals)
        control.carrier = .none
        try control.send("TERMINATE")
        #expect(proxy.join() == nil)
        #expect(try recorded.totals(clients) == LinkTotals())
    }
}

/// Gives a value that is not `Sendable` to one other thread, which is the only one to use it from then on.
final class Handover<Value>: @unchecked Sendable {
    private var value: Value?

    init(_ value: Value) { self.value = value }

    func take() -> Value {
        defer { value = nil }
        return value!
    }
}
#endif
