// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetrics
import FDMetricsZMQ
import Glibc
import Testing

@Suite struct RecordingTests {
    @Test func theSixSeriesCarryTheAddress() throws {
        let recorded = try RecordedContext()
        let pull = try recorded.socket(.pull)
        try pull.bind("tcp://127.0.0.1:*")
        let address = try pull.lastEndpoint()
        #expect(address.hasPrefix("tcp://127.0.0.1:") && !address.hasSuffix("*"))
        let text = try recorded.text()
        for series in [
            "msg_send_total", "msg_send_failed_total", "msg_bytes_send_total", "msg_recv_total", "msg_bytes_recv_total",
            "latency_count",
        ] {
            #expect(text.contains("fastdeploy:zmq:\(series){address=\"\(address)\"} 0"))
        }
    }

    @Test func aSocketWithoutEndpointHasNoLink() throws {
        let recorded = try RecordedContext()
        let dealer = try recorded.socket(.dealer, link: "early")
        #expect(error { try dealer.send("x", flags: .dontWait) }?.code == EAGAIN)
        #expect(dealer.endpoint == nil)
        #expect(try !recorded.text().contains("early"))
    }

    @Test func aFullQueueCountsAsFailedAndAnEmptyOneAsNothing() throws {
        let recorded = try RecordedContext()
        let pull = try recorded.socket(.pull)
        let push = try recorded.socket(.push)
        try push.set(.sendHighWaterMark, to: 5)
        try pull.set(.receiveHighWaterMark, to: 5)
        try pull.bind("inproc://narrow")
        try push.connect("inproc://narrow")
        #expect(error { try pull.receive(flags: .dontWait) }?.isAgain == true)
        #expect(try recorded.totals("inproc://narrow") == LinkTotals())

        var accepted = 0
        while error({ try push.sendMultipart([[1, 2], [3]], flags: .dontWait) }) == nil {
            accepted += 1
        }
        #expect(accepted == 10)
        let refused = error { try push.send([1], flags: .dontWait) }
        #expect(refused?.isAgain == true && refused?.endpoint == "inproc://narrow")
        var totals = LinkTotals(sent: 10, failed: 2, sentBytes: 30)
        #expect(try recorded.totals("inproc://narrow") == totals)

        for _ in 0..<10 { #expect(try pull.receiveMultipart(flags: .dontWait).map(\.bytes) == [[1, 2], [3]]) }
        #expect(error { try pull.receiveMultipart(flags: .dontWait) }?.isAgain == true)
        totals.received = 10
        totals.receivedBytes = 30
        #expect(try recorded.totals("inproc://narrow") == totals)
    }

    @Test func framesSentOneByOneAreOneMessage() throws {
        let recorded = try RecordedContext()
        let left = try recorded.socket(.pair)
        let right = try recorded.socket(.pair)
        try left.bind("inproc://pair")
        try right.connect("inproc://pair")
        try left.send([1, 2, 3], flags: .more)
        try left.send("four", flags: .more)
        #expect(try recorded.totals("inproc://pair") == LinkTotals())
        try left.send(ZMQMessage([UInt8](repeating: 5, count: 50)))
        #expect(try recorded.totals("inproc://pair") == LinkTotals(sent: 1, sentBytes: 57))

        #expect(try right.receive().bytes == [1, 2, 3])
        #expect(try recorded.totals("inproc://pair").received == 0)
        #expect(try right.get(.receiveMore))
        var four = [UInt8](repeating: 0, count: 3)
        let (count, hasMore) = try four.withUnsafeMutableBytes { try right.receive(into: $0) }
        #expect(count == 4 && hasMore && four == Array("fou".utf8))
        #expect(try right.receive().count == 50)
        #expect(
            try recorded.totals("inproc://pair")
                == LinkTotals(sent: 1, sentBytes: 57, received: 1, receivedBytes: 57))
    }

