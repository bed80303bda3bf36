// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsTestSupport
import FDMetricsZMQ
import FDMetricsZMQRecording
import Glibc
import Testing

@Suite struct TrailerTests {
    let recorded: RecordedContext
    let address: String

    init() throws {
        recorded = try RecordedContext(carrier: .trailer)
        address = "ipc://\(recorded.directory)/link"
    }

    /// A socket of ours and a plain one that is connected to it.
    func withPlainPeer(_ type: SocketType, _ peer: SocketType) throws -> (ZMQSocket, PlainSocket) {
        let socket = try recorded.socket(type)
        try socket.bind(address)
        let plain = PlainSocket(peer.rawValue)
        plain.connect(address)
        return (socket, plain)
    }

    // MARK: Plain peers

    @Test func aPlainReceiverGetsOneMoreFrame() throws {
        let (push, plain) = try withPlainPeer(.push, .pull)
        for content in PatternTests.messages {
            try push.sendMultipart(content)
            let received = plain.receive()
            #expect(Array(received.dropLast()) == content)
            let last = try #require(received.last)
            #expect(last.count == 24 && Array(last.prefix(8)) == Array("FDM1".utf8) + [0, 0, 0, 0])
            #expect(last.withUnsafeBytes { ZMQTrailer.isTrailer($0) })
        }
        #expect(try recorded.totals(address).sent == Double(PatternTests.messages.count))
    }

    @Test func aPlainSenderNeedsNoTrailer() throws {
        let (pull, plain) = try withPlainPeer(.pull, .push)
        var totals = LinkTotals()
        for content in PatternTests.messages {
            plain.send(content)
            #expect(try pull.receiveMultipart().map(\.bytes) == content)
            totals.received += 1
            totals.receivedBytes += Double(content.joined().count)
        }
        #expect(try recorded.totals(address) == totals)
        #expect(try recorded.value("latency_skipped_total", address) == 0)
    }

