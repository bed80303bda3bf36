// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if ZeroMQ
import FDMetricsZMQ
import Glibc
import Testing

/// A socket and the tasks that use it, as a service would have them.
actor Endpoint {
    let socket: ZMQSocket

    init(_ socket: sending ZMQSocket) {
        self.socket = socket
    }

    func echo(_ count: Int) async throws {
        for _ in 0..<count { try await socket.sendMultipart(socket.receiveMultipart()) }
    }

    func send(_ count: Int) async throws {
        for number in 0..<count { try await socket.send("message \(number)") }
    }

    func receive(_ count: Int) async throws -> [String?] {
        var texts: [String?] = []
        for _ in 0..<count { texts.append(try await socket.receive().text) }
        return texts
    }

    func receiveError() async -> ZMQError? {
        do {
            _ = try await socket.receive()
            return nil
        } catch {
            return error
        }
    }

    func sendError(_ frames: [ZMQMessage]) async -> ZMQError? {
        do {
            try await socket.sendMultipart(frames)
            return nil
        } catch {
            return error
        }
    }

    func close() {
        socket.close()
    }
}

@Suite struct AsyncTests {
    func texts(_ count: Int) -> [String?] {
        (0..<count).map { "message \($0)" }
    }

    /// More tasks that wait than the pool has threads: none of them blocks one.
    @Test func manyTasksWaitAtOnce() async throws {
        let recorded = try RecordedContext()
        let count = 64
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                let rep = try recorded.socket(.rep)
                try rep.bind("inproc://service-\(number)")
                let server = Endpoint(rep)
                group.addTask { try await server.echo(20) }
            }
            for number in 0..<count {
                let req = try recorded.socket(.req)
                try req.connect("inproc://service-\(number)")
                let client = Endpoint(req)
                group.addTask {
                    for _ in 0..<20 {
                        try await client.send(1)
                        #expect(try await client.receive(1) == ["message 0"])
                    }
                }
            }
            try await group.waitForAll()
        }
        for number in 0..<count {
            let totals = try recorded.totals("inproc://service-\(number)")
            #expect(totals == LinkTotals(sent: 40, sentBytes: 360, received: 40, receivedBytes: 360))
        }
    }

    /// One task sends and another receives on each socket: each takes away what the other's descriptor would have said.
    @Test(arguments: Transport.allCases)
    func bothDirectionsAtOnce(_ transport: Transport) async throws {
        let recorded = try RecordedContext()
        let bound = try narrow(recorded.socket(.dealer))
        let connected = try narrow(recorded.socket(.dealer))
        try bound.bind(transport.endpoint(in: recorded.directory))
        let address = try bound.lastEndpoint()
        try connected.connect(address)
        let left = Endpoint(bound)
        let right = Endpoint(connected)
        let count = 3000
        async let leftSent: Void = left.send(count)
        async let rightSent: Void = right.send(count)
        async let leftReceived = left.receive(count)
        async let rightReceived = right.receive(count)
        _ = try await (leftSent, rightSent)
        #expect(try await leftReceived == texts(count))
        #expect(try await rightReceived == texts(count))
        let totals = try recorded.totals(address)
        // A send that waits for room is not a failed one.
        #expect(totals.sent == 6000 && totals.received == 6000 && totals.failed == 0)
    }

    func narrow(_ socket: sending ZMQSocket) throws -> sending ZMQSocket {
        try socket.set(.sendHighWaterMark, to: 3)
        try socket.set(.receiveHighWaterMark, to: 3)
        return socket
    }

    @Test func envelopes() async throws {
        let recorded = try RecordedContext()
        let left = try recorded.socket(.pair)
        let right = try recorded.socket(.pair)
        try left.bind("inproc://pair")
        try right.connect("inproc://pair")
        try await left.sendEnvelope([UInt8]("[1]".utf8), after: [ZMQMessage("id")])
        let message = try await right.receiveJSON()
        #expect(message.leading.map(\.text) == ["id"] && message.payload == [UInt8]("[1]".utf8))
        #expect(try recorded.totals("inproc://pair").latencies == 1)
    }

    @Test func cancellationEndsAWait() async throws {
        let recorded = try RecordedContext()
        let pull = try recorded.socket(.pull)
        try pull.bind("inproc://quiet")
        let endpoint = Endpoint(pull)
        let task = Task { await endpoint.receiveError() }
        await Task.yield()
        task.cancel()
        #expect(await task.value?.code == ECANCELED)
        // The socket goes on working.
        let push = try recorded.socket(.push)
        try push.connect("inproc://quiet")
        async let received = endpoint.receive(1)
        try await push.send("message")
        #expect(try await received == ["message"])
    }

    @Test func closingEndsAWait() async throws {
        let recorded = try RecordedContext()
        let pull = try recorded.socket(.pull)
        try pull.bind("inproc://quiet")
        let endpoint = Endpoint(pull)
        async let failed = endpoint.receiveError()
        await Task.yield()
        await endpoint.close()
        #expect(await failed?.code == ENOTSOCK)
    }

    @Test func shutdownEndsAWait() async throws {
        let recorded = try RecordedContext()
        let pull = try recorded.socket(.pull)
        try pull.bind("inproc://quiet")
        let endpoint = Endpoint(pull)
        async let failed = endpoint.receiveError()
        await Task.yield()
        recorded.context.shutdown()
        #expect(await failed?.isTerminated == true)
    }

    /// What no waiting would mend is said at once.
    @Test func refusalsDoNotWait() async throws {
        let recorded = try RecordedContext()
        let req = try recorded.socket(.req)
        try req.bind("inproc://req")
        let peer = try recorded.socket(.dealer, recording: .off)
        try peer.connect("inproc://req")
        let requester = Endpoint(req)
        #expect(await requester.receiveError()?.isWrongState == true)
        try await requester.send(1)
        #expect(try await requester.sendError([ZMQMessage("again")])?.isWrongState == true)
        #expect(await requester.sendError([])?.code == EINVAL)

        let push = try recorded.socket(.push)
        try push.bind("inproc://push")
        let sender = Endpoint(push)
        #expect(await sender.receiveError()?.code == ENOTSUP)

        let router = try recorded.socket(.router)
        try router.set(.routerMandatory, to: true)
        try router.set(.sendHighWaterMark, to: 1)
        try router.bind("inproc://router")
        let slow = try recorded.socket(.dealer, recording: .off)
        try slow.set(.routingID, to: [UInt8]("slow".utf8))
        try slow.set(.receiveHighWaterMark, to: 1)
        try slow.connect("inproc://router")
        // Another peer, which has room: the socket as a whole is writable.
        let idle = try recorded.socket(.dealer, recording: .off)
        try idle.connect("inproc://router")
        let replier = Endpoint(router)
        let reply = try [ZMQMessage("slow"), ZMQMessage("x")]
        var accepted = 0.0
        var refusal = await replier.sendError(reply)
        while refusal == nil {
            accepted += 1
            refusal = await replier.sendError(reply)
        }
        #expect(accepted == 2 && refusal?.isAgain == true)
        #expect(try await replier.sendError([ZMQMessage("nobody"), ZMQMessage("x")])?.code == EHOSTUNREACH)
        #expect(try recorded.totals("inproc://router") == LinkTotals(sent: 2, failed: 2, sentBytes: 10))
        withExtendedLifetime((peer, slow, idle)) {}
    }
}
#endif