    @Test func everyKindOfFailedSendCounts() throws {
        let recorded = try RecordedContext()
        let req = try recorded.socket(.req)
        try req.bind("inproc://req")
        let peer = try recorded.socket(.dealer, recording: .off)
        try peer.connect("inproc://req")
        try req.send("one")
        #expect(error { try req.send("two") }?.isWrongState == true)
        #expect(error { try req.sendMultipart([[UInt8]]()) }?.code == EINVAL)
        #expect(try recorded.totals("inproc://req") == LinkTotals(sent: 1, failed: 2, sentBytes: 3))

        let router = try recorded.socket(.router)
        try router.set(.routerMandatory, to: true)
        try router.bind("inproc://router")
        let unknown = error { try router.sendMultipart([Array("nobody".utf8), [1]]) }
        #expect(unknown?.code == EHOSTUNREACH)
        #expect(try recorded.totals("inproc://router") == LinkTotals(failed: 1))

        let pull = try recorded.socket(.pull)
        try pull.bind("inproc://pull")
        #expect(error { try pull.send("x") }?.code == ENOTSUP)
        #expect(try recorded.totals("inproc://pull") == LinkTotals(failed: 1))
    }

    @Test func aNameAndAPrefixCanBeGiven() throws {
        let recorded = try RecordedContext()
        let pull = try recorded.socket(.pull, link: "requests", recording: .on(recorded.registry, prefix: "vllm"))
        try pull.bind("tcp://*:*")
        let push = try recorded.socket(.push, link: "requests", recording: .on(recorded.registry, prefix: "vllm"))
        try push.connect("tcp://127.0.0.1:" + pull.lastEndpoint().split(separator: ":").last!)
        try push.send("abc")
        #expect(try pull.receive().text == "abc")
        #expect(try recorded.value("msg_send_total", "requests", prefix: "vllm") == 1)
        #expect(try recorded.value("msg_bytes_recv_total", "requests", prefix: "vllm") == 3)
        #expect(try !recorded.text().contains("tcp://"))
    }

    @Test func theFirstEndpointNamesTheLinkUntilItIsGivenUp() throws {
        let recorded = try RecordedContext()
        let servers = try ["inproc://a", "inproc://b"].map { endpoint in
            let server = try recorded.socket(.pull, recording: .off)
            try server.bind(endpoint)
            return server
        }
        let push = try recorded.socket(.push)
        try push.connect("inproc://a")
        try push.connect("inproc://b")
        #expect(push.endpoint == "inproc://a")
        try push.disconnect("inproc://b")
        try push.send("1")
        try push.disconnect("inproc://a")
        try push.connect("inproc://b")
        #expect(push.endpoint == "inproc://b")
        try push.send("2")
        #expect(try recorded.totals("inproc://a").sent == 1)
        #expect(try recorded.totals("inproc://b").sent == 1)
        withExtendedLifetime(servers) {}
    }

    @Test func recordingCanBeOff() throws {
        let recorded = try RecordedContext()
        let rep = try recorded.socket(.rep, recording: .off)
        try rep.bind("inproc://off")
        let req = try recorded.socket(.req, recording: .off)
        try req.connect("inproc://off")
        try req.send("x")
        #expect(try rep.receive().text == "x")
        #expect(req.recordingFailure == nil && req.endpoint == "inproc://off")
        #expect(try !recorded.text().contains("inproc://off"))
    }

    /// A prefix that makes no metric name is refused by the registry, as a store that is full would be.
    @Test func aLinkThatCannotBeOpenedDoesNotFailTheSocket() throws {
        let recorded = try RecordedContext()
        let broken = ZMQRecording.on(recorded.registry, prefix: "not a name")
        let pull = try recorded.socket(.pull, recording: broken)
        try pull.bind("inproc://unrecorded")
        let push = try recorded.socket(.push, recording: broken)
        try push.connect("inproc://unrecorded")
        try push.send("delivered")
        #expect(try pull.receive().text == "delivered")
        #expect(push.recordingFailure != nil && pull.recordingFailure != nil)
        #expect(try !recorded.text().contains("unrecorded"))
    }
}
#endif