    @Test func aPlainPartnerOfARequest() throws {
        let (rep, plain) = try withPlainPeer(.rep, .req)
        plain.send([[1], [2]])
        #expect(try rep.receiveMultipart().map(\.bytes) == [[1], [2]])
        try rep.sendMultipart([[3]])
        #expect(plain.receive().dropLast() == [[3]])
        #expect(
            try recorded.totals(address) == LinkTotals(sent: 1, sentBytes: 1, received: 1, receivedBytes: 2))
    }

    // MARK: Stamps that cannot be used

    static let unusable: [(name: String, trailer: [UInt8])] = [
        ("of another host", trailer { $0[16] ^= 1 }),
        ("of the future", trailer { $0[15] = 0x7F }),
        ("of no time", trailer { bytes in for index in 8..<16 { bytes[index] = 0 } }),
        ("of a later version", trailer { $0[4] = 1 }),
    ]

    @Test(arguments: unusable.indices)
    func isTakenOffAndCounted(_ index: Int) throws {
        let (pull, plain) = try withPlainPeer(.pull, .push)
        plain.send([[7, 8], [9], Self.unusable[index].trailer])
        #expect(try pull.receiveMultipart().map(\.bytes) == [[7, 8], [9]])
        #expect(try recorded.totals(address) == LinkTotals(received: 1, receivedBytes: 3))
        #expect(try recorded.value("latency_skipped_total", address) == 1)
    }

    static let foreign: [[UInt8]] = [
        trailer { $0[0] = 0 }, trailer { $0[3] = UInt8(ascii: "2") }, trailer { $0.removeLast() },
        trailer { $0.append(0) }, Array("FDM1".utf8), [], [UInt8](repeating: 0, count: 24),
    ]

    @Test(arguments: foreign)
    func whatIsNoTrailerIsPayload(_ frame: [UInt8]) throws {
        let (pull, plain) = try withPlainPeer(.pull, .push)
        plain.send([[7], frame])
        #expect(try pull.receiveMultipart().map(\.bytes) == [[7], frame])
        #expect(try recorded.totals(address).receivedBytes == Double(1 + frame.count))
        #expect(try recorded.value("latency_skipped_total", address) == 0)
    }

    /// Nobody sends a trailer alone.
    @Test func aMessageThatIsNothingElseIsPayload() throws {
        let (pull, plain) = try withPlainPeer(.pull, .push)
        let frame = trailer()
        plain.send([frame])
        #expect(try pull.receiveMultipart().map(\.bytes) == [frame])
        #expect(try recorded.totals(address) == LinkTotals(received: 1, receivedBytes: 24))
    }

    @Test func soItIsBehindTheRoutingIDOfARouter() throws {
        let (router, plain) = try withPlainPeer(.router, .dealer)
        let frame = trailer()
        plain.send([frame])
        #expect(try router.receiveMultipart().map(\.bytes).last == frame)
        plain.send([[], frame])
        #expect(try router.receiveMultipart().map(\.bytes).dropFirst() == [[]])
        // libzmq sends nothing of a message that is a routing id and nothing else; nor does a trailer make it one.
        plain.send([[1]])
        let id = try router.receiveMultipart()[0]
        try router.send(id)
        try router.sendMultipart([id, ZMQMessage("x")])
        #expect(plain.receive().first == Array("x".utf8))
    }

    /// Random frames, a last one that is nearly a trailer: what arrives is what was sent, less one frame where that is one.
    @Test func damage() throws {
        var random = SeededGenerator(for: "trailer damage")
        let (pull, plain) = try withPlainPeer(.pull, .push)
        var stripped = 0.0
        let count = 3000
        var bytes = 0.0
        for _ in 0..<count {
            var last = trailer()
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                last[Int.random(in: 0..<24, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if Int.random(in: 0..<8, using: &random) == 0 { last.removeLast() }
            var frames = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                [UInt8](repeating: 5, count: Int.random(in: 0...40, using: &random))
            }
            frames.append(last)
            plain.send(frames)
            if frames.count > 1, last.withUnsafeBytes({ ZMQTrailer.isTrailer($0) }) {
                frames.removeLast()
                stripped += 1
            }
            bytes += Double(frames.joined().count)
            #expect(try pull.receiveMultipart().map(\.bytes) == frames)
        }
        let totals = try recorded.totals(address)
        #expect(totals.received == Double(count) && totals.receivedBytes == bytes)
        let skipped = try #require(try recorded.value("latency_skipped_total", address))
        #expect(totals.latencies + skipped == stripped && totals.latencies > 0 && skipped > 0)
        let milliseconds = try #require(try recorded.value("latency_sum", address))
        #expect(milliseconds >= 0)
    }

    // MARK: Frame by frame

    @Test(arguments: [false, true])
    func theFrameBeforeTheTrailerIsTheLast(_ isStamped: Bool) async throws {
        let left = try recorded.socket(.pair, carrier: isStamped ? .trailer : Carrier.none)
        let right = try recorded.socket(.pair)
        try left.bind("inproc://pair")
        try right.connect("inproc://pair")
        try left.send("a", flags: .more)
        try left.send([1, 2, 3], flags: .more)
        try left.send(ZMQMessage("c"), flags: [])

        let poller = ZMQPoller()
        let key = poller.add(right)
        func isReadable() async throws -> [Bool] {
            [
                try right.poll(timeout: .zero) == .readable, try right.get(.events).contains(.readable),
                try poller.wait(timeout: .zero).map(\.key) == [key],
            ]
        }
        #expect(try await isReadable() == [true, true, true])
        let first = try right.receive(flags: [])
        #expect(first.text == "a" && first.hasMore)
        #expect(try right.get(.receiveMore))
        #expect(try await isReadable() == [true, true, true])
        #expect(try await right.ready(for: .readable).contains(.readable))
        var buffer = [UInt8](repeating: 0, count: 3)
        let (count, hasMore) = try buffer.withUnsafeMutableBytes { try right.receive(into: $0) }
        #expect(count == 3 && hasMore && buffer == [1, 2, 3])
        #expect(try right.get(.receiveMore))
        #expect(try recorded.totals("inproc://pair").received == 0)
        let last = try await right.receive()
        #expect(last.text == "c" && !last.hasMore)
        #expect(try !right.get(.receiveMore))
        #expect(try await isReadable() == [false, false, false])
        #expect(error { try right.receive(flags: .dontWait) }?.isAgain == true)
        #expect(
            try recorded.totals("inproc://pair")
                == LinkTotals(
                    sent: 1, sentBytes: 5, received: 1, receivedBytes: 5, latencies: isStamped ? 1 : 0))
    }

    /// As libzmq has it, although it has handed out all frames already.
    @Test func aReplyNeedsTheWholeRequest() throws {
        let req = try recorded.socket(.req)
        let rep = try recorded.socket(.rep)
        try rep.bind("inproc://calls")
        try req.connect("inproc://calls")
        try req.sendMultipart([[1], [2]])
        #expect(try rep.receive().hasMore)
        #expect(error { try rep.send("early") }?.isWrongState == true)
        #expect(try rep.poll([.readable, .writable], timeout: .zero) == .readable)
        #expect(try !rep.receive().hasMore)
        try rep.sendMultipart([[3], [4]])
        #expect(try req.receive().hasMore)
        #expect(error { try req.send("early") }?.isWrongState == true)
        #expect(try req.receive().bytes == [4])
        try req.send("next")
    }

    @Test func aForwardedMessageIsTheSame() throws {
        let frames = try [ZMQMessage("a"), ZMQMessage("b")]
        let sockets = try (0..<4).map { _ in try recorded.socket(.pair) }
        for (index, endpoint) in ["inproc://one", "inproc://two"].enumerated() {
            try sockets[2 * index].bind(endpoint)
            try sockets[2 * index + 1].connect(endpoint)
        }
        try sockets[0].sendMultipart(frames)
        try sockets[2].sendMultipart(try sockets[1].receiveMultipart())
        let received = try sockets[3].receiveMultipart()
        #expect(received == frames && received.map(\.hasMore) == [true, false])
        #expect(try recorded.totals("inproc://two").latencies == 1)
    }
}
#endif
