// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsZMQ
import Glibc
import Testing

/// What is queued, what is lost, and what waiting for room costs.
@Suite struct LossTests {
    /// The subscriber reads nothing until all is sent. What is left of the difference then is what was lost.
    @Test(arguments: [Transport.inproc, .ipc], Carrier.allCases)
    func whatASlowSubscriberLosesIsTheDifference(_ transport: Transport, _ carrier: Carrier) throws {
        let recorded = try RecordedContext(carrier: carrier)
        let pub = try recorded.socket(.pub)
        let sub = try recorded.socket(.sub)
        try pub.set(.sendHighWaterMark, to: 100)
        try sub.set(.receiveHighWaterMark, to: 100)
        try pub.bind(transport.endpoint(in: recorded.directory))
        let address = try pub.lastEndpoint()
        try sub.subscribe("")
        try sub.connect(address)
        var sent = 0.0
        repeat {
            try pub.send("hello")
            sent += 1
        } while try sub.poll(timeout: .milliseconds(10)).isEmpty
        for number in 0..<50_000 { try pub.send("message \(number)") }
        sent += 50_000
        var received = 0.0
        while try !sub.poll(timeout: .milliseconds(200)).isEmpty {
            _ = try sub.receive()
            received += 1
        }
        let values = try recorded.values(address)
        #expect(values["msg_send_total"] == sent && values["msg_recv_total"] == received)
        #expect(values["in_flight"] == sent - received && sent > received && received >= 100)
        #expect(values["msg_send_failed_total"] == 0)
        #expect(values["latency_count"] == (carrier == .trailer ? received : 0))
    }

    @Test func whatIsQueuedIsInFlight() throws {
        let recorded = try RecordedContext(carrier: .trailer)
        let (pull, push) = (try recorded.socket(.pull), try recorded.socket(.push))
        try pull.bind("inproc://queue")
        try push.connect("inproc://queue")
        for number in 1...50 {
            try push.send("x")
            #expect(try recorded.value("in_flight", "inproc://queue") == Double(number))
        }
        for number in 1...50 {
            _ = try pull.receive()
            #expect(try recorded.value("in_flight", "inproc://queue") == Double(50 - number))
        }
    }

    /// A peer that does not read: the send waits, and gives up when the socket says so.
    @Test(arguments: [Carrier.none, .trailer])
    func theTimeThatASendWaitsIsRecorded(_ carrier: Carrier) throws {
        let recorded = try RecordedContext(carrier: carrier)
        let (pull, push) = (try recorded.socket(.pull), try recorded.socket(.push))
        try push.set(.sendHighWaterMark, to: 1)
        try pull.set(.receiveHighWaterMark, to: 1)
        try push.set(.sendTimeout, to: .milliseconds(20))
        try pull.bind("inproc://narrow")
        try push.connect("inproc://narrow")
        func blocked() throws -> Double { try recorded.value("send_blocked_seconds_total", "inproc://narrow") ?? -1 }
        try push.send("1")
        try push.send("2")
        #expect(try blocked() == 0)
        #expect(error { try push.send("3", flags: .dontWait) }?.isAgain == true)
        #expect(try blocked() == 0)
        #expect(error { try push.sendMultipart([[3], [3]]) }?.isAgain == true)
        let once = try blocked()
        #expect(once > 0)
        #expect(error { try push.send("4") }?.isAgain == true)
        #expect(try blocked() > once)
        let totals = try recorded.totals("inproc://narrow")
        #expect(totals == LinkTotals(sent: 2, failed: 3, sentBytes: 2))
        // A message that was refused leaves nothing behind.
        #expect(try pull.receiveMultipart().map(\.text) == ["1"] && pull.receiveMultipart().map(\.text) == ["2"])
        try push.sendMultipart([[5], [6]])
        #expect(try pull.receiveMultipart().map(\.bytes) == [[5], [6]])
    }

    @Test func aTaskThatWaitsForRoomIsRecordedToo() async throws {
        let recorded = try RecordedContext(carrier: .trailer)
        let (pull, push) = (try recorded.socket(.pull), try recorded.socket(.push))
        try push.set(.sendHighWaterMark, to: 1)
        try pull.set(.receiveHighWaterMark, to: 1)
        try pull.bind("inproc://narrow")
        try push.connect("inproc://narrow")
        let (sender, receiver) = (Endpoint(push), Endpoint(pull))
        async let sent: Void = sender.send(100)
        while try recorded.totals("inproc://narrow").sent < 2 { await Task.yield() }
        let received = try await receiver.receive(100)
        try await sent
        #expect(received == (0..<100).map { "message \($0)" })
        #expect(try recorded.value("send_blocked_seconds_total", "inproc://narrow") ?? 0 > 0)
        let totals = try recorded.totals("inproc://narrow")
        #expect(totals.sent == 100 && totals.received == 100 && totals.latencies == 100 && totals.failed == 0)
    }
}
#endif
